import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("ManageSieve client against Dovecot", .timeLimit(.minutes(2)))
struct ManageSieveDovecotTests {
  @Test(arguments: [TLSMode.none, .starttls])
  func `scripts are put, listed, activated, renamed and deleted`(tls: TLSMode) async throws {
    let server = try await DovecotServer.shared
    let user = try server.newUser()
    let fixture = try ManageSieveFixture(caFile: server.caFile)
    try await fixture.run {
      let client = try await fixture.login(server.sievePort, tls: tls, user)
      #expect(client.isSecure == (tls == .starttls))
      #expect(!client.capabilities.offersStartTLS || tls == .none)
      try await fixture.exercise(client, other: "zwei \"ü\" \\")
    }
  }

  @Test(arguments: ["plain", "cram-md5", "scram-sha-1", "scram-sha-256"])
  func `a password logs in by each mechanism, and a wrong one does not`(
    mechanism: String
  ) async throws {
    var options = DovecotServer.Options()
    options.mechanisms = mechanism
    let server = try await DovecotServer.start(users: ["alice"], options: options)
    let fixture = try ManageSieveFixture(caFile: server.caFile)
    try await fixture.run {
      let client = try await fixture.login(server.sievePort, "alice")
      #expect(try await client.listScripts().isEmpty)
      await client.logout()
      let error = await manageSieveError { () throws(ManageSieveError) in
        _ = try await fixture.login(server.sievePort, "alice", "hunter2")
      }
      guard case .authenticationFailed? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(!"\(String(describing: error))".contains("hunter2"))
    }
    await server.stop()
  }

  @Test func `a token logs in`() async throws {
    let server = try await DovecotServer.shared
    let user = try server.newUser()
    let token = server.accessToken(for: user)
    let fixture = try ManageSieveFixture(caFile: server.caFile)
    try await fixture.run {
      let client = try await fixture.connect(server.sievePort)
      try await client.authenticate(
        .token(username: server.address(of: user), token: token),
        deadline: .after(.seconds(60))
      )
      #expect(try await client.listScripts().isEmpty)
      await client.logout()
    }
  }

  @Test func `a certificate of another host is refused`() async throws {
    var options = DovecotServer.Options()
    options.certificate = .otherName
    let server = try await DovecotServer.start(users: ["alice"], options: options)
    let fixture = try ManageSieveFixture(caFile: server.caFile)
    let error = try await fixture.run {
      await manageSieveError { () throws(ManageSieveError) in
        _ = try await fixture.login(server.sievePort, tls: .starttls, "alice")
      }
    }
    guard case .network(.tls)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    await server.stop()
  }
}

@Suite(
  "ManageSieve client against Cyrus",
  .enabled(if: CyrusServer.folder != nil),
  .timeLimit(.minutes(2))
)
struct ManageSieveCyrusTests {
  @Test func `scripts are put, listed, activated, renamed and deleted`() async throws {
    let server = try await CyrusServer.start(users: ["alice"])
    // The mailbox, and with it the place of scripts, comes into being at the first login by IMAP.
    let imap = try IMAPFixture()
    try await imap.run {
      let client = try await imap.connect(server.imapPort)
      try await client.authenticate(username: "alice", password: server.password)
      _ = try await client.list()
      try await client.logout()
    }
    let fixture = try ManageSieveFixture()
    try await fixture.run {
      let client = try await fixture.login(server.sievePort, "alice", server.password)
      #expect(client.capabilities.implementation?.contains("Cyrus") == true)
      // In lists it tells names neither quoted nor in UTF-8, so that none but plain ones are known again.
      try await fixture.exercise(client, other: "zwei drei")
    }
    await server.stop()
  }
}

@Suite("ManageSieve client against a faulty server", .timeLimit(.minutes(2)))
struct ManageSieveFaultTests {
  private static let greeting = ScriptedServer.Step.send(
    "\"SIEVE\" \"fileinto\"\r\n\"SASL\" \"PLAIN SCRAM-SHA-256\"\r\n\"STARTTLS\"\r\nOK\r\n"
  )

  private func error(
    _ script: [ScriptedServer.Step],
    tls: TLSMode = .none,
    _ body: @escaping @Sendable (ManageSieveClient) async throws(ManageSieveError) -> Void
  ) async throws -> ManageSieveError? {
    let server = try ScriptedServer(script)
    let fixture = try ManageSieveFixture()
    return try await fixture.run {
      await manageSieveError { () throws(ManageSieveError) in
        let client = try await fixture.connect(server.port, tls: tls)
        defer { client.close() }
        try await body(client)
      }
    }
  }

  @Test func `a referral is told and not followed`() async throws {
    let bye = "BYE (REFERRAL \"sieve://other.example\") \"Try there\"\r\n"
    #expect(
      try await error([.send(bye), .close]) { _ in } == .referred(url: "sieve://other.example")
    )
    let later = try await error([Self.greeting, .expect("LISTSCRIPTS"), .send(bye), .close]) {
      client throws(ManageSieveError) in _ = try await client.listScripts()
    }
    #expect(later == .referred(url: "sieve://other.example"))
  }

  @Test func `a refused STARTTLS ends the connection before anything is said`() async throws {
    let script: [ScriptedServer.Step] = [
      Self.greeting, .expect("STARTTLS"), .send("NO\r\n"), .hang,
    ]
    #expect(try await error(script, tls: .starttls) { _ in } == .unsupported("STARTTLS"))
  }

  @Test func `who says OK without the proof of SCRAM is not the server`() async throws {
    let script: [ScriptedServer.Step] = [
      Self.greeting, .expect("AUTHENTICATE"), .send("OK \"welcome\"\r\n"), .hang,
    ]
    let error = try await error(script) { client throws(ManageSieveError) in
      let credentials = SASLCredentials.password(username: "a", password: "hunter2")
      try await client.authenticate(credentials, deadline: .after(.seconds(30)))
    }
    guard case .authenticationFailed? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `a server that is busy has judged no secret`() async throws {
    let script: [ScriptedServer.Step] = [
      .send("\"SASL\" \"PLAIN\"\r\nOK\r\n"), .expect("AUTHENTICATE"),
      .send("NO (TRYLATER) \"soon\"\r\n"), .hang,
    ]
    let error = try await error(script) { client throws(ManageSieveError) in
      let credentials = SASLCredentials.password(username: "a", password: "b")
      try await client.authenticate(credentials, deadline: .after(.seconds(30)))
    }
    #expect(error == .turnedAway(response: "soon"))
  }

  @Test(arguments: ["220 smtp.example.org ESMTP\r\n", "\"SIEVE\" \"x\"\r\n"])
  func `what is no greeting is told`(text: String) async throws {
    let error = try await error([.send(text), .close]) { _ in }
    switch error {
    case .broken?, .closed?: break
    default: Issue.record("\(String(describing: error))")
    }
  }

  @Test func `an endless answer is cut off`() async throws {
    let script: [ScriptedServer.Step] = [
      Self.greeting, .expect("LISTSCRIPTS"), .sendEndlessly("\"x\"\r\n"),
    ]
    let error = try await error(script) { client throws(ManageSieveError) in
      _ = try await client.listScripts()
    }
    #expect(error == .limitExceeded(limit: "10000 lines"))
  }
}
