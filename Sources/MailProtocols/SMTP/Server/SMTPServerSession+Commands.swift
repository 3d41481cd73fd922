import Bytes

/// An AUTH exchange under way (RFC 4954 §4).
struct SMTPServerLogin: Sendable {
  enum Step: Sendable {
    case plain
    case loginName
    case loginPassword(String)
  }

  var step: Step
}

// What each command and each piece of a message does.
extension SMTPServerSession {
  /// Does the command of a line; the event that it leads to, if any.
  mutating func command(_ line: [UInt8]) -> Event? {
    let command: SMTPServerCommand
    do throws(SMTPServerReply) {
      command = try SMTPServerCommandParser(limits: limits).parse(line.span)
    } catch {
      if error.code == 521 || Self.isOfBrowser(line) { close(error) } else { refuse(error) }
      return nil
    }
    if Self.isIdle(command), !countIdle() { return nil }
    switch command {
    case .hello(let hello, let name): return greet(hello, name)
    case .mail(let sender): return mail(sender)
    case .recipient(let mailbox): return recipient(mailbox)
    case .data: data()
    case .chunk(let bytes, let isLast): beginChunk(bytes, isLast)
    case .reset:
      forget()
      say(.ok)
      return .reset
    case .noop: say(.ok)
    case .verify:
      say(SMTPServerReply(252, EnhancedStatusCode(2, 1, 5), "Send, and it will be seen"))
    case .help: say(SMTPServerReply(214, EnhancedStatusCode(2, 0, 0), "See RFC 5321"))
    case .quit: close(SMTPServerReply(221, EnhancedStatusCode(2, 0, 0), "Goodbye"))
    case .startTLS: return startTLS()
    case .auth(let mechanism, let response): return auth(mechanism, response)
    }
    return nil
  }

  private static func isIdle(_ command: SMTPServerCommand) -> Bool {
    switch command {
    case .mail, .recipient, .data, .chunk, .quit, .auth: false
    default: true
    }
  }

  /// A browser that was sent here to speak for somebody else.
  private static func isOfBrowser(_ line: [UInt8]) -> Bool {
    ["GET ", "POST ", "PUT ", "HEAD ", "CONNECT ", "OPTIONS "].contains {
      line.starts(with: $0.utf8)
    }
  }

  private mutating func greet(_ hello: SMTPGreetingKind, _ name: String) -> Event? {
    guard (hello == .lhlo) == (kind == .lmtp) else {
      refuse(SMTPServerCommandParser.unknown)
      return nil
    }
    meet(name, isExtended: hello != .helo)
    return .reset
  }

  private static func badSequence(_ text: String) -> SMTPServerReply {
    SMTPServerReply(503, EnhancedStatusCode(5, 5, 1), text)
  }

  private mutating func mail(_ told: SMTPServerSender) -> Event? {
    guard clientName != nil else {
      refuse(Self.badSequence("Say hello first"))
      return nil
    }
    guard sender == nil else {
      refuse(Self.badSequence("A message is under way"))
      return nil
    }
    if let size = told.size, size > limits.messageBytes {
      refuse(.tooLarge)
      return nil
    }
    phase = .asking(.sender(told))
    return .sender(told)
  }

  private mutating func recipient(_ mailbox: SMTPMailbox) -> Event? {
    guard let sender, !hasChunk else {
      refuse(Self.badSequence("Say MAIL first"))
      return nil
    }
    guard sender.isUTF8 || !mailbox.needsUTF8 else {
      refuse(SMTPServerCommandParser.needsUTF8)
      return nil
    }
    guard recipients < limits.recipients else {
      refuse(SMTPServerReply(452, EnhancedStatusCode(4, 5, 3), "Too many recipients"))
      return nil
    }
    phase = .asking(.recipient)
    return .recipient(mailbox)
  }

  private mutating func startTLS() -> Event? {
    guard canStartTLS else {
      refuse(Self.badSequence(isSecure ? "TLS is on" : "There is no TLS here"))
      return nil
    }
    say(SMTPServerReply(220, EnhancedStatusCode(2, 0, 0), "Go ahead"))
    phase = .handshake
    // What was sent ahead came without protection, and whoever stands between could have written it.
    input = []
    position = 0
    return .startTLS
  }

  // MARK: - AUTH

  private mutating func auth(_ mechanism: String, _ response: [UInt8]?) -> Event? {
    guard kind == .smtp else {
      refuse(SMTPServerReply(502, EnhancedStatusCode(5, 5, 1), "Not implemented here"))
      return nil
    }
    guard isSecure else {
      refuse(SMTPServerReply(538, EnhancedStatusCode(5, 7, 11), "Start TLS first"))
      return nil
    }
    guard clientName != nil, isExtended, canSignIn, sender == nil else {
      refuse(Self.badSequence(isSignedIn ? "You have signed in" : "Not now"))
      return nil
    }
    switch mechanism {
    case "PLAIN":
      guard let response else { return challenge(.plain, "") }
      return plain(response)
    case "LOGIN":
      guard let response else { return challenge(.loginName, "VXNlcm5hbWU6") }
      return proceed(.loginName, response)
    default:
      refuse(SMTPServerReply(504, EnhancedStatusCode(5, 5, 4), "PLAIN and LOGIN are spoken here"))
      return nil
    }
  }

  private mutating func challenge(_ step: SMTPServerLogin.Step, _ text: String) -> Event? {
    phase = .login(SMTPServerLogin(step: step))
    say(SMTPServerReply(334, nil, text))
    return nil
  }

  /// Goes on with the line that answers a challenge.
  mutating func proceed(_ login: SMTPServerLogin, _ line: [UInt8]) -> Event? {
    phase = .command
    if line == [0x2A] {
      refuse(SMTPServerReply(501, EnhancedStatusCode(5, 7, 0), "As you wish"))
      return nil
    }
    guard let response = Base64.standard.decode(line.span) else {
      refuse(SMTPServerCommandParser.notBase64)
      return nil
    }
    return proceed(login.step, response)
  }

  private mutating func proceed(_ step: SMTPServerLogin.Step, _ response: [UInt8]) -> Event? {
    switch step {
    case .plain: return plain(response)
    case .loginName: return challenge(.loginPassword(String(utf8: response.span)), "UGFzc3dvcmQ6")
    case .loginPassword(let name):
      return ask(SMTPServerCredentials(username: name, password: String(utf8: response.span)))
    }
  }

  /// `[authzid] NUL authcid NUL passwd` (RFC 4616); one may only speak for oneself.
  private mutating func plain(_ message: [UInt8]) -> Event? {
    let parts = message.split(separator: 0, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty || parts[0] == parts[1] else {
      refuse(SMTPServerReply(501, EnhancedStatusCode(5, 5, 2), "That is not PLAIN"))
      return nil
    }
    return ask(
      SMTPServerCredentials(
        username: String(decoding: parts[1], as: UTF8.self),
        password: String(decoding: parts[2], as: UTF8.self)
      )
    )
  }

  private mutating func ask(_ credentials: SMTPServerCredentials) -> Event? {
    phase = .asking(.login)
    return .login(credentials)
  }

  // MARK: - The message

  private mutating func data() {
    guard sender != nil, !hasChunk else {
      return refuse(Self.badSequence(hasChunk ? "It began with BDAT" : "Say MAIL first"))
    }
    guard recipients > 0 else {
      return refuse(SMTPServerReply(554, EnhancedStatusCode(5, 5, 1), "No recipient was good"))
    }
    say(SMTPServerReply(354, nil, "End with CR LF, a dot, CR LF"))
    phase = .data(SMTPDataDecoder(lineLimit: limits.textLineBytes))
  }

  /// Takes what has come of a message.
  mutating func data(_ held: SMTPDataDecoder) -> Event? {
    var decoder = held
    var text: [UInt8] = []
    text.reserveCapacity(input.count - position)
    let progress = decoder.decode(input.span.extracting(position..<input.count), into: &text)
    switch progress {
    case .smuggling:
      close(
        SMTPServerReply(
          521,
          EnhancedStatusCode(5, 5, 2),
          "A dot alone with a bare CR or LF beside it: that ends nothing here, and neither may it elsewhere"
        )
      )
      return .reset
    case .more:
      position = input.count
      phase = .data(decoder)
    case .end(let offset):
      position += offset
      phase = .asking(.message)
    }
    switch decoder.defect {
    case .bareLineEnd:
      refusal =
        refusal
        ?? SMTPServerReply(
          550,
          EnhancedStatusCode(5, 6, 11),
          "A line of the message ends with a bare CR or LF, where only CR LF may stand"
        )
    case .longLine:
      refusal =
        refusal
        ?? SMTPServerReply(550, EnhancedStatusCode(5, 6, 0), "A line of the message is too long")
    case nil: break
    }
    return take(text, hasEnded: progress != .more)
  }

  /// Counts a piece of the message and hands it on, unless it will be refused.
  private mutating func take(_ text: [UInt8], hasEnded: Bool) -> Event? {
    messageBytes += text.count
    if messageBytes > limits.messageBytes { refusal = refusal ?? .tooLarge }
    guard hasEnded else {
      return refusal == nil && !text.isEmpty ? .text(text) : nil
    }
    if let refusal {
      finish([refusal])
      return .reset
    }
    guard !text.isEmpty else { return .message }
    // The piece first: the message's end is told when it is asked for again.
    phase = .chunk(left: 0, isLast: true, refusal: nil)
    return .text(text)
  }

  private mutating func beginChunk(_ bytes: Int, _ isLast: Bool) {
    var refusal: SMTPServerReply?
    if sender == nil {
      refusal = Self.badSequence("Say MAIL first")
    } else if recipients == 0 {
      refusal = SMTPServerReply(554, EnhancedStatusCode(5, 5, 1), "No recipient was good")
    } else if self.refusal == nil, bytes > limits.messageBytes - messageBytes {
      self.refusal = .tooLarge
    }
    hasChunk = sender != nil && refusal == nil
    phase = .chunk(left: bytes, isLast: isLast, refusal: refusal)
  }

  /// Takes what has come of a chunk (RFC 3030 §2): any bytes at all, so nothing in it can end it.
  mutating func chunk(_ left: Int, _ isLast: Bool, _ outOfPlace: SMTPServerReply?) -> Event? {
    let count = min(left, input.count - position)
    let text = Array(input[position..<(position + count)])
    position += count
    if count < left {
      phase = .chunk(left: left - count, isLast: isLast, refusal: outOfPlace)
    } else {
      phase = .command
    }
    if let outOfPlace {
      if count == left { refuse(outOfPlace) }
      return nil
    }
    guard count == left, isLast else {
      if count == left { say(refusal ?? .ok) }
      return take(text, hasEnded: false)
    }
    phase = .asking(.message)
    return take(text, hasEnded: true)
  }
}
