import Bytes
import MailProtocols
import Testing

@Suite("SMTP session (RFC 5321 §3)")
struct SMTPSessionTests {
  @Test func `a session opens with EHLO and reads what is offered`() throws {
    var talk = try SMTPConversation()
    #expect(talk.server("220 mail.example ESMTP\r\n") == [])
    #expect(talk.client() == "EHLO client.example\r\n")
    #expect(talk.server("250-mail.example\r\n250-SIZE 10\r\n250 PIPELINING\r\n") == [.ready])
    #expect(talk.session.capabilities.sizeLimit == 10)
    #expect(talk.session.isReady)
  }

  @Test func `a server without EHLO is asked by HELO`() throws {
    var talk = try SMTPConversation()
    #expect(talk.server("220 hi\r\n502 5.5.1 what?\r\n") == [])
    #expect(talk.client() == "EHLO client.example\r\nHELO client.example\r\n")
    #expect(talk.server("250 hi\r\n") == [.ready])
    #expect(talk.session.capabilities.extensions.isEmpty)
  }

  @Test func `STARTTLS drops what was said before the handshake`() throws {
    var talk = try SMTPConversation(.startTLS)
    let early = "220 hi\r\n250-mail\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"
    #expect(talk.server(early + "220 go\r\n250 injected\r\n") == [.handshake])
    #expect(talk.client() == "EHLO client.example\r\nSTARTTLS\r\n")
    talk.session.secured()
    #expect(talk.events() == [])
    #expect(talk.session.capabilities.authMechanisms.isEmpty)
    #expect(talk.client() == "EHLO client.example\r\n")
    #expect(talk.server("250-mail\r\n250 AUTH LOGIN\r\n") == [.ready])
    #expect(talk.session.capabilities.authMechanisms == ["LOGIN"])
  }

  @Test func `STARTTLS that is not offered is reported, not skipped`() throws {
    var talk = try SMTPConversation(.startTLS)
    #expect(talk.server("220 hi\r\n250 mail\r\n") == [.startTLSNotOffered])
    var old = try SMTPConversation(.startTLS)
    #expect(old.server("220 hi\r\n500 what?\r\n250 mail\r\n") == [.startTLSNotOffered])
  }

  @Test func `STARTTLS that is refused ends the session`() throws {
    var talk = try SMTPConversation(.startTLS)
    let events = talk.server("220 hi\r\n250-mail\r\n250 STARTTLS\r\n454 4.7.0 not now\r\n")
    #expect(events == [.refused(SMTPReply(454, "4.7.0 not now"), .startTLS)])
    #expect(talk.session.isClosed)
  }

  @Test(arguments: [
    ("554 5.7.1 go away\r\n", SMTPStage.greeting), ("421 busy\r\n", .greeting),
    ("220 hi\r\n451 later\r\n", .hello), ("220 hi\r\n500 what?\r\n550 no\r\n", .hello),
  ])
  func `a server may refuse to talk`(_ wire: String, _ stage: SMTPStage) throws {
    var talk = try SMTPConversation()
    guard case .refused(_, stage)? = talk.server(wire).last else {
      Issue.record("not refused in \(stage)")
      return
    }
    #expect(talk.session.isClosed)
  }

  @Test(arguments: ["", "a b", "a\r\nMAIL", "caf\u{E9}", "a\0"])
  func `a name for EHLO that could end the command is refused`(_ name: String) {
    #expect(throws: SMTPInputError.heloName) {
      try SMTPSession(heloName: name, security: .asItIs)
    }
  }

  @Test func `an unasked reply breaks the session, an unasked 421 refuses it`() throws {
    var talk = try SMTPConversation()
    talk.open()
    guard case .broken? = talk.server("250 hello?\r\n").first else {
      Issue.record("not broken")
      return
    }
    var idle = try SMTPConversation()
    idle.open()
    #expect(idle.server("421 idle\r\n") == [.refused(SMTPReply(421, "idle"), .idle)])
    #expect(idle.session.isClosed)
  }

  @Test(arguments: [
    "* OK Dovecot ready\r\n", "+OK POP3\r\n", "HTTP/1.1 400\r\n", "354 early\r\n",
  ])
  func `a server of another kind breaks the session`(_ wire: String) throws {
    var talk = try SMTPConversation()
    guard case .broken? = talk.server(wire).first else {
      Issue.record("not broken")
      return
    }
    #expect(talk.server("220 hi\r\n") == [])
  }

  @Test func `QUIT ends the session whatever is answered`() throws {
    var talk = try SMTPConversation()
    talk.open()
    talk.session.quit()
    #expect(talk.client() == "QUIT\r\n")
    #expect(talk.server("500 what?\r\n") == [.done])
    #expect(talk.session.isClosed)
  }
}
