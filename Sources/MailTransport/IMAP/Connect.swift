package import MailProtocols
package import Net

extension IMAPClient {
  /// Connects, with TLS as `tls` says, and reads the greeting and what the server can do.
  ///
  /// Called from a task of the loop that is to own the client.
  package static func connect(
    host: String,
    port: UInt16,
    tls: TLSMode,
    connector: Connector,
    tlsContext: TLSClientContext,
    limits: IMAPLimits = IMAPLimits(),
    timeouts: IMAPTimeouts = IMAPTimeouts(),
    deadline: Deadline
  ) async throws(IMAPError) -> IMAPClient {
    let opened: OpenedStream
    do throws(NetError) {
      opened = try await OpenedStream.open(
        host,
        port,
        tls,
        tlsContext,
        by: connector,
        deadline: deadline
      )
    } catch {
      throw IMAPError(error)
    }
    let service = SASLService("imap", host: host, port: port)
    let client = IMAPClient(
      over: opened.stream,
      service: service,
      limits: limits,
      timeouts: timeouts
    )
    do throws(IMAPError) {
      try await client.greet(deadline)
      if tls == .starttls {
        try await client.startTLS(over: opened.socket, serverName: host, tlsContext, deadline)
      }
      try await client.refreshCapabilities(deadline)
    } catch {
      client.close()
      throw error
    }
    return client
  }

  /// Reads the greeting.
  package func greet(_ deadline: Deadline) async throws(IMAPError) {
    try await begin(deadline)
    defer { end() }
    guard case .greeting(let status) = try await nextEvent(deadline) else { return }
    if status.condition != .ok, status.condition != .preauth {
      throw fail(Self.farewell(status))
    }
  }

  /// Secures the connection; whatever came before the handshake is forgotten.
  ///
  /// A server that greets by PREAUTH would keep us from STARTTLS: that is refused, since a man in
  /// the middle can make that greeting (CVE-2020-12398).
  private func startTLS(
    over socket: SocketStream,
    serverName: String,
    _ context: TLSClientContext,
    _ deadline: Deadline
  ) async throws(IMAPError) {
    guard session.state == .notAuthenticated else {
      throw fail(.broken(reason: "the server logs us in before the connection is secure"))
    }
    // STARTTLS is tried even where it is not listed: the list could have been tampered with.
    let statuses = try await pipeline([.startTLS], deadline: deadline)
    guard let status = statuses.first, status.condition == .ok else {
      throw fail(.unsupported("STARTTLS"))
    }
    do throws(NetError) {
      stream = try await TLSStream.client(
        over: socket,
        serverName: serverName,
        context: context,
        deadline: deadline
      )
    } catch {
      throw fail(IMAPError(error))
    }
  }
}
