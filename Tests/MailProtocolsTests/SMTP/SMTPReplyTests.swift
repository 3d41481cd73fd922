import Bytes
import MailProtocols
import Testing

@testable import MailProtocols

@Suite("SMTP replies (RFC 5321 §4.2)")
struct SMTPReplyTests {
  /// Wire bytes and what they say.
  struct Fixture: Sendable, CustomTestStringConvertible {
    let wire: String
    let replies: [SMTPReply]
    var testDescription: String { wire.debugDescription }
  }

  static let fixtures = [
    Fixture(wire: "220 ready\r\n", replies: [SMTPReply(code: 220, lines: ["ready"])]),
    Fixture(
      wire: "250-a\r\n250-b c\r\n250 d\r\n",
      replies: [SMTPReply(code: 250, lines: ["a", "b c", "d"])]
    ),
    Fixture(
      wire: "250 2.1.0 Ok\r\n550 5.1.1 No\r\n",
      replies: [
        SMTPReply(code: 250, lines: ["2.1.0 Ok"]), SMTPReply(code: 550, lines: ["5.1.1 No"]),
      ]
    ),
    Fixture(wire: "354\r\n", replies: [SMTPReply(code: 354, lines: [""])]),
    Fixture(wire: "250-\r\n250 \r\n", replies: [SMTPReply(code: 250, lines: ["", ""])]),
    Fixture(wire: "250-x\n250 y\n", replies: [SMTPReply(code: 250, lines: ["x", "y"])]),
    Fixture(wire: "250-x\r\n251 y\r\n", replies: [SMTPReply(code: 251, lines: ["x", "y"])]),
    Fixture(wire: "421 bye  \r\n", replies: [SMTPReply(code: 421, lines: ["bye"])]),
  ]

  @Test(arguments: fixtures)
  func `replies come out as they were sent, wherever the stream is cut`(_ fixture: Fixture) throws {
    let bytes = Array(fixture.wire.utf8)
    for cut in 0...bytes.count {
      var parser = SMTPReplyParser(limits: SMTPLimits())
      var replies: [SMTPReply] = []
      for piece in [bytes[..<cut], bytes[cut...]] {
        parser.receive(Array(piece))
        while let reply = try parser.next() { replies.append(reply) }
      }
      #expect(replies == fixture.replies)
      #expect(parser.isEmpty)
    }
  }

  @Test(arguments: fixtures)
  func `replies come out byte by byte`(_ fixture: Fixture) throws {
    var parser = SMTPReplyParser(limits: SMTPLimits())
    var replies: [SMTPReply] = []
    for byte in fixture.wire.utf8 {
      parser.receive([byte])
      while let reply = try parser.next() { replies.append(reply) }
    }
    #expect(replies == fixture.replies)
  }

  @Test(arguments: [
    "hello\r\n", "\r\n", "25\r\n", "2x0 ok\r\n", "150 early\r\n", "650 late\r\n", "250_ok\r\n",
    "250ok\r\n", "* OK IMAP4rev1\r\n", "HTTP/1.1 400 Bad Request\r\n", "250-ok\r\nstray\r\n",
  ])
  func `garbage is a syntax error`(_ wire: String) {
    var parser = SMTPReplyParser(limits: SMTPLimits())
    parser.receive(Array(wire.utf8))
    #expect(throws: SMTPSyntaxError.self) { while try parser.next() != nil {} }
  }

  @Test func `an endless line is refused before it ends`() {
    var parser = SMTPReplyParser(limits: SMTPLimits())
    parser.receive([UInt8](repeating: 0x32, count: 5000))
    #expect(throws: SMTPSyntaxError.self) { try parser.next() }
  }

  @Test func `an endless reply is refused before it ends`() {
    var parser = SMTPReplyParser(limits: SMTPLimits())
    parser.receive(Array(String(repeating: "250-x\r\n", count: 300).utf8))
    #expect(throws: SMTPSyntaxError.self) { try parser.next() }
  }

  @Test func `text that is not UTF-8 is repaired`() throws {
    var parser = SMTPReplyParser(limits: SMTPLimits())
    parser.receive(Array("550 caf".utf8) + [0xE9] + Array("\r\n".utf8))
    #expect(try parser.next()?.text == "caf\u{FFFD}")
  }

  @Test(arguments: [
    (550, "5.1.1 No such user", EnhancedStatusCode(5, 1, 1), "No such user"),
    (250, "2.1.0", EnhancedStatusCode(2, 1, 0), ""),
    (421, "4.7.123 slow down", EnhancedStatusCode(4, 7, 123), "slow down"),
    (250, "5.1.1 contradicts", nil, "5.1.1 contradicts"),
    (250, "2.1 short", nil, "2.1 short"),
    (250, "2.1.1111 long", nil, "2.1.1111 long"),
    (250, "2.1.x odd", nil, "2.1.x odd"),
    (354, "3.1.1 no class", nil, "3.1.1 no class"),
    (220, "mail.example.org", nil, "mail.example.org"),
  ])
  func `an enhanced status code is read where it agrees with the reply code`(
    _ code: Int,
    _ line: String,
    _ status: EnhancedStatusCode?,
    _ text: String
  ) {
    let reply = SMTPReply(code: code, lines: [line])
    #expect(reply.enhancedStatus == status)
    #expect(reply.text == text)
  }

  @Test func `a reply says whether another try makes sense`() {
    #expect(SMTPReply(code: 250, lines: []).isPositive)
    #expect(SMTPReply(code: 354, lines: []).isIntermediate)
    #expect(SMTPReply(code: 451, lines: []).isTransient)
    #expect(SMTPReply(code: 550, lines: []).isPermanent)
    #expect(SMTPReply(code: 421, lines: []).isClosing)
    #expect(
      SMTPReply(code: 550, lines: ["5.1.1 No", "5.1.1 user"]).description == "550 5.1.1 No user"
    )
  }
}
