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
    try talk.authenticate(.plain, .password(username: "alice", password: "secret"))
    #expect(talk.client() == "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n")
    #expect(talk.server("235 2.7.0 Ok\r\n") == [.authenticated])
    #expect(talk.session.isReady)
  }

  @Test func `a response too long for a command waits for the challenge`() throws {
    var talk = try open()
    let password = String(repeating: "p", count: 600)
    try talk.authenticate(.plain, .password(username: "alice", password: password))
    #expect(talk.client() == "AUTH PLAIN\r\n")
    #expect(talk.server("334 \r\n") == [])
    let response = Base64.standard.encode(Array("\0alice\0\(password)".utf8).span)
    #expect(talk.client() == String(utf8: response.span) + "\r\n")
    #expect(talk.server("235 ok\r\n") == [.authenticated])
  }

  @Test func `LOGIN answers two prompts, whatever they say`() throws {
    var talk = try open()
    talk.session.logIn(username: "al\u{EF}ce", password: "secret")
    #expect(talk.client() == "AUTH LOGIN\r\n")
    #expect(talk.server("334 UGFzc3dvcmQ6\r\n") == [])
    #expect(talk.client() == "YWzDr2Nl\r\n")
    #expect(talk.server("334\r\n") == [])
    #expect(talk.client() == "c2VjcmV0\r\n")
    #expect(talk.server("235 ok\r\n") == [.authenticated])
  }

  @Test func `a wrong password leaves the session usable`() throws {
    var talk = try open()
    try talk.authenticate(.plain, .password(username: "alice", password: "wrong"))
    #expect(
      talk.server("535 5.7.8 no\r\n") == [.authenticationFailed(SMTPReply(535, "5.7.8 no"))]
    )
    #expect(talk.session.isReady)
  }

  @Test func `a server that asks for more is told to give up, once`() throws {
    var talk = try open()
    talk.session.logIn(username: "alice", password: "secret")
    for _ in 0..<2 { _ = talk.server("334 more\r\n") }
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
      try talk.authenticate(.plain, .password(username: "alice", password: "secret"))
      let shown = String(describing: talk.server(echo + "\r\n"))
      #expect(shown.contains("[redacted]"))
      #expect(!shown.contains("secret") && !shown.contains("c2VjcmV0"))
      #expect(!shown.contains("AGFsaWNlAHNlY3JldA"))
    }
  }

  @Test func `a session under way prints no password`() throws {
    var talk = try open()
    talk.session.logIn(username: "alice", password: "hunter22")
    var shown = ""
    dump(talk.session, to: &shown)
    var plain = try open()
    try plain.authenticate(.plain, .password(username: "alice", password: "hunter22"))
    dump(plain.session, to: &shown)
    #expect(!shown.contains("hunter22") && !shown.contains("aHVudGVyMjI"))
    #expect(!shown.contains("AGFsaWNlAGh1bnRlcjIy"))
  }

  @Test func `a mechanism that the server begins is asked step by step`() throws {
    var talk = try open()
    try talk.authenticate(.cramMD5, .password(username: "tim", password: "tanstaaftanstaaf"))
    #expect(talk.client() == "AUTH CRAM-MD5\r\n")
    let challenge = "<1896.697170952@postoffice.reston.mci.net>"
    let line = String(utf8: Base64.standard.encode(Array(challenge.utf8).span).span)
    #expect(talk.server("334 \(line)\r\n") == [.challenge(Array(challenge.utf8))])
    try talk.respond(to: Array(challenge.utf8))
    // The example of RFC 2195 §3.
    let response = Array("tim b913a602c7eda7a495b4e6e7334d3890".utf8)
    #expect(talk.client() == String(utf8: Base64.standard.encode(response.span).span) + "\r\n")
    #expect(talk.server("235 ok\r\n") == [.authenticated])
  }

  @Test func `an empty initial response is an equals sign`() throws {
    var talk = try open()
    talk.session.authenticate(.gssapi, initialResponse: [], secrets: [])
    #expect(talk.client() == "AUTH GSSAPI =\r\n")
    #expect(talk.server("334 \r\n") == [.challenge([])])
    talk.session.respond(nil)
    #expect(talk.client() == "*\r\n")
    #expect(
      talk.server("501 5.7.0 given up\r\n")
        == [.authenticationFailed(SMTPReply(501, "5.7.0 given up"))]
    )
    #expect(talk.session.isReady)
  }
}
