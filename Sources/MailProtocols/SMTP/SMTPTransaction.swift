/// What the server said about one recipient.
package enum SMTPRecipientResult: Equatable, Sendable {
  /// The server takes the message for this recipient, if it takes the message.
  case accepted(SMTPReply)
  /// It does not.
  case refused(SMTPReply)

  /// The reply to RCPT.
  package var reply: SMTPReply {
    switch self {
    case .accepted(let reply), .refused(let reply): reply
    }
  }

  /// Whether the recipient was accepted.
  package var isAccepted: Bool {
    if case .accepted = self { true } else { false }
  }
}

/// MAIL and its RCPTs while they are sent and answered.
///
/// Commands go out in windows: all of one window in one write, the next when each of it is answered.
/// Without PIPELINING the window is one command.
struct SMTPTransaction: Sendable {
  private let mail: String
  private let recipients: [String]
  private let window: Int
  private var sent = 0
  private var answered = 0
  private(set) var results: [SMTPRecipientResult] = []
  private(set) var mailRefusal: SMTPReply?

  init(mail: String, recipients: [String], window: Int) {
    self.mail = mail
    self.recipients = recipients
    self.window = window
  }

  /// The MAIL command with the parameters that the server knows.
  ///
  /// Leniency: a message whose header is UTF-8, for a server that does not offer SMTPUTF8, goes out
  /// without the parameter where the addresses do not need it; the servers that mind refuse it.
  static func mailCommand(
    _ envelope: SMTPEnvelope,
    _ traits: SMTPMessageTraits,
    _ capabilities: SMTPCapabilities
  ) -> String {
    var command = "MAIL FROM:<\(envelope.sender)>"
    if capabilities.offers(.size) { command += " SIZE=\(traits.size)" }
    if traits.hasEightBitBytes, capabilities.offers(.eightBitMIME) { command += " BODY=8BITMIME" }
    if traits.hasUTF8Header || envelope.needsSMTPUTF8, capabilities.offers(.smtpUTF8) {
      command += " SMTPUTF8"
    }
    return command + "\r\n"
  }

  /// Whether the reply to MAIL is there.
  var isMailAnswered: Bool { answered > 0 }

  /// Whether every command that was, and will be, sent is answered.
  var isComplete: Bool {
    answered == sent && (mailRefusal != nil || sent == recipients.count + 1)
  }

  /// The next window, once the last one is answered; empty otherwise.
  mutating func nextCommands() -> String {
    guard answered == sent, !isComplete else { return "" }
    var commands = ""
    let end = min(sent + window, recipients.count + 1)
    for index in sent..<end {
      commands += index == 0 ? mail : "RCPT TO:<\(recipients[index - 1])>\r\n"
    }
    sent = end
    return commands
  }

  /// Counts one reply; false where it is of no kind that MAIL and RCPT can have.
  mutating func answer(_ reply: SMTPReply) -> Bool {
    guard answered < sent, !reply.isIntermediate else { return false }
    defer { answered += 1 }
    if answered == 0 {
      if !reply.isPositive { mailRefusal = reply }
    } else {
      results.append(reply.isPositive ? .accepted(reply) : .refused(reply))
    }
    return true
  }
}
