import Bytes
import MailProtocols
import Testing

@Suite("SMTP AUTH (RFC 4954)")
struct SMTPAuthenticationTests {
  private func open() throws -> SMTPConversation {
    var talk = try SMTPConversation()
    talk.open("AUTH PLAIN LOGIN")
    return talk
  }

  @Test func `PLAIN sends its response with the command`() throws {
    var talk = try open()
    try talk.session.authenticate(username: "alice", password: "secret", mechanism: .plain)
    #expect(talk.client() == "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")
    #expect(talk.server("235 2.7.0 Ok\r\n") == [.authenticated])
    #expect(talk.session.isReady)
  }

  @Test func `a response too long for a command waits for the challenge`() throws {
    var talk = try open()
    let password = String(repeating: "p", count: 600)
    try talk.session.authenticate(username: "alice", password: password, mechanism: .plain)
    #expect(talk.client() == "AUTH PLAIN\r\n")
    #expect(talk.server("334 \r\n") == [])
    let response = Base64.standard.encode(Array("\0alice\0\(password)".utf8).span)
    #expect(talk.client() == String(utf8: response.span) + "\r\n")
    #expect(talk.server("235 ok\r\n") == [.authenticated])
  }

  @Test func `LOGIN answers two prompts, whatever they say`() throws {
    var talk = try open()
    try talk.session.authenticate(username: "al\u{EF}ce", password: "secret", mechanism: .login)
    #expect(talk.client() == "AUTH LOGIN\r\n")
    #expect(talk.server("334 UGFzc3dvcmQ6\r\n") == [])
    #expect(talk.client() == "YWzDr2Nl\r\n")
    #expect(talk.server("334\r\n") == [])
    #expect(talk.client() == "c2VjcmV0\r\n")
    #expect(talk.server("235 ok\r\n") == [.authenticated])
  }

  @Test func `a wrong password leaves the session usable`() throws {
    var talk = try open()
    try talk.session.authenticate(username: "alice", password: "wrong", mechanism: .plain)
    #expect(
      talk.server("535 5.7.8 no\r\n") == [.authenticationFailed(SMTPReply(535, "5.7.8 no"))]
    )
    #expect(talk.session.isReady)
  }

  @Test func `a server that asks for more is told to give up, once`() throws {
    var talk = try open()
    try talk.session.authenticate(username: "alice", password: "secret", mechanism: .plain)
    _ = talk.client()
    #expect(talk.server("334 more\r\n") == [])
    #expect(talk.client() == "*\r\n")
    guard case .broken? = talk.server("334 more\r\n").first else {
      Issue.record("not broken")
      return
    }
  }

  @Test func `a refusal that quotes the command does not show the password`() throws {
    let echoes = [
      "500 unknown: AUTH PLAIN AGFsaWNlAHNlY3JldA==", "535 bad password secret",
      "421 c2VjcmV0 bye",
    ]
    for echo in echoes {
      var talk = try open()
      try talk.session.authenticate(username: "alice", password: "secret", mechanism: .plain)
      let shown = String(describing: talk.server(echo + "\r\n"))
      #expect(shown.contains("[redacted]"))
      #expect(!shown.contains("secret") && !shown.contains("c2VjcmV0"))
      #expect(!shown.contains("AGFsaWNlAHNlY3JldA"))
    }
  }

  @Test func `a session under way prints no password`() throws {
    var talk = try open()
    try talk.session.authenticate(username: "alice", password: "hunter22", mechanism: .login)
    var shown = ""
    dump(talk.session, to: &shown)
    #expect(!shown.contains("hunter22") && !shown.contains("aHVudGVyMjI="))
  }

  @Test(arguments: [("", "x"), ("x", ""), ("a\0b", "x"), ("a", "x\0y")])
  func `credentials that PLAIN cannot carry are refused`(_ name: String, _ password: String) throws
  {
    var talk = try open()
    #expect(throws: SMTPInputError.credentials) {
      try talk.session.authenticate(username: name, password: password, mechanism: .plain)
    }
    #expect(talk.client().isEmpty)
  }
}
