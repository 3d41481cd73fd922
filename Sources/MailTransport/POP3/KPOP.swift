import MailProtocols
import Net

extension POP3Client {
  /// Proves who we are by `ticket`, and has the server prove itself, before POP3 begins.
  ///
  /// libkrb5 makes and checks the messages, on a thread that may block: it asks the KDC. They go over
  /// our own stream.
  func shakeHands(by ticket: KerberosTicket, _ deadline: Deadline) async throws(POP3Error) {
    try await begin(deadline)
    defer { end() }
    let (service, pool) = (service, stream.loop.blocking)
    var handshake = KPOPHandshake()
    let exchange: KerberosExchange
    let request: [UInt8]
    do {
      (exchange, request) = try await pool.run {
        let exchange = try KerberosExchange(configurationOf: ticket)
        return (exchange, try exchange.request(service: "pop", host: service.host, ticket: ticket))
      }
    } catch {
      throw kerberosFailure(error)
    }
    while true {
      switch try await nextStep(&handshake, deadline) {
      case .wantsRequest: handshake.sendRequest(request)
      case .broken(let reason): throw fail(.broken(reason: reason))
      case .refused(let error):
        throw fail(.authenticationFailed(response: exchange.words(of: error)))
      case .proof(let proof, let rest):
        do {
          try await pool.run { try exchange.verify(proof) }
        } catch {
          throw kerberosFailure(error)
        }
        if !rest.isEmpty { session.receive(rest) }
        return
      }
    }
  }

  private func nextStep(
    _ handshake: inout KPOPHandshake,
    _ deadline: Deadline
  ) async throws(POP3Error) -> KPOPHandshake.Event {
    do throws(NetError) {
      while true {
        let output = handshake.takeOutput()
        if !output.isEmpty { try await stream.write(output, deadline: deadline) }
        if let event = handshake.next() { return event }
        let bytes = try await stream.read(upTo: 4096, deadline: deadline)
        guard !bytes.isEmpty else { throw .closed }
        handshake.receive(bytes)
      }
    } catch {
      throw fail(POP3Error(error))
    }
  }

  private func kerberosFailure(_ error: any Error) -> POP3Error {
    let reason = (error as? KerberosError)?.reason ?? "no thread is free"
    return fail(.authenticationFailed(response: reason))
  }
}
