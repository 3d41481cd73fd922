import MailProtocols
import Testing

@Suite("SMTP paths (RFC 5321 §4.1.2)") struct SMTPPathTests {
  /// The recipient that a path names, and the reply to it.
  private static func recipient(_ path: String, _ parameters: String = "") -> (SMTPMailbox?, String)
  {
    var talk = SMTPServerConversation()
    nonisolated(unsafe) var found: SMTPMailbox?
    talk.verdict = { event in
      if case .recipient(let mailbox) = event { unsafe found = mailbox }
      return .ok
    }
    _ = talk.say("EHLO c\r\nMAIL FROM:<a@b.example> \(parameters)\r\n")
    let reply = talk.say("RCPT TO:\(path)\r\n").last ?? ""
    return (unsafe found, String(reply.prefix(9)))
  }

  @Test(arguments: [
    ("<ada@example.org>", "ada", "example.org"), (" <ada@example.org>", "ada", "example.org"),
    ("<\"ada b\"@example.org>", "ada b", "example.org"),
    ("<\"a\\\"b\"@example.org>", "a\"b", "example.org"),
    ("<@one.example,@two.example:ada@example.org>", "ada", "example.org"),
    ("<ada@[192.0.2.1]>", "ada", "[192.0.2.1]"), ("<ada@[IPv6:::1]>", "ada", "[IPv6:::1]"),
    ("<Postmaster>", "Postmaster", nil), ("<a+b=c@example.org>", "a+b=c", "example.org"),
  ])
  func `a path is read, and a source route in it ignored`(
    path: String,
    local: String,
    domain: String?
  ) {
    let (mailbox, _) = Self.recipient(path)
    #expect(mailbox == SMTPMailbox(localPart: local, domain: domain))
  }

  @Test(arguments: [
    "<user%foreign.example@mail.example>", "<foreign.example!user@mail.example>",
    "<\"user@foreign.example\"@mail.example>", "<\"user%foreign.example\"@mail.example>",
    "<\"foreign.example!user\"@mail.example>", "<@mail.example:user%foreign.example@mail.example>",
    "<\"@foreign.example:user\"@mail.example>",
  ])
  func `a path that names its way on is refused`(path: String) {
    let (mailbox, reply) = Self.recipient(path)
    #expect(mailbox == nil)
    #expect(reply == "550 5.7.1")
  }

  @Test(arguments: [
    "ada@example.org", "<ada>", "<ada@>", "<@example.org>", "<a..b@example.org>",
    "<.a@example.org>", "<ada@-example.org>", "<ada@exa mple.org>", "<ada@example..org>", "<a b@c>",
    "<ada@example.org", "<\"\"@example.org>", "<ada@example.org>x", "<ada@[x>", "<>", "<ada@b@c>",
  ])
  func `what is no path is refused`(path: String) {
    let (mailbox, reply) = Self.recipient(path)
    #expect(mailbox == nil)
    #expect(reply == "501 5.1.3")
  }

  @Test func `UTF-8 needs SMTPUTF8 (RFC 6531)`() {
    #expect(Self.recipient("<jörg@exämple.org>").1 == "553 5.6.7")
    let (mailbox, _) = Self.recipient("<jörg@exämple.org>", "SMTPUTF8")
    #expect(mailbox == SMTPMailbox(localPart: "jörg", domain: "exämple.org"))
  }

  @Test func `long parts are refused`() {
    #expect(Self.recipient("<\(String(repeating: "a", count: 65))@b.example>").0 == nil)
    let label = String(repeating: "a", count: 60)
    #expect(
      Self.recipient("<a@\([label, label, label, label, label].joined(separator: "."))>").0 == nil
    )
  }

  @Test(arguments: [
    ("SIZE=x", "501"), ("SIZE", "501"), ("BODY=BINARYMIME", "501"), ("RET=FULL", "555"),
    ("SMTPUTF8=1", "555"), ("AUTH=<>", "250"), ("SIZE=1 BODY=7BIT", "250"), ("=", "555"),
  ])
  func `the parameters of MAIL`(parameter: String, code: String) {
    var talk = SMTPServerConversation()
    _ = talk.say("EHLO c\r\n")
    #expect(talk.code("MAIL FROM:<a@b.example> \(parameter)") == code)
  }

  @Test func `an address is written with the quotes it needs`() {
    #expect(SMTPMailbox(localPart: "a b", domain: "c.d").address == "\"a b\"@c.d")
    #expect(SMTPMailbox(localPart: "a\"b", domain: "c.d").address == "\"a\\\"b\"@c.d")
    #expect(SMTPMailbox(localPart: "a.b", domain: "c.d").address == "a.b@c.d")
  }
}
