import Bytes

/// The server's side of an SMTP or LMTP session (RFC 5321, RFC 2033): bytes in, events and replies out.
///
///     command ──MAIL──▶ asking ──answer──▶ command ──RCPT──▶ asking ──answer──▶ command
///     command ──DATA, BDAT──▶ text ──its end──▶ asking ──finish──▶ command
///     command ──STARTTLS──▶ handshake ──secured──▶ command, nothing known
///     command ──AUTH──▶ its lines ──▶ asking ──answer──▶ command
///     any ──QUIT, too much that is wrong, smuggling──▶ closed, when the output is written
///
/// Whoever drives it calls `receive` with what came, then `next` until it gives nil, does what each event asks for,
/// then writes `takeOutput`, and hangs up where `isClosed`. An event that asks stops the session until it is answered, so commands that were sent
/// ahead (RFC 2920) wait; their replies go out together.
package struct SMTPServerSession: Sendable {
  /// Which of the two protocols is spoken.
  package enum Kind: Sendable {
    case smtp
    /// One reply a recipient after the message (RFC 2033 §4.2), and no queue behind it.
    case lmtp
  }

  /// What whoever drives the session has to do.
  package enum Event: Equatable, Sendable {
    /// Write the output, shake hands, call `secured`.
    case startTLS
    /// Look at the password, call `answerLogin`.
    case login(SMTPServerCredentials)
    /// Say by `answer` whether mail from there is taken.
    case sender(SMTPServerSender)
    /// Say by `answer` whether mail for them is taken.
    case recipient(SMTPMailbox)
    /// Keep the bytes: they are the message's next.
    case text([UInt8])
    /// Keep the message and call `finish`.
    case message
    /// Forget the message and whom it was for.
    case reset
  }

  enum Phase: Sendable {
    case command
    /// An event was given, and its answer is waited for.
    case asking(Question)
    case login(SMTPServerLogin)
    case data(SMTPDataDecoder)
    /// The bytes that are left of a chunk; those of a refused one go nowhere.
    case chunk(left: Int, isLast: Bool, refusal: SMTPServerReply?)
    case handshake
    case closed
  }

  enum Question: Sendable {
    case login, sender(SMTPServerSender), recipient, message
  }

  package let kind: Kind
  package let limits: SMTPServerLimits
  /// What the server calls itself.
  private let hostName: String
  /// Whether STARTTLS is offered while there is no TLS.
  private let offersStartTLS: Bool
  /// Whether TLS protects the connection.
  package private(set) var isSecure: Bool

  var phase = Phase.command
  var input: [UInt8] = []
  /// How much of `input` was consumed, and how much of it holds no line end.
  var position = 0
  private var scanned = 0
  private var output: [UInt8] = []
  /// What the client calls itself; nil before it said hello.
  package private(set) var clientName: String?
  /// Whether it said EHLO or LHLO.
  package private(set) var isExtended = false
  /// Whether the client has signed in.
  package private(set) var isSignedIn = false
  /// The message under way, as MAIL told of it.
  package private(set) var sender: SMTPServerSender?
  /// How many of its recipients were taken.
  package private(set) var recipients = 0
  /// Whether a chunk of it has come.
  var hasChunk = false
  /// How large it is so far, and why it will be refused, if it will.
  var messageBytes = 0
  var refusal: SMTPServerReply?
  private var errors = 0
  private var authFailures = 0
  private var idleCommands = 0
  /// How many refusals were given since `takeRefusals`.
  private var refusals = 0

  /// A session that has said nothing.
  package init(
    _ kind: Kind,
    hostName: String,
    isSecure: Bool = false,
    offersStartTLS: Bool = false,
    limits: SMTPServerLimits = SMTPServerLimits()
  ) {
    self.kind = kind
    self.hostName = hostName
    self.isSecure = isSecure
    self.offersStartTLS = offersStartTLS
    self.limits = limits
  }

  /// Whether the client is between two messages, or before its first.
  package var isIdle: Bool {
    if case .command = phase { return sender == nil }
    return false
  }

  /// Whether nothing more will be said or heard, once the output is written.
  package var isClosed: Bool {
    if case .closed = phase { true } else { false }
  }

  /// Whether a message is being received.
  package var isReceivingText: Bool {
    switch phase {
    case .data, .chunk: true
    default: hasChunk
    }
  }

  /// Says hello, or turns the client away.
  package mutating func greet(refusing refusal: SMTPServerReply? = nil) {
    if let refusal { return close(refusal) }
    let name = kind == .lmtp ? "LMTP" : "ESMTP"
    SMTPServerReply(220, nil, "\(hostName) \(name) Restante").encode(into: &output)
  }

  /// Takes in what the network brought.
  package mutating func receive(_ bytes: [UInt8]) {
    switch phase {
    // What comes before TLS is not protected by it (RFC 3207 §4.2).
    case .closed, .handshake: return
    default: break
    }
    if position == input.count {
      input = bytes
      scanned = 0
    } else {
      input.removeFirst(position)
      input += bytes
      scanned = max(0, scanned - position)
    }
    position = 0
  }

  /// What there is to write; it is given once.
  package mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// How many refusals were given since this was called last, for which the client may be made to wait.
  package mutating func takeRefusals() -> Int {
    defer { refusals = 0 }
    return refusals
  }

  /// The next thing to do; nil while an answer or more bytes are needed.
  package mutating func next() -> Event? {
    while true {
      switch phase {
      case .asking, .handshake, .closed: return nil
      case .command:
        guard let line = line(upTo: limits.commandLineBytes) else { return nil }
        if let event = command(line) { return event }
      case .login(let login):
        guard let line = line(upTo: limits.authLineBytes) else { return nil }
        if let event = proceed(login, line) { return event }
      case .data(let decoder):
        guard position < input.count else { return nil }
        if let event = data(decoder) { return event }
      case .chunk(let left, let isLast, let refusal):
        guard position < input.count || left == 0 else { return nil }
        if let event = chunk(left, isLast, refusal) { return event }
      }
    }
  }

  /// Ends the session with `reply`; what the client has sent ahead is not looked at.
  package mutating func close(_ reply: SMTPServerReply) {
    if case .closed = phase { return }
    say(reply)
    phase = .closed
    input = []
    position = 0
    scanned = 0
  }

  // MARK: - What the transitions are made of

  /// The next line without its CRLF; nil where it has not come, or where it cannot be one.
  private mutating func line(upTo limit: Int) -> [UInt8]? {
    while true {
      guard let end = input.span.firstIndex(of: .lf, from: max(scanned, position)) else {
        scanned = input.count
        if input.count - position > limit { close(Self.lineTooLong) }
        return nil
      }
      let start = position
      position = end + 1
      scanned = position
      guard end - start < limit else {
        close(Self.lineTooLong)
        return nil
      }
      guard end > start, input[end - 1] == .cr else {
        refuse(SMTPServerReply(500, EnhancedStatusCode(5, 5, 2), "A line ends with CR and LF"))
        if case .closed = phase { return nil }
        if case .login = phase { phase = .command }
        continue
      }
      return Array(input[start..<(end - 1)])
    }
  }

  /// Behind a line without end nothing can be trusted to be a command.
  private static let lineTooLong = SMTPServerReply(
    500,
    EnhancedStatusCode(5, 5, 6),
    "The line is too long"
  )

  /// Writes a reply.
  mutating func say(_ reply: SMTPServerReply) {
    if !reply.isPositive { refusals += 1 }
    reply.encode(into: &output)
  }

  /// Writes a refusal that counts; too many end the session.
  mutating func refuse(_ reply: SMTPServerReply) {
    errors += 1
    guard errors < limits.errors else {
      say(reply)
      return close(
        SMTPServerReply(421, EnhancedStatusCode(4, 7, 0), "Too many commands were refused")
      )
    }
    say(reply)
  }

  /// Counts a command that brings no message nearer; false where there were too many.
  mutating func countIdle() -> Bool {
    idleCommands += 1
    guard idleCommands > limits.idleCommands else { return true }
    close(SMTPServerReply(421, EnhancedStatusCode(4, 7, 0), "Too many commands without a message"))
    return false
  }

  /// Forgets the message under way.
  mutating func forget() {
    sender = nil
    recipients = 0
    hasChunk = false
    messageBytes = 0
    refusal = nil
  }

  /// Takes a hello.
  mutating func meet(_ name: String, isExtended: Bool) {
    forget()
    clientName = name
    self.isExtended = isExtended
    guard isExtended else { return say(SMTPServerReply(250, nil, hostName)) }
    var lines = [
      "\(hostName) at your service", "PIPELINING", "SIZE \(limits.messageBytes)", "8BITMIME",
      "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES",
    ]
    if canStartTLS { lines.append("STARTTLS") }
    if canSignIn { lines.append("AUTH PLAIN LOGIN") }
    for (place, line) in lines.enumerated() {
      output.append(place == lines.count - 1 ? "250 " : "250-")
      output.append(text: line)
      output.append("\r\n")
    }
  }

  var canStartTLS: Bool { offersStartTLS && !isSecure }

  /// AUTH is for TLS alone, and LMTP is between programs that trust each other.
  var canSignIn: Bool { kind == .smtp && isSecure && !isSignedIn }
}

// MARK: - Answers

extension SMTPServerSession {
  /// TLS protects the connection now; all that was known is forgotten (RFC 3207 §4.2).
  package mutating func secured() {
    guard case .handshake = phase else { return }
    phase = .command
    isSecure = true
    clientName = nil
    isExtended = false
    input = []
    position = 0
    scanned = 0
    forget()
  }

  /// Answers `sender` and `recipient`.
  package mutating func answer(_ reply: SMTPServerReply) {
    guard case .asking(let question) = phase else { return }
    phase = .command
    if reply.code == 421 { return close(reply) }
    guard reply.isPositive else { return refuse(reply) }
    switch question {
    case .sender(let told): sender = told
    case .recipient: recipients += 1
    case .login, .message: break
    }
    say(reply)
  }

  /// Answers `login`.
  package mutating func answerLogin(_ reply: SMTPServerReply) {
    guard case .asking(.login) = phase else { return }
    phase = .command
    if reply.isPositive {
      isSignedIn = true
      return say(reply)
    }
    authFailures += 1
    guard authFailures < limits.authFailures else { return close(reply) }
    refuse(reply)
  }

  /// Answers `message`: one reply in SMTP, one a recipient that was taken in LMTP.
  package mutating func finish(_ replies: [SMTPServerReply]) {
    guard case .asking(.message) = phase else { return }
    phase = .command
    let wanted = kind == .lmtp ? recipients : 1
    for place in 0..<wanted {
      say(place < replies.count ? replies[place] : replies.last ?? .localError)
    }
    idleCommands = 0
    forget()
  }
}
