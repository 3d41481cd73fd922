package import MailProtocols
package import Net

/// A connection to a server that takes mail: the driver of an `SMTPSession`.
///
/// All methods are called from tasks of the loop that `connect` was called on, one at a time. Every wait
/// ends by the timeout of its stage, and by the caller's deadline where one is given; a wait that
/// fails, or is cancelled, closes the connection.
package final class SMTPClient: @unchecked Sendable {  // Confined to the loop that owns its stream.
  private let socket: SocketStream
  private var stream: any ByteStream
  var session: SMTPSession
  /// What the server is called, as some SASL mechanisms sign it.
  let service: SASLService
  /// Called once, when the connection is closed; forgotten with the client if it never is.
  package var whenClosed: (() -> Void)?
  private var limits: SMTPLimits { session.limits }

  /// As much as one read of replies takes.
  private static let readBytes = 16_384
  /// How long a server that closed in the middle of a message is listened to.
  private static let lastWordsTimeout = Duration.seconds(2)

  private init(
    socket: SocketStream,
    stream: any ByteStream,
    session: SMTPSession,
    service: SASLService
  ) {
    self.socket = socket
    self.service = service
    self.stream = stream
    self.session = session
  }

  /// What the server offers.
  package var capabilities: SMTPCapabilities { session.capabilities }
  /// What the server said first.
  package var greeting: SMTPReply? { session.greeting }
  /// The loop that owns the connection.
  var loop: EventLoop { stream.loop }
  /// Whether TLS protects the connection.
  package var isSecure: Bool { stream.isSecure }
  /// Whether `authenticate` and `send` may be called.
  package var isUsable: Bool { session.isReady }

  /// Connects, with TLS as `tls` says, and greets the server.
  ///
  /// `heloName` is what the client calls itself: a domain, or an address literal such as `[192.0.2.1]`.
  package static func connect(
    host: String,
    port: UInt16,
    tls: TLSMode,
    connector: Connector,
    tlsContext: TLSClientContext,
    heloName: String,
    limits: SMTPLimits = SMTPLimits(),
    deadline: Deadline
  ) async throws(SMTPError) -> SMTPClient {
    let session: SMTPSession
    do throws(SMTPInputError) {
      let security: SMTPSession.Security = tls == .starttls ? .startTLS : .asItIs
      session = try SMTPSession(heloName: heloName, security: security, limits: limits)
    } catch {
      throw .invalid(error)
    }
    let client: SMTPClient
    do throws(NetError) {
      let opened = try await OpenedStream.open(
        host,
        port,
        tls,
        tlsContext,
        by: connector,
        deadline: deadline
      )
      let service = SASLService("smtp", host: host, port: port)
      client = SMTPClient(
        socket: opened.socket,
        stream: opened.stream,
        session: session,
        service: service
      )
    } catch {
      throw SMTPError(error, .greeting)
    }
    try await client.open(host: host, tlsContext, deadline)
    return client
  }

  private func open(
    host: String,
    _ tlsContext: TLSClientContext,
    _ deadline: Deadline
  ) async throws(SMTPError) {
    while true {
      switch try await event(until: deadline) {
      case .ready: return
      case .handshake:
        do throws(NetError) {
          stream = try await TLSStream.client(
            over: socket,
            serverName: host,
            context: tlsContext,
            deadline: deadline
          )
        } catch {
          throw lost(error)
        }
        session.secured()
      case .startTLSNotOffered:
        close()
        throw .unsupported(.startTLS)
      case let event: throw failure(event)
      }
    }
  }

  /// Says goodbye, waits shortly for the answer, which changes nothing, and closes.
  package func quit() async {
    if session.isReady {
      session.quit()
      let deadline = Deadline.after(limits.quitTimeout)
      do throws(SMTPError) { _ = try await event(until: deadline) } catch { return }
    }
    close()
  }

  /// Closes the connection at once.
  package func close() {
    session.close()
    stream.close()
    let ended = whenClosed
    whenClosed = nil
    ended?()
  }
}

// MARK: - Sending

extension SMTPClient {
  /// Hands a message to the server.
  ///
  /// `willSendData` is called once a recipient was accepted and before DATA: until it returns nothing can
  /// have been delivered, and after it the message may be.
  ///
  /// - Throws: an error that means that nothing was delivered.
  package func send(
    _ envelope: SMTPEnvelope,
    message: SMTPMessage,
    deadline: Deadline? = nil,
    willSendData: () async throws -> Void = {}
  ) async throws(SMTPError) -> SMTPResult {
    guard session.isReady else { throw .closed }
    try requireSupport(of: envelope, message.traits)
    do throws(SMTPInputError) {
      try session.begin(envelope, message.traits)
    } catch {
      throw .invalid(error)
    }
    let answer = try await event(until: deadline)
    guard case .recipients(let recipients) = answer else { throw failure(answer) }
    guard recipients.contains(where: \.isAccepted) else {
      await reset(deadline)
      return SMTPResult(recipients: recipients, outcome: .noRecipients)
    }
    do {
      try await willSendData()
    } catch {
      await reset(deadline)
      throw .abandoned(error)
    }
    let outcome = try await transfer(message, deadline)
    return SMTPResult(recipients: recipients, outcome: outcome)
  }

  private func requireSupport(
    of envelope: SMTPEnvelope,
    _ traits: SMTPMessageTraits
  ) throws(SMTPError) {
    if envelope.needsSMTPUTF8, !capabilities.offers(.smtpUTF8) { throw .unsupported(.smtpUTF8) }
    if traits.hasEightBitBytes, !capabilities.offers(.eightBitMIME) {
      throw .unsupported(.eightBitMIME)
    }
    if let limit = capabilities.sizeLimit, traits.size > limit {
      throw .unsupported(.messageSize(limit: limit))
    }
  }

  private func transfer(
    _ message: SMTPMessage,
    _ deadline: Deadline?
  ) async throws(SMTPError) -> SMTPResult.Outcome {
    session.sendData()
    switch try await event(until: deadline) {
    case .sendBody: break
    case .refused(let reply, _):
      if session.isClosed { close() } else { await reset(deadline) }
      return .refused(reply)
    case let event: throw failure(event)
    }
    var encoder = SMTPBodyEncoder()
    // One piece is held back, so that a short message and its final dot are one write.
    var held: [UInt8] = []
    while let chunk = try await nextChunk(of: message) {
      do throws(NetError) {
        if !held.isEmpty { try await stream.write(held, deadline: by(.body, deadline)) }
      } catch {
        if case .closed = error, let reply = await lastWords() { return .refused(reply) }
        throw lost(error)
      }
      held.removeAll(keepingCapacity: true)
      encoder.encode(chunk.span, into: &held)
    }
    var end: [UInt8] = []
    encoder.finish(into: &end)
    session.bodyEnds()
    return await finish(held, end, deadline)
  }

  private func nextChunk(of message: SMTPMessage) async throws(SMTPError) -> [UInt8]? {
    do {
      return try await message.next(limits.bodyChunkBytes)
    } catch {
      // Only the end of the connection ends a message without delivering what there is of it.
      close()
      throw .abandoned(error)
    }
  }

  /// Sends the end of the message; from here on whatever is not an answer leaves the outcome unknown.
  private func finish(
    _ held: [UInt8],
    _ end: [UInt8],
    _ deadline: Deadline?
  ) async -> SMTPResult.Outcome {
    do throws(SMTPError) {
      do throws(NetError) {
        try await stream.write(held, end, deadline: by(.body, deadline))
      } catch .closed {
        // It may have answered before it closed.
      } catch {
        throw lost(error)
      }
      switch try await event(until: deadline) {
      case .finished(let reply):
        if session.isClosed { close() }
        return reply.isPositive ? .accepted(reply) : .refused(reply)
      case let event: throw failure(event)
      }
    } catch {
      return .unknown(reason: error.afterFinalDot)
    }
  }

  /// What a server said before it closed the connection in the middle of a message.
  private func lastWords() async -> SMTPReply? {
    session.bodyInterrupted()
    do throws(SMTPError) {
      let answer = try await event(until: .after(Self.lastWordsTimeout))
      close()
      if case .refused(let reply, _) = answer { return reply }
    } catch {
      return nil
    }
    return nil
  }

  /// Forgets a transaction; where that fails the client is no longer usable, and says so.
  private func reset(_ deadline: Deadline?) async {
    session.reset()
    do throws(SMTPError) {
      let answer = try await event(until: deadline)
      if answer != .done { _ = failure(answer) }
    } catch {
      close()
    }
  }
}

// MARK: - Driving

extension SMTPClient {
  /// Writes and reads until something happened.
  func event(until overall: Deadline?) async throws(SMTPError) -> SMTPSession.Event {
    var replies = session.replyCount
    var deadline = by(session.stage, overall)
    do throws(NetError) {
      while true {
        let event = session.next()
        if session.replyCount != replies {
          replies = session.replyCount
          deadline = by(session.stage, overall)
        }
        let output = session.takeOutput()
        if !output.isEmpty { try await write(output, deadline) }
        if let event { return event }
        let bytes = try await stream.read(upTo: Self.readBytes, deadline: deadline)
        guard !bytes.isEmpty else { throw NetError.closed }
        session.receive(bytes)
      }
    } catch {
      throw lost(error)
    }
  }

  /// Writes; a stream that the server closed is still to be read, for it may say why.
  private func write(_ output: [UInt8], _ deadline: Deadline) async throws(NetError) {
    do throws(NetError) {
      try await stream.write(output, deadline: deadline)
    } catch .closed {
      return
    }
  }

  private func by(_ stage: SMTPStage, _ overall: Deadline?) -> Deadline {
    let own = Deadline.after(limits.timeout(for: stage))
    return overall.map { min($0, own) } ?? own
  }

  /// Closes after an error of the network.
  private func lost(_ error: NetError) -> SMTPError {
    let stage = session.stage
    close()
    return SMTPError(error, stage)
  }

  /// The error that an event is, where another was hoped for.
  func failure(_ event: SMTPSession.Event) -> SMTPError {
    if session.isClosed { close() }
    switch event {
    case .refused(let reply, let stage): return .refused(reply, stage)
    case .authenticationFailed(let reply): return .authenticationFailed(reply)
    case .broken(let reason): return .broken(reason: reason)
    default:
      close()
      return .broken(reason: "the session went another way than it was led")
    }
  }
}

extension SMTPError {
  /// What a failure of the network in `stage` means.
  init(_ error: NetError, _ stage: SMTPStage) {
    switch error {
    case .closed: self = .closed
    case .timedOut: self = .timedOut(stage)
    default: self = .network(error)
    }
  }

  /// Why nothing is known of a message that was sent whole.
  fileprivate var afterFinalDot: String {
    switch self {
    case .timedOut: "the server did not answer in time after the end of the message"
    case .broken(let reason): "the server answered the end of the message with garbage: \(reason)"
    case .network(.cancelled): "the sending was cancelled after the end of the message"
    default: "the connection was lost after the end of the message"
    }
  }
}
