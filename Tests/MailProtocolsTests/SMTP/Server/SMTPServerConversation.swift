import MailProtocols

/// A server's session whose client, and whose owner, the test plays.
struct SMTPServerConversation {
  var session: SMTPServerSession
  /// The messages that came to their end, whole.
  private(set) var messages: [String] = []
  private var text: [UInt8] = []
  /// What the owner says to each question.
  var verdict: (SMTPServerSession.Event) -> SMTPServerReply = { _ in .ok }
  /// How many bytes are given at a time; nil gives all at once.
  var piece: Int?

  init(
    _ kind: SMTPServerSession.Kind = .smtp,
    isSecure: Bool = false,
    limits: SMTPServerLimits = SMTPServerLimits()
  ) {
    session = SMTPServerSession(
      kind,
      hostName: "mail.example",
      isSecure: isSecure,
      offersStartTLS: true,
      limits: limits
    )
    session.greet()
    _ = session.takeOutput()
  }

  /// Says `wire` and returns the replies' lines.
  mutating func say(_ wire: String) -> [String] { say(Array(wire.utf8)) }

  /// Says `wire` and returns the replies' lines.
  mutating func say(_ wire: [UInt8]) -> [String] {
    let size = max(piece ?? wire.count, 1)
    for start in stride(from: 0, to: wire.count, by: size) {
      session.receive(Array(wire[start..<min(start + size, wire.count)]))
      answerAll()
    }
    let output = String(decoding: session.takeOutput(), as: UTF8.self)
    return output.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast()
      .map(String.init)
  }

  /// Says a command and returns the first three digits of the last reply.
  mutating func code(_ command: String) -> String {
    String((say(command + "\r\n").last ?? "").prefix(3))
  }

  /// Says hello and names a sender and `recipients`.
  mutating func begin(_ recipients: String...) {
    let hello = session.kind == .lmtp ? "LHLO" : "EHLO"
    _ = say("\(hello) client.example\r\nMAIL FROM:<ada@example.org>\r\n")
    for recipient in recipients { _ = say("RCPT TO:<\(recipient)>\r\n") }
  }

  private mutating func answerAll() {
    while let event = session.next() {
      switch event {
      case .startTLS: session.secured()
      case .login: session.answerLogin(verdict(event))
      case .sender, .recipient: session.answer(verdict(event))
      case .text(let bytes): text += bytes
      case .message:
        messages.append(String(decoding: text, as: UTF8.self))
        text = []
        session.finish([verdict(event)])
      case .reset: text = []
      }
    }
  }
}
