import MailProtocols
import Testing

/// A session with its server played by the test.
struct SMTPConversation {
  var session: SMTPSession
  private(set) var exchange: SASLExchange?

  init(
    _ security: SMTPSession.Security = .asItIs,
    limits: SMTPLimits = SMTPLimits()
  ) throws {
    session = try SMTPSession(heloName: "client.example", security: security, limits: limits)
  }

  /// Lets the server say `text` and returns every event up to now.
  mutating func server(_ text: String) -> [SMTPSession.Event] {
    session.receive(Array(text.utf8))
    return events()
  }

  /// Every event up to now.
  mutating func events() -> [SMTPSession.Event] {
    var events: [SMTPSession.Event] = []
    while let event = session.next() { events.append(event) }
    return events
  }

  /// Starts AUTH, with the initial response of a mechanism that has one.
  mutating func authenticate(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials
  ) throws {
    var exchange = try SASLExchange(
      mechanism,
      credentials,
      service: SASLService("smtp", host: "mail.example")
    )
    let initial = try mechanism.isClientFirst ? exchange.respond(to: nil) : nil
    session.authenticate(mechanism, initialResponse: initial, secrets: credentials.secrets)
    self.exchange = exchange
  }

  /// Answers the challenge that the session told of.
  mutating func respond(to challenge: [UInt8]?) throws {
    var exchange = try #require(self.exchange)
    session.respond(try exchange.respond(to: challenge))
    self.exchange = exchange
  }

  /// What the client wrote since the last look.
  mutating func client() -> String {
    String(decoding: session.takeOutput(), as: UTF8.self)
  }

  /// Brings the session to where verbs may be called, with `extensions` offered.
  mutating func open(_ extensions: String...) {
    _ = server("220 hi\r\n")
    let lines = ["mail.example"] + extensions
    _ = server(lines.dropLast().map { "250-\($0)\r\n" }.joined() + "250 \(lines.last ?? "")\r\n")
    _ = client()
  }
}

extension SMTPReply {
  /// A reply of one line.
  init(_ code: Int, _ line: String) {
    self.init(code: code, lines: [line])
  }
}
