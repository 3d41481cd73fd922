import MailProtocols
import Testing

@Suite("SMTP mail transaction (RFC 5321 §3.3, RFC 2920)")
struct SMTPTransactionTests {
  private let traits = SMTPMessageTraits(size: 100, hasEightBitBytes: false)
  private let envelope = SMTPEnvelope(
    sender: "a@client.example",
    recipients: ["b@mail.example", "c@mail.example"]
  )

  @Test func `without pipelining each command waits for its reply`() throws {
    var talk = try SMTPConversation()
    talk.open()
    try talk.session.begin(envelope, traits)
    #expect(talk.client() == "MAIL FROM:<a@client.example>\r\n")
    #expect(talk.session.stage == .mail)
    #expect(talk.server("250 ok\r\n") == [])
    #expect(talk.client() == "RCPT TO:<b@mail.example>\r\n")
    #expect(talk.session.stage == .recipient)
    #expect(talk.server("250 ok\r\n") == [])
    #expect(talk.client() == "RCPT TO:<c@mail.example>\r\n")
    let events = talk.server("550 5.1.1 no\r\n")
    #expect(
      events == [
        .recipients([.accepted(SMTPReply(250, "ok")), .refused(SMTPReply(550, "5.1.1 no"))])
      ]
    )
    talk.session.sendData()
    #expect(talk.client() == "DATA\r\n")
    #expect(talk.server("354 go\r\n") == [.sendBody])
    talk.session.bodyEnds()
    #expect(talk.session.stage == .final)
    #expect(talk.server("250 2.0.0 queued\r\n") == [.finished(SMTPReply(250, "2.0.0 queued"))])
    #expect(talk.session.isReady)
  }

  @Test func `with pipelining a window goes out in one write`() throws {
    var limits = SMTPLimits()
    limits.pipelinedCommands = 2
    var talk = try SMTPConversation(limits: limits)
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    #expect(talk.client() == "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mail.example>\r\n")
    #expect(talk.server("250 ok\r\n") == [])
    #expect(talk.client().isEmpty)
    #expect(talk.server("250 ok\r\n") == [])
    #expect(talk.client() == "RCPT TO:<c@mail.example>\r\n")
    #expect(talk.server("251 will forward\r\n").count == 1)
  }

  @Test func `a refused MAIL leaves the session ready once the rest is answered`() throws {
    var talk = try SMTPConversation()
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    #expect(talk.server("552 5.3.4 too big\r\n503 no MAIL\r\n") == [])
    #expect(
      talk.server("503 no MAIL\r\n") == [.refused(SMTPReply(552, "5.3.4 too big"), .mail)]
    )
    #expect(talk.session.isReady)
  }

  @Test func `a refused MAIL without pipelining is the end of it`() throws {
    var talk = try SMTPConversation()
    talk.open()
    try talk.session.begin(envelope, traits)
    #expect(talk.server("451 later\r\n") == [.refused(SMTPReply(451, "later"), .mail)])
    #expect(talk.client() == "MAIL FROM:<a@client.example>\r\n")
  }

  @Test func `a transaction can be given up before DATA`() throws {
    var talk = try SMTPConversation()
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    #expect(talk.server("250 ok\r\n550 no\r\n550 no\r\n").count == 1)
    _ = talk.client()
    talk.session.reset()
    #expect(talk.client() == "RSET\r\n")
    #expect(talk.server("250 ok\r\n") == [.done])
    #expect(talk.session.isReady)
  }

  @Test func `a refused DATA can be followed by RSET`() throws {
    var talk = try SMTPConversation()
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    _ = talk.server("250 ok\r\n250 ok\r\n250 ok\r\n")
    talk.session.sendData()
    #expect(talk.server("451 disk\r\n") == [.refused(SMTPReply(451, "disk"), .data)])
    talk.session.reset()
    #expect(talk.server("250 ok\r\n") == [.done])
  }

  @Test(arguments: [
    ([], traits(), "MAIL FROM:<a@x>\r\n"),
    (["SIZE 1000"], traits(), "MAIL FROM:<a@x> SIZE=100\r\n"),
    (["8BITMIME"], traits(eightBit: true), "MAIL FROM:<a@x> BODY=8BITMIME\r\n"),
    (["8BITMIME"], traits(), "MAIL FROM:<a@x>\r\n"),
    (
      ["SIZE", "8BITMIME", "SMTPUTF8"], traits(eightBit: true, utf8: true),
      "MAIL FROM:<a@x> SIZE=100 BODY=8BITMIME SMTPUTF8\r\n"
    ),
    ([], traits(eightBit: true, utf8: true), "MAIL FROM:<a@x>\r\n"),
  ])
  func `MAIL names what the server knows`(
    _ extensions: [String],
    _ traits: SMTPMessageTraits,
    _ command: String
  ) throws {
    var talk = try SMTPConversation()
    let lines = ["mail.example"] + extensions
    _ = talk.server("220 hi\r\n")
    for line in lines.dropLast() { _ = talk.server("250-\(line)\r\n") }
    #expect(talk.server("250 \(lines[lines.count - 1])\r\n") == [.ready])
    _ = talk.client()
    try talk.session.begin(SMTPEnvelope(sender: "a@x", recipients: ["b@x"]), traits)
    #expect(talk.client() == command)
  }

  private static func traits(eightBit: Bool = false, utf8: Bool = false) -> SMTPMessageTraits {
    SMTPMessageTraits(size: 100, hasEightBitBytes: eightBit, hasUTF8Header: utf8)
  }

  @Test func `an empty sender is the null reverse-path`() throws {
    var talk = try SMTPConversation()
    talk.open("SMTPUTF8")
    try talk.session.begin(SMTPEnvelope(sender: "", recipients: ["\u{E4}@x"]), traits)
    #expect(talk.client() == "MAIL FROM:<> SMTPUTF8\r\n")
  }

  @Test(arguments: [
    "a@x\r\nDATA", "a@x\nRCPT TO:<b@y>", "a@x\rb", "a\0@x", "a b@x", "a<b@x", "a>b@x", "a\u{7F}@x",
    "a\u{85}@x", "a\u{2028}@x", "\ta@x", "a@x ",
  ])
  func `an address that could end a command is refused before anything is sent`(
    _ address: String
  ) throws {
    var talk = try SMTPConversation()
    talk.open()
    #expect(throws: SMTPInputError.sender(.forbiddenCharacter)) {
      try talk.session.begin(SMTPEnvelope(sender: address, recipients: ["b@x"]), traits)
    }
    #expect(throws: SMTPInputError.recipient(index: 1, .forbiddenCharacter)) {
      try talk.session.begin(SMTPEnvelope(sender: "", recipients: ["b@x", address]), traits)
    }
    #expect(talk.client().isEmpty)
    #expect(talk.session.isReady)
  }

  @Test func `an envelope without a recipient, or with an empty or endless one, is refused`() throws
  {
    var talk = try SMTPConversation()
    talk.open()
    let long = String(repeating: "a", count: 400) + "@x"
    #expect(throws: SMTPInputError.noRecipients) {
      try talk.session.begin(SMTPEnvelope(sender: "a@x", recipients: []), traits)
    }
    #expect(throws: SMTPInputError.recipient(index: 0, .empty)) {
      try talk.session.begin(SMTPEnvelope(sender: "a@x", recipients: [""]), traits)
    }
    #expect(throws: SMTPInputError.recipient(index: 0, .tooLong)) {
      try talk.session.begin(SMTPEnvelope(sender: "a@x", recipients: [long]), traits)
    }
  }

  @Test(arguments: [0, 1, 2])
  func `421 anywhere before DATA ends the session`(_ answered: Int) throws {
    var talk = try SMTPConversation()
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    _ = talk.server(String(repeating: "250 ok\r\n", count: answered))
    let stage: SMTPStage = answered == 0 ? .mail : .recipient
    #expect(talk.server("421 bye\r\n") == [.refused(SMTPReply(421, "bye"), stage)])
    #expect(talk.session.isClosed)
  }

  @Test func `421 after the final dot is the outcome`() throws {
    var talk = try SMTPConversation()
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    _ = talk.server("250 ok\r\n250 ok\r\n250 ok\r\n")
    talk.session.sendData()
    _ = talk.server("354 go\r\n")
    talk.session.bodyEnds()
    #expect(talk.server("421 bye\r\n") == [.finished(SMTPReply(421, "bye"))])
    #expect(talk.session.isClosed)
  }

  @Test func `a whole transaction works when the replies come byte by byte`() throws {
    var talk = try SMTPConversation()
    talk.open("PIPELINING")
    try talk.session.begin(envelope, traits)
    var events: [SMTPSession.Event] = []
    for byte in "250 ok\r\n250-two\r\n250 lines\r\n452 full\r\n" {
      events += talk.server(String(byte))
    }
    #expect(events.count == 1)
    guard case .recipients(let results)? = events.first else {
      Issue.record("no recipients")
      return
    }
    #expect(results.map(\.isAccepted) == [true, false])
    #expect(results[1].reply.isTransient)
  }
}
