import Bytes
import MailProtocols
import Net

/// Drives one session: reads, has each event done, writes the replies that gathered.
///
/// A message's bytes are held until its end, and counted with those of all other connections; so what is kept is whole, and
/// a client that goes away leaves nothing behind.
///
/// Sendable since it is confined to its loop.
final class SMTPServerConnection<Handler: SMTPServerHandler>: @unchecked Sendable {
  private let socket: SocketStream
  private var stream: any ByteStream
  private var session: SMTPServerSession
  private let settings: SMTPServerSettings
  private let gate: SMTPServerGate
  private let handler: Handler
  private var login: Handler.Login?
  private var transaction: SMTPServerTransaction<Handler.Login, Handler.Recipient>?
  private var message: [UInt8] = []
  /// Whether there was no room for some of the message.
  private var hasLostBytes = false
  private var messageDeadline: Deadline?
  private var refusals = 0
  private var isReading = false
  private var isDraining = false

  private var limits: SMTPServerLimits { settings.limits }

  /// As much as one read takes.
  private static var readBytes: Int { 65_536 }
  /// How long, and for how many reads, a client that was closed on may go on to talk, so that it sees the last reply.
  private static var lingerTime: Duration { .seconds(2) }
  private static var lingerReads: Int { 64 }

  init(
    _ socket: SocketStream,
    _ settings: SMTPServerSettings,
    _ gate: SMTPServerGate,
    _ handler: Handler
  ) {
    self.socket = socket
    stream = socket
    self.settings = settings
    self.gate = gate
    self.handler = handler
    session = SMTPServerSession(
      settings.kind,
      hostName: settings.hostName,
      offersStartTLS: settings.tls != nil,
      limits: settings.limits
    )
  }

  var loop: EventLoop { socket.loop }

  /// Serves the session to its end and closes the connection.
  func serve(isWelcome: Bool) async {
    do throws(NetError) {
      if try await greet(isWelcome) { try await talk() }
      await linger()
    } catch {
      // The client is gone, or was too slow to take a reply: there is nobody to tell.
    }
    dropMessage()
    stream.close()
  }

  /// Says goodbye where no message is under way; one that is may end first.
  func drain() async {
    isDraining = true
    guard isReading, session.isIdle else { return }
    session.close(.closing)
    do throws(NetError) {
      try await stream.write(session.takeOutput(), deadline: .after(limits.writeTimeout))
    } catch {
      // It has gone by itself.
    }
    stream.close()
  }

  // MARK: - The session

  /// Greets, after having listened for those who do not wait; false where the session has ended.
  private func greet(_ isWelcome: Bool) async throws(NetError) -> Bool {
    if !isWelcome {
      session.greet(refusing: .tooManyConnections)
    } else if try await spokeEarly() {
      session.greet(refusing: .spokeEarly)
    } else {
      session.greet()
    }
    try await stream.write(session.takeOutput(), deadline: .after(limits.writeTimeout))
    return !session.isClosed
  }

  private func spokeEarly() async throws(NetError) -> Bool {
    guard settings.kind == .smtp, limits.greetDelay > .zero else { return false }
    do throws(NetError) {
      return !(try await stream.read(upTo: 512, deadline: .after(limits.greetDelay)).isEmpty)
    } catch .timedOut {
      return false
    }
  }

  private func talk() async throws(NetError) {
    while true {
      while let event = session.next() { try await perform(event) }
      if isDraining, session.isIdle { session.close(.closing) }
      try await flush()
      if session.isClosed { return }
      guard try await receive() else { return }
    }
  }

  /// Reads once; false at the end of the stream.
  private func receive() async throws(NetError) -> Bool {
    var deadline = Deadline.after(limits.commandTimeout)
    if session.isReceivingText {
      let last = messageDeadline ?? .after(limits.messageTimeout)
      messageDeadline = last
      deadline = min(.after(limits.dataTimeout), last)
    } else {
      messageDeadline = nil
    }
    isReading = true
    defer { isReading = false }
    do throws(NetError) {
      let bytes = try await stream.read(upTo: Self.readBytes, deadline: deadline)
      guard !bytes.isEmpty else { return false }
      session.receive(bytes)
    } catch .timedOut {
      session.close(.timedOut)
    }
    return true
  }

  /// Writes what was said; refusals make it wait.
  private func flush() async throws(NetError) {
    let new = session.takeRefusals()
    if new > 0, settings.kind == .smtp {
      refusals += new
      let delay = min(limits.failureDelay * refusals, limits.longestDelay)
      if delay > .zero { try await loop.sleep(until: .after(delay)) }
    }
    let output = session.takeOutput()
    guard !output.isEmpty else { return }
    try await stream.write(output, deadline: .after(limits.writeTimeout))
  }

  /// Lets the client see the last reply: a socket closed with bytes unread takes back what was written.
  private func linger() async {
    guard session.isClosed, !stream.isSecure else { return }
    socket.finishWriting()
    let deadline = Deadline.after(Self.lingerTime)
    do throws(NetError) {
      for _ in 0..<Self.lingerReads
      where try await stream.read(upTo: Self.readBytes, deadline: deadline).isEmpty {
        return
      }
    } catch {
      // It had its time.
    }
  }

  // MARK: - Events

  private func perform(_ event: SMTPServerSession.Event) async throws(NetError) {
    switch event {
    case .startTLS: try await startTLS()
    case .login(let credentials): await signIn(credentials)
    case .sender(let sender): await begin(sender)
    case .recipient(let mailbox): await add(mailbox)
    case .text(let bytes): keep(bytes)
    case .message: await finish()
    case .reset:
      dropMessage()
      transaction = nil
    }
  }

  private func startTLS() async throws(NetError) {
    try await stream.write(session.takeOutput(), deadline: .after(limits.writeTimeout))
    guard let tls = settings.tls else { throw NetError.closed }
    stream = try await TLSStream.server(
      over: socket,
      context: tls,
      deadline: .after(limits.handshakeTimeout)
    )
    transaction = nil
    session.secured()
  }

  private var client: SMTPServerClient {
    SMTPServerClient(
      kind: settings.kind,
      address: socket.remoteAddress,
      name: session.clientName ?? "",
      isExtended: session.isExtended,
      isSecure: session.isSecure
    )
  }

  private func signIn(_ credentials: SMTPServerCredentials) async {
    do throws(SMTPServerReply) {
      login = try await handler.signIn(credentials, client)
      session.answerLogin(SMTPServerReply(235, EnhancedStatusCode(2, 7, 0), "Welcome"))
    } catch {
      session.answerLogin(error)
    }
  }

  private func begin(_ sender: SMTPServerSender) async {
    dropMessage()
    let new = SMTPServerTransaction<Handler.Login, Handler.Recipient>(
      client: client,
      login: login,
      sender: sender
    )
    do throws(SMTPServerReply) {
      try await handler.check(new)
      transaction = new
      session.answer(SMTPServerReply(250, EnhancedStatusCode(2, 1, 0), "Ok"))
    } catch {
      session.answer(error)
    }
  }

  private func add(_ mailbox: SMTPMailbox) async {
    guard let transaction else { return session.answer(.localError) }
    do throws(SMTPServerReply) {
      let recipient = try await handler.find(mailbox, for: transaction)
      self.transaction?.recipients.append(recipient)
      session.answer(.recipientOk)
    } catch {
      session.answer(error)
    }
  }

  private func keep(_ bytes: [UInt8]) {
    guard !hasLostBytes else { return }
    guard gate.takeBytes(bytes.count) else {
      dropMessage()
      hasLostBytes = true
      return
    }
    message += bytes
  }

  private func finish() async {
    defer {
      dropMessage()
      transaction = nil
      messageDeadline = nil
    }
    guard !hasLostBytes else { return session.finish([.outOfMemory]) }
    guard let transaction else { return session.finish([.localError]) }
    let replies = await handler.take(message, transaction)
    session.finish(settings.kind == .lmtp ? replies : [Self.common(replies)])
  }

  /// The one reply of SMTP for all recipients: what failed for some is told for all.
  ///
  /// The client then brings the message again, or says that it was not delivered: nothing is lost, though some may get it
  /// twice, as happens to mail (RFC 1047).
  private static func common(_ replies: [SMTPServerReply]) -> SMTPServerReply {
    replies.first(where: \.isTransient) ?? replies.first { !$0.isPositive } ?? replies.first
      ?? .localError
  }

  private func dropMessage() {
    gate.giveBytes(message.count)
    message = []
    hasLostBytes = false
  }
}
