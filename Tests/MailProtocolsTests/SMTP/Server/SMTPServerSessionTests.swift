import Bytes
import MailProtocols
import Testing
import TestSupport

@Suite("SMTP server session (RFC 5321 §4)") struct SMTPServerSessionTests {
  @Test func `EHLO is told of every extension, and of AUTH only under TLS`() {
    var talk = SMTPServerConversation()
    let lines = talk.say("EHLO client.example\r\n")
    #expect(lines.first == "250-mail.example at your service")
    for name in ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "CHUNKING", "STARTTLS"] {
      #expect(lines.contains { $0.dropFirst(4) == name }, "\(name)")
    }
    #expect(!lines.contains { $0.contains("AUTH") })
    #expect(talk.code("STARTTLS") == "220")
    let secured = talk.say("EHLO client.example\r\n")
    #expect(secured.contains { $0.dropFirst(4) == "AUTH PLAIN LOGIN" })
    #expect(!secured.contains { $0.contains("STARTTLS") })
  }

  @Test(arguments: [nil, 1, 2, 7])
  func `a message comes through, however it is cut`(piece: Int?) {
    var talk = SMTPServerConversation()
    talk.piece = piece
    let codes = talk.say(
      "EHLO c.example\r\nMAIL FROM:<a@b.example> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
        + "Subject: x\r\n\r\n..dot\r\n.\r\nNOOP\r\nQUIT\r\n"
    ).filter { !$0.hasPrefix("250-") }.map { $0.prefix(3) }
    #expect(codes == ["250", "250", "250", "354", "250", "250", "221"])
    #expect(talk.messages == ["Subject: x\r\n\r\n.dot\r\n"])
    #expect(talk.session.isClosed)
  }

  @Test(arguments: [nil, 1, 3])
  func `chunks are taken by their length alone (RFC 3030)`(piece: Int?) {
    var talk = SMTPServerConversation()
    talk.piece = piece
    talk.begin("c@d.example")
    let codes = talk.say("BDAT 7\r\na\r\n.\r\nbBDAT 3 LAST\r\n\r\n.BDAT 0 LAST\r\n").map {
      $0.prefix(3)
    }
    #expect(codes == ["250", "250", "503"])
    #expect(talk.messages == ["a\r\n.\r\nb\r\n."])
  }

  @Test func `a chunk out of place is read and refused, one without length ends the session`() {
    var talk = SMTPServerConversation()
    _ = talk.say("EHLO c\r\n")
    #expect(talk.say("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").map { $0.prefix(3) } == ["503", "250"])
    #expect(talk.code("BDAT 99999999999999999999") == "521")
    #expect(talk.session.isClosed)
  }

  @Test func `LMTP answers each recipient, and knows no HELO (RFC 2033)`() {
    var talk = SMTPServerConversation(.lmtp)
    #expect(talk.code("EHLO c.example") == "500")
    talk.begin("a@d.example", "b@d.example")
    let codes = talk.say("DATA\r\nx\r\n.\r\n").map { $0.prefix(3) }
    #expect(codes == ["354", "250", "250"])
    var other = SMTPServerConversation()
    #expect(other.code("LHLO c.example") == "500")
  }

  @Test func `what was sent ahead of TLS is forgotten (RFC 3207)`() {
    var talk = SMTPServerConversation()
    let lines = talk.say("EHLO c\r\nSTARTTLS\r\nEHLO evil\r\nMAIL FROM:<a@b>\r\n")
    #expect(lines.last == "220 2.0.0 Go ahead")
    #expect(talk.session.clientName == nil)
    #expect(talk.code("MAIL FROM:<a@b.example>") == "503")
  }

  @Test func `AUTH is refused without TLS, and takes PLAIN and LOGIN with it`() {
    var bare = SMTPServerConversation()
    _ = bare.say("EHLO c\r\n")
    #expect(bare.code("AUTH PLAIN AGEAYg==") == "538")

    var seen: [SMTPServerCredentials] = []
    for wire in [
      "AUTH PLAIN AGEAYg==\r\n", "AUTH PLAIN\r\nAGEAYg==\r\n", "AUTH LOGIN\r\nYQ==\r\nYg==\r\n",
      "AUTH LOGIN YQ==\r\nYg==\r\n",
    ] {
      var talk = SMTPServerConversation(isSecure: true)
      _ = talk.say("EHLO c\r\n")
      nonisolated(unsafe) var found: SMTPServerCredentials?
      talk.verdict = { event in
        if case .login(let credentials) = event { unsafe found = credentials }
        return SMTPServerReply(235, EnhancedStatusCode(2, 7, 0), "Ok")
      }
      #expect(talk.say(wire).last == "235 2.7.0 Ok")
      #expect(talk.session.isSignedIn)
      if let found = unsafe found { seen.append(found) }
    }
    #expect(seen == Array(repeating: SMTPServerCredentials(username: "a", password: "b"), count: 4))
  }

  @Test(arguments: [
    ("AUTH PLAIN\r\n*\r\n", "501"), ("AUTH PLAIN\r\n!\r\n", "501"), ("AUTH PLAIN YQ==\r\n", "501"),
    ("AUTH PLAIN YwBhAGI=\r\n", "501"), ("AUTH CRAM-MD5\r\n", "504"), ("AUTH\r\n", "501"),
  ])
  func `an AUTH that cannot be is refused`(wire: String, code: String) {
    var talk = SMTPServerConversation(isSecure: true)
    _ = talk.say("EHLO c\r\n")
    #expect(talk.say(wire).last?.prefix(3) == code[...])
    #expect(!talk.session.isSignedIn)
  }

  @Test func `wrong passwords end the session`() {
    var talk = SMTPServerConversation(isSecure: true)
    talk.verdict = { _ in SMTPServerReply(535, EnhancedStatusCode(5, 7, 8), "No") }
    _ = talk.say("EHLO c\r\n")
    for _ in 0..<3 { #expect(talk.code("AUTH PLAIN AGEAYg==") == "535") }
    #expect(talk.session.isClosed)
  }

  @Test(arguments: [
    ("MAIL FROM:<a@b.example>", "503"), ("DATA", "503"), ("RCPT TO:<a@b.example>", "503"),
    ("EXPN list", "502"), ("TURN", "502"), ("VRFY ada", "252"), ("HELP", "214"), ("XYZZY", "500"),
    ("DATA now", "501"), ("HELO", "501"), ("HELO a b", "501"), ("NOOP what", "250"), ("", "500"),
  ])
  func `a command before hello, or that is none, has its reply`(command: String, code: String) {
    var talk = SMTPServerConversation()
    #expect(talk.code(command) == code)
  }

  @Test func `a message that is too large is refused by its SIZE, and by what comes of it`() {
    var limits = SMTPServerLimits()
    limits.messageBytes = 10
    var talk = SMTPServerConversation(limits: limits)
    _ = talk.say("EHLO c\r\n")
    #expect(talk.code("MAIL FROM:<a@b.example> SIZE=11") == "552")
    talk.begin("c@d.example")
    #expect(talk.say("DATA\r\n0123456789\r\n.\r\n").last?.prefix(9) == "552 5.3.4")
    talk.begin("c@d.example")
    #expect(talk.say("BDAT 11 LAST\r\n01234567890").last?.prefix(9) == "552 5.3.4")
    #expect(talk.messages.isEmpty)
  }

  @Test func `too many refusals, idle commands and endless lines close the session`() {
    var talk = SMTPServerConversation()
    for _ in 0..<20 { _ = talk.code("XYZZY") }
    #expect(talk.session.isClosed)
    var idle = SMTPServerConversation()
    for _ in 0...100 { _ = idle.code("NOOP") }
    #expect(idle.session.isClosed)
    var endless = SMTPServerConversation()
    #expect(endless.say(String(repeating: "x", count: 3000)).last?.prefix(3) == "500")
    #expect(endless.session.isClosed)
    var browser = SMTPServerConversation()
    #expect(browser.code("GET / HTTP/1.1") == "500")
    #expect(browser.session.isClosed)
  }

  @Test func `mutated sessions never trap, and no message ends but by its true end`() throws {
    let inputs = [
      "EHLO c\r\nMAIL FROM:<a@b.c> SIZE=3\r\nRCPT TO:<d@e.f>\r\nDATA\r\nx\r\n..y\r\n.\r\nQUIT\r\n",
      "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<\"a b\"@e.f>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\ndeRSET\r\n",
      "EHLO c\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nSTARTTLS\r\nMAIL FROM:<@a,@b:c@[1.2.3.4]> SMTPUTF8\r\n",
    ].map { Array($0.utf8) }
    try Mutations.run("smtp-server", of: inputs) { bytes in
      for (kind, piece) in [(SMTPServerSession.Kind.smtp, 1), (.smtp, 4096), (.lmtp, 5)] {
        var talk = SMTPServerConversation(kind, isSecure: bytes.count % 2 == 0)
        talk.piece = piece
        _ = talk.say(bytes)
      }
    }
  }
}
