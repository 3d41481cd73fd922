package import MailProtocols
package import Net

/// A ManageSieve connection, driven from one task at a time.
///
/// A client belongs to the event loop of its stream. Every wait has a deadline; an error that breaks the
/// connection closes it, and every later operation throws that error again.
package final class ManageSieveClient: @unchecked Sendable {  // Confined to its stream's loop.
  /// Called once, when the connection is closed; forgotten with the client if it never is.
  package var whenClosed: (() -> Void)?
  /// What the server is called, as some SASL mechanisms sign it.
  let service: SASLService
  private let socket: SocketStream
  private(set) var stream: any ByteStream
  var session: ManageSieveSession
  private var failure: ManageSieveError?
  private var isRunning = false

  /// For the whole of a command, where the caller has no deadline.
  private static let commandTimeout = Duration.seconds(60)
  private static let readBytes = 16_384

  private init(
    socket: SocketStream,
    stream: any ByteStream,
    service: SASLService,
    limits: ManageSieveLimits
  ) {
    self.socket = socket
    self.stream = stream
    self.service = service
    session = ManageSieveSession(limits: limits)
  }

  /// What the server can do.
  package var capabilities: ManageSieveCapabilities { session.capabilities }
  /// Whether TLS protects the connection.
  package var isSecure: Bool { stream.isSecure }

  /// Connects, with TLS as `tls` says, and reads what the server can do.
  ///
  /// Called from a task of the loop that is to own the client.
  package static func connect(
    host: String,
    port: UInt16,
    tls: TLSMode,
    connector: Connector,
    tlsContext: TLSClientContext,
    limits: ManageSieveLimits = ManageSieveLimits(),
    deadline: Deadline
  ) async throws(ManageSieveError) -> ManageSieveClient {
    let client: ManageSieveClient
    do throws(NetError) {
      let opened = try await OpenedStream.open(
        host,
        port,
        tls,
        tlsContext,
        by: connector,
        deadline: deadline
      )
      let service = SASLService("sieve", host: host, port: port)
      client = ManageSieveClient(
        socket: opened.socket,
        stream: opened.stream,
        service: service,
        limits: limits
      )
    } catch {
      throw ManageSieveError(error)
    }
    try await client.greet(deadline)
    if tls == .starttls { try await client.startTLS(tlsContext, deadline) }
    return client
  }

  /// Says goodbye, waits shortly for the answer, which changes nothing, and closes.
  package func logout() async {
    if failure == nil, session.isReady {
      do throws(ManageSieveError) {
        _ = try await answer(to: .logout, deadline: .after(.seconds(5)))
      } catch {
        // It is closed either way.
      }
    }
    close()
  }

  /// Closes the connection at once.
  package func close() {
    if failure == nil { failure = .closed }
    session.close()
    stream.close()
    let ended = whenClosed
    whenClosed = nil
    ended?()
  }

  // MARK: - Beginning

  private func greet(_ deadline: Deadline) async throws(ManageSieveError) {
    switch try await event(deadline) {
    case .greeting(let answer) where answer.status == .ok: return
    case .greeting(let answer): throw fail(ManageSieveError(bye: answer))
    default: throw astray()
    }
  }

  /// Secures the connection; whatever came before the handshake is forgotten, and the capabilities are told anew.
  private func startTLS(
    _ context: TLSClientContext,
    _ deadline: Deadline
  ) async throws(ManageSieveError) {
    // Tried without a look at the capabilities, which a man in the middle could have changed.
    session.send(.startTLS)
    switch try await event(deadline) {
    case .handshake: break
    case .completed: throw fail(.unsupported("STARTTLS"))
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
      throw fail(ManageSieveError(error))
    }
    session.secured()
    try await greet(deadline)
  }

  // MARK: - Driving

  /// Sends `command` and returns its answer, NO included.
  func answer(
    to command: ManageSieveCommand,
    deadline: Deadline?
  ) async throws(ManageSieveError) -> ManageSieveAnswer {
    try begin()
    defer { end() }
    session.send(command)
    let event = try await event(deadline ?? .after(Self.commandTimeout))
    guard case .completed(let answer) = event else { throw astray() }
    guard answer.status != .bye else { throw fail(ManageSieveError(bye: answer)) }
    return answer
  }

  /// Sends `command` and waits until it ended well.
  @discardableResult
  func perform(
    _ command: ManageSieveCommand,
    deadline: Deadline?
  ) async throws(ManageSieveError) -> ManageSieveAnswer {
    let answer = try await answer(to: command, deadline: deadline)
    guard answer.status == .ok else { throw .refused(command: command.name, answer) }
    return answer
  }

  /// Claims the connection.
  func begin() throws(ManageSieveError) {
    if let failure { throw failure }
    guard !isRunning else { throw .busy }
    guard session.isReady else { throw .closed }
    isRunning = true
  }

  /// Gives the connection back.
  func end() { isRunning = false }

  /// Writes what is to be written and reads until the session has an event.
  func event(_ deadline: Deadline) async throws(ManageSieveError) -> ManageSieveSession.Event {
    while true {
      let output = session.takeOutput()
      do throws(NetError) {
        if !output.isEmpty { try await stream.write(output, deadline: deadline) }
      } catch {
        throw fail(ManageSieveError(error))
      }
      if let event = try takeEvent() { return event }
      do throws(NetError) {
        let bytes = try await stream.read(upTo: Self.readBytes, deadline: deadline)
        guard !bytes.isEmpty else { throw NetError.closed }
        session.receive(bytes)
      } catch {
        throw fail(ManageSieveError(error))
      }
    }
  }

  private func takeEvent() throws(ManageSieveError) -> ManageSieveSession.Event? {
    do throws(ManageSieveSyntaxError) {
      return try session.next()
    } catch {
      throw fail(ManageSieveError(error))
    }
  }

  /// Closes the connection for `error` and returns it.
  func fail(_ error: ManageSieveError) -> ManageSieveError {
    if failure == nil { failure = error }
    close()
    return error
  }

  /// The error that an event of another kind than was due is.
  func astray() -> ManageSieveError {
    fail(.broken(reason: "the server answers otherwise than it was asked"))
  }
}
