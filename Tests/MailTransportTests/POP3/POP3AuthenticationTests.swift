import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("POP3 login against Dovecot") struct POP3AuthenticationTests {
  /// A server that offers one mechanism alone, so that none other can have worked.
  private func server(_ mechanism: String, _ extra: String = "") async throws -> DovecotServer {
    var options = DovecotServer.Options()
    options.mechanisms = mechanism
    options.extraConfiguration = extra
    return try await DovecotServer.start(users: ["alice"], options: options)
  }

  private func logIn(
    _ server: DovecotServer,
    _ credentials: SASLCredentials,
    by method: POP3LoginMethod = .best,
    host: String = "127.0.0.1"
  ) async throws -> POP3Error? {
    let fixture = try POP3Fixture(caFile: server.caFile)
    return try await fixture.run {
      let client = try await fixture.connect(server.pop3Port, host: host)
      return await pop3Error { () throws(POP3Error) in
        try await client.authenticate(credentials, by: method)
        _ = try await client.status()
        _ = await client.quit()
      }
    }
  }

  @Test(arguments: ["plain", "cram-md5", "scram-sha-1", "scram-sha-256", "apop"])
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

  @Test func `each way can be chosen`() async throws {
    let server = try await server("plain cram-md5 apop")
    let right = SASLCredentials.password(username: "alice", password: server.password)
    for method: POP3LoginMethod in [.password, .apop, .sasl(.plain), .sasl(.cramMD5)] {
      #expect(try await logIn(server, right, by: method) == nil)
    }
    await server.stop()
  }

  @Test(arguments: ["xoauth2", "oauthbearer"])
  func `a token logs in, and one of another key does not`(mechanism: String) async throws {
    let server = try await server(mechanism)
    let user = server.address(of: "alice")
    // Longer than a command may be: the initial response follows an empty challenge.
    let token = server.accessToken(for: "alice")
    #expect(token.utf8.count > 150)
    #expect(try await logIn(server, .token(username: user, token: token)) == nil)
    let forged = server.accessToken(for: "alice", key: "another key")
    let error = try await logIn(server, .token(username: user, token: forged))
    guard case .authenticationFailed(let text)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(text.contains(mechanism == "xoauth2" ? "(401)" : "(invalid_token)"))
    #expect(!text.contains(forged))
    await server.stop()
  }

  @Test func `a token needs a server that takes tokens`() async throws {
    let server = try await server("plain")
    let error = try await logIn(server, .token(username: "alice", token: "token"))
    #expect(error == .unsupported("SASL OAUTHBEARER or SASL XOAUTH2"))
    await server.stop()
  }

  @Test func `a Kerberos ticket logs in by GSSAPI`() async throws {
    let realm = try await KerberosRealm.shared
    let server = try await server("gssapi", realm.dovecotConfiguration)
    let alice = try await logIn(server, .kerberos(username: "alice"), host: "localhost")
    if let alice { Issue.record("\(alice) \(try server.log())") }
    let error = try await logIn(server, .kerberos(username: "carol"), host: "localhost")
    guard case .authenticationFailed? = error else {
      Issue.record("\(String(describing: error)) \(try server.log())")
      return
    }
    await server.stop()
  }
}

@Suite("POP3 login against a faulty server") struct POP3AuthenticationFaultTests {
  private let password = SASLCredentials.password(username: "alice", password: "hunter2")

  private func error(
    _ script: [ScriptedServer.Step],
    capabilities: [String]?,
    greeting: String = "+OK hi\r\n",
    _ credentials: SASLCredentials? = nil
  ) async throws -> (error: POP3Error?, transcript: String) {
    let list = capabilities.map { "+OK\r\n" + $0.map { "\($0)\r\n" }.joined() + ".\r\n" }
    let answer = ScriptedServer.Step.send(list ?? "-ERR\r\n")
    let start: [ScriptedServer.Step] = [.send(greeting), .expect("CAPA"), answer]
    let server = try ScriptedServer(start + script + [.expect("CAPA"), answer, .hang])
    let fixture = try POP3Fixture()
    let error = try await fixture.run { [password] in
      let client = try await fixture.connect(server.port)
      return await pop3Error { () throws(POP3Error) in
        try await client.authenticate(credentials ?? password)
        client.close()
      }
    }
    return (error, server.transcripts.joined())
  }

  @Test func `refusals never lead from SCRAM or APOP to a clear password`() async throws {
    let (error, transcript) = try await error(
      [
        .expect("AUTH SCRAM-SHA-256"), .send("-ERR not for you\r\n"), .expect("AUTH SCRAM-SHA-1"),
        .send("-ERR nor this\r\n"), .expect("AUTH CRAM-MD5"), .send("-ERR nor that\r\n"),
        .expect("APOP alice "), .send("-ERR\r\n"), .hang,
      ],
      capabilities: ["USER", "SASL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN"],
      greeting: "+OK <1@x>\r\n"
    )
    #expect(error == .authenticationFailed(response: ""))
    #expect(!transcript.contains("PLAIN") && !transcript.contains("USER"))
  }

  @Test func `a +OK before the server has proven itself is not believed`() async throws {
    let (error, _) = try await error(
      [.expect("AUTH SCRAM-SHA-256"), .send("+OK welcome\r\n"), .hang],
      capabilities: ["SASL SCRAM-SHA-256"]
    )
    #expect(error == .authenticationFailed(response: "the server has not proven itself"))
  }

  @Test func `a challenge out of place is answered by giving up, once`() async throws {
    let (error, transcript) = try await error(
      [.expect("AUTH PLAIN"), .send("+ bW9yZQ==\r\n"), .expect("*"), .send("-ERR\r\n"), .hang],
      capabilities: ["SASL PLAIN"]
    )
    guard case .authenticationFailed? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(transcript.hasSuffix("*\r\n"))
    let endless = try await self.error(
      [.expect("AUTH PLAIN"), .loop([.send("+ bW9yZQ==\r\n"), .expect("*")])],
      capabilities: ["SASL PLAIN"]
    )
    guard case .broken? = endless.error else {
      Issue.record("\(String(describing: endless.error))")
      return
    }
  }

  @Test(arguments: ["+ \r\n", "+\r\n", "+ go ahead\r\n"])
  func `ignoredInitialResponse, textChallenge: a server that asks for it gets it again`(
    _ prompt: String
  ) async throws {
    let (error, transcript) = try await error(
      [
        .expect("AUTH PLAIN AGFsaWNlAGh1bnRlcjI="), .send(prompt), .expect("AGF"), .send("+OK\r\n"),
      ],
      capabilities: ["SASL PLAIN"]
    )
    #expect(error == nil)
    #expect(transcript.contains("\r\nAGFsaWNlAGh1bnRlcjI=\r\n"))
  }

  @Test func `noCapabilities: a server without CAPA gets USER and PASS, or APOP`() async throws {
    let user = try await error(
      [.expect("USER alice"), .send("+OK\r\n"), .expect("PASS hunter2"), .send("+OK\r\n")],
      capabilities: nil
    )
    #expect(user.error == nil)
    let apop = try await error(
      [.expect("APOP alice "), .send("+OK\r\n")],
      capabilities: nil,
      greeting: "+OK <1@x>\r\n"
    )
    #expect(apop.error == nil && !apop.transcript.contains("hunter2"))
    // A token has no older form than AUTH, and must not go with it (RFC 5034 §3).
    let token = try await error(
      [
        .expect("AUTH OAUTHBEARER\r\n"), .send("-ERR what?\r\n"), .expect("AUTH XOAUTH2\r\n"),
        .send("+ \r\n"), .expect("dXNlcj"), .send("+OK\r\n"),
      ],
      capabilities: nil,
      .token(username: "alice", token: "t0ken")
    )
    #expect(token.error == nil)
  }

  @Test(
    arguments: [
      ("-ERR [IN-USE] locked", POP3Refusal.inUse), ("-ERR [LOGIN-DELAY] wait", .loginDelay),
      ("-ERR [SYS/TEMP] x", .temporary), ("-ERR [SYS/PERM] x", .permanent),
      ("-ERR maildrop already locked", .inUse), ("-ERR", nil), ("-ERR [AUTH] no", nil),
    ] as [(String, POP3Refusal?)]
  )
  func `a login that is put off is no wrong password`(_ line: String, _ refusal: POP3Refusal?)
    async throws
  {
    let (error, _) = try await error(
      [.expect("USER"), .send("+OK\r\n"), .expect("PASS"), .send("\(line)\r\n"), .hang],
      capabilities: ["USER", "RESP-CODES"]
    )
    switch (error, refusal) {
    case (.turnedAway(let found, _)?, let refusal?): #expect(found == refusal)
    case (.authenticationFailed?, nil): break
    default: Issue.record("\(String(describing: error))")
    }
  }

  @Test func `whoever promises AUTH means something else without it`() async throws {
    let (error, _) = try await error(
      [.expect("USER"), .send("+OK\r\n"), .expect("PASS"), .send("-ERR hm\r\n"), .hang],
      capabilities: ["USER", "AUTH-RESP-CODE"]
    )
    #expect(error == .turnedAway(.temporary, response: "hm"))
  }

  @Test func `UTF8 is said before the login where it is offered (RFC 6856)`() async throws {
    let (error, transcript) = try await error(
      [
        .expect("UTF8"), .send("+OK\r\n"), .expect("USER"), .send("+OK\r\n"), .expect("PASS"),
        .send("+OK\r\n"),
      ],
      capabilities: ["USER", "UTF8 USER"],
      .password(username: "\u{E4}lice", password: "geh\u{E4}im")
    )
    #expect(error == nil && transcript.contains("PASS geh\u{E4}im\r\n"))
  }

  @Test func `without TLS no password goes where none is wanted`() async throws {
    let (error, transcript) = try await error([.hang], capabilities: ["STLS", "UIDL"])
    guard case .unsupported? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!transcript.contains("hunter2"))
  }
}
