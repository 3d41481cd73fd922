package import MailProtocols
package import Net

extension POP3Client {
  /// Connects, with TLS as `tls` says, and reads the greeting and what the server can do.
  ///
  /// Called from a task of the loop that is to own the client.
  package static func connect(
    host: String,
    port: UInt16,
    tls: TLSMode,
    variant: POP3Variant = .standard,
    connector: Connector,
    tlsContext: TLSClientContext,
    limits: POP3Limits = POP3Limits(),
    timeouts: POP3Timeouts = POP3Timeouts(),
    deadline: Deadline
  ) async throws(POP3Error) -> POP3Client {
    let opened: OpenedStream
    var source = SourcePort.any
    if case .rpop = variant { source = .reserved }
    do throws(NetError) {
      opened = try await OpenedStream.open(
        host,
        port,
        from: source,
        tls,
        tlsContext,
        by: connector,
        deadline: deadline
      )
    } catch {
      throw POP3Error(error)
    }
    let client = POP3Client(
      over: opened.stream,
      service: SASLService("pop", host: host, port: port),
      variant: variant,
      limits: limits,
      timeouts: timeouts
    )
    do throws(POP3Error) {
      if case .kpop(let ticket) = variant { try await client.shakeHands(by: ticket, deadline) }
      try await client.greet(deadline)
      if tls == .starttls { try await client.startTLS(over: opened.socket, tlsContext, deadline) }
      try await client.refreshCapabilities(deadline)
    } catch {
      client.close()
      throw error
    }
    return client
  }

  /// Reads the greeting.
  package func greet(_ deadline: Deadline) async throws(POP3Error) {
    try await begin(deadline)
    defer { end() }
    guard case .greeting(let reply) = try await nextEvent(deadline) else { throw astray() }
    greeting = reply
    guard reply.isPositive else {
      // Nobody's secret was judged yet.
      let refusal = reply.refusal
      throw fail(.turnedAway(refusal == .unknown ? .temporary : refusal, response: reply.text))
    }
  }

  /// Secures the connection; whatever came before the handshake is forgotten (RFC 2595 §4).
  private func startTLS(
    over socket: SocketStream,
    _ context: TLSClientContext,
    _ deadline: Deadline
  ) async throws(POP3Error) {
    try await begin(deadline)
    defer { end() }
    // Tried without a look at CAPA, which a man in the middle could have changed.
    try send(.startTLS)
    switch try await nextEvent(deadline) {
    case .handshake: break
    case .completed: throw fail(.unsupported("STLS"))
    default: throw astray()
    }
    do throws(NetError) {
      stream = try await TLSStream.client(
        over: socket,
        serverName: service.host,
        context: context,
        deadline: deadline
      )
    } catch {
      throw fail(POP3Error(error))
    }
    session.secured()
  }

  /// Asks what the server can do.
  ///
  /// Leniency `noCapabilities`: a server that refuses CAPA is older than it, or says so (recorded of
  /// Comcast); then everything that it may know is tried.
  package func refreshCapabilities(_ deadline: Deadline? = nil) async throws(POP3Error) {
    let deadline = deadline ?? .now + timeouts.command
    try await begin(deadline)
    defer { end() }
    try send(.capabilities)
    switch try await nextEvent(deadline) {
    case .completed: return
    case .began: break
    default: throw astray()
    }
    guard case .ended = try await nextEvent(deadline) else { throw astray() }
  }
}
