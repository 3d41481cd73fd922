import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("IMAP login against Dovecot")
struct IMAPAuthenticationTests {
  /// A server that offers one mechanism alone, so that none other can have worked.
  private func server(_ mechanism: String) async throws -> DovecotServer {
    var options = DovecotServer.Options()
    options.mechanisms = mechanism
    return try await DovecotServer.start(users: ["alice"], options: options)
  }

  private func logIn(
    _ server: DovecotServer,
    _ credentials: SASLCredentials
  ) async throws -> IMAPError? {
    let fixture = try IMAPFixture(caFile: server.caFile)
    return try await fixture.run {
      let client = try await fixture.connect(server.imapPort)
      return await imapError { () throws(IMAPError) in
        try await client.authenticate(credentials)
        try await client.select(.inbox)
      }
    }
  }

  @Test(arguments: ["plain", "cram-md5", "scram-sha-1", "scram-sha-256"])
  func `a password logs in by each mechanism, and a wrong one does not`(
    mechanism: String
  ) async throws {
    let server = try await server(mechanism)
    let right = SASLCredentials.password(username: "alice", password: server.password)
    #expect(try await logIn(server, right) == nil)
    let wrong = SASLCredentials.password(username: "alice", password: "hunter2")
    let error = try await logIn(server, wrong)
    guard case .authenticationFailed? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!"\(String(describing: error))".contains("hunter2"))
    await server.stop()
  }

  @Test(arguments: ["xoauth2", "oauthbearer"])
  func `a token logs in, and one of another key does not`(mechanism: String) async throws {
    let server = try await server(mechanism)
    let user = server.address(of: "alice")
    let right = SASLCredentials.token(username: user, token: server.accessToken(for: "alice"))
    #expect(try await logIn(server, right) == nil)
    let forged = server.accessToken(for: "alice", key: "another key")
    let error = try await logIn(server, .token(username: user, token: forged))
    guard case .authenticationFailed(let text, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(text.contains(mechanism == "xoauth2" ? "(401)" : "(invalid_token)"))
    #expect(!text.contains(forged))
    let missing = try await logIn(server, .password(username: "alice", password: server.password))
    #expect(missing != nil)
    await server.stop()
  }

  @Test func `a token needs a server that takes tokens`() async throws {
    let server = try await server("plain")
    let error = try await logIn(server, .token(username: "alice", token: "token"))
    #expect(error == .unsupported("AUTH=OAUTHBEARER or AUTH=XOAUTH2"))
    await server.stop()
  }
}

@Suite("IMAP login against a faulty server")
struct IMAPAuthenticationFaultTests {
  private let password = SASLCredentials.password(username: "alice", password: "hunter2")

  private func error(
    _ script: [ScriptedServer.Step],
    capabilities: String
  ) async throws -> (error: IMAPError?, transcript: String) {
    let greeting = ScriptedServer.Step.send("* OK [CAPABILITY IMAP4rev1 \(capabilities)] hi\r\n")
    let server = try ScriptedServer([greeting] + script)
    let fixture = try IMAPFixture()
    let error = try await fixture.run { [password] in
      let client = try await fixture.connect(server.port)
      return await imapError { () throws(IMAPError) in try await client.authenticate(password) }
    }
    return (error, server.transcripts.joined())
  }

  @Test func `SCRAM refused at its start leads to the next, never to a clear password`()
    async throws
  {
    let (error, transcript) = try await error(
      [
        .expect("AUTHENTICATE SCRAM-SHA-256"), .send("{tag} NO not for you\r\n"),
        .expect("AUTHENTICATE SCRAM-SHA-1"), .send("{tag} NO nor this\r\n"),
        .expect("AUTHENTICATE CRAM-MD5"), .send("+ PDFAeD4=\r\n"),
        .expect("="), .send("A3 NO wrong\r\n"), .hang,
      ],
      capabilities: "SASL-IR AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-1 AUTH=CRAM-MD5 AUTH=PLAIN"
    )
    #expect(error == .authenticationFailed(response: "wrong", code: nil))
    #expect(!transcript.contains("PLAIN") && !transcript.contains("LOGIN"))
  }

  @Test func `an OK before the server has proven itself is not believed`() async throws {
    let (error, _) = try await error(
      [.expect("AUTHENTICATE SCRAM-SHA-256"), .send("{tag} OK welcome\r\n"), .hang],
      capabilities: "SASL-IR AUTH=SCRAM-SHA-256"
    )
    #expect(
      error == .authenticationFailed(response: "the server has not proven itself", code: nil)
    )
  }

  @Test func `a challenge out of place is answered by giving up, once`() async throws {
    let (error, transcript) = try await error(
      [
        .expect("AUTHENTICATE PLAIN"), .send("+ bW9yZQ==\r\n"), .expect("*"),
        .send("A1 BAD given up\r\n"), .hang,
      ],
      capabilities: "SASL-IR AUTH=PLAIN"
    )
    guard case .authenticationFailed? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(transcript.hasSuffix("*\r\n"))
    let endless = try await self.error(
      [.expect("AUTHENTICATE PLAIN"), .loop([.send("+ bW9yZQ==\r\n"), .expect("*")])],
      capabilities: "SASL-IR AUTH=PLAIN"
    )
    guard case .broken? = endless.error else {
      Issue.record("\(String(describing: endless.error))")
      return
    }
  }

  @Test func `a prompt that is no base64 is answered by the first response`() async throws {
    let (error, transcript) = try await error(
      [
        .expect("AUTHENTICATE PLAIN"), .send("+ go ahead\r\n"), .expect("="),
        .send("A1 OK [CAPABILITY IMAP4rev1] in\r\n"), .hang,
      ],
      capabilities: "AUTH=PLAIN"
    )
    #expect(error == nil)
    #expect(transcript == "A1 AUTHENTICATE PLAIN\r\nAGFsaWNlAGh1bnRlcjI=\r\n")
  }
}
