import Bytes
import Engine
import Model
import Store
import TestSupport
import Testing

@Suite("Faults", .serialized, .timeLimit(.minutes(6)))
struct FaultTests {
  /// The state and the error code that an account comes to show.
  private func failure(
    _ settings: BackendSettings,
    password: String = "secret",
    _ options: TestService.Options = .init()
  ) async throws -> AccountFailure? {
    try await TestService.with(options) { service in
      let account = try await service.addAccount(settings, password: password)
      let failed = try await eventuallyFind("a failure") {
        try await service.store.account(account).flatMap { $0.lastError == nil ? nil : $0 }
      }
      let isAboutLogin = failed.lastError?.code == .backendAuthenticationFailed
      #expect(failed.state == (isAboutLogin ? .authenticationFailed : .unreachable))
      #expect(failed.lastError?.message.contains(password) == false)
      return failed.lastError
    }
  }

  /// The failure of an account whose server follows `script`.
  private func failure(
    _ script: [ScriptedServer.Step],
    _ options: TestService.Options = .init()
  ) async throws -> ErrorCode? {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    return try await failure(TestService.imap(port: server.port), options)?.code
  }

  @Test func `a wrong password is said to be one`() async throws {
    let dovecot = try await MailServers.dovecot
    let failure = try await failure(
      TestService.imap(dovecot, MailServers.user()),
      password: "hunter2"
    )
    #expect(failure?.code == .backendAuthenticationFailed)
    #expect(failure?.response?.isEmpty == false)
  }

  @Test func `a closed port, an unknown host and a host that is not allowed`() async throws {
    let server = try ScriptedServer([.hang])
    server.stop()
    #expect(try await failure(TestService.imap(port: server.port))?.code == .backendUnreachable)
    let unknown = TestService.imap(port: 993, host: "imap.nowhere.invalid", security: .implicit)
    #expect(try await failure(unknown)?.code == .backendUnresolved)
    let inside = TestService.imap(port: 993, host: "10.1.2.3", security: .implicit)
    var strict = TestService.Options()
    strict.allowedNetworks = []
    for settings in [inside, TestService.imap(port: server.port)] {
      let error = await #expect(throws: ServiceError.self) {
        _ = try await failure(settings, strict)
      }
      #expect(error?.code == .hostNotAllowed)
      #expect(error?.message.contains(settings.host) == true)
    }
  }

  @Test(arguments: [TestCertificates.Kind.otherName, .expired, .selfSigned])
  func `a certificate that does not verify`(_ kind: TestCertificates.Kind) async throws {
    var own = DovecotServer.Options()
    own.certificate = kind
    let dovecot = try await MailServers.own(own)
    for (port, security) in [
      (dovecot.imapsPort, BackendSettings.Security.implicit), (dovecot.imapPort, .starttls),
    ] {
      let settings = TestService.imap(port: port, security: security)
      #expect(try await failure(settings)?.code == .backendTLSFailed)
    }
    #expect(try !dovecot.log().contains("Login: user"))
  }

  @Test func `servers that say goodbye, nothing, or nonsense`() async throws {
    #expect(try await failure([.send("* BYE overloaded\r\n"), .close]) == .backendUnreachable)
    #expect(try await failure([.close]) == .backendBroken)
    // The reset may come before connecting has ended.
    let reset = try await failure([.reset])
    #expect(reset == .backendBroken || reset == .backendUnreachable)
    #expect(
      try await failure([.send("HTTP/1.1 400 Bad Request\r\n\r\n"), .close]) == .backendBroken
    )
    #expect(try await failure([.sendBytes([0, 255, 13, 10, 0]), .close]) == .backendBroken)
    var impatient = TestService.Options()
    impatient.engine.connectTimeout = .milliseconds(200)
    #expect(try await failure([.hang], impatient) == .backendTimedOut)
  }

  @Test func `servers that break off after the login`() async throws {
    let greeting: [ScriptedServer.Step] = [
      .send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"), .expect("A"),
      .send("{tag} OK [CAPABILITY IMAP4rev1] logged in\r\n"), .expect("LIST"),
    ]
    for rest in [
      [.send("* LIST () \"/\" {20}\r\nINB"), .close], [.send("* LIST (\r\n"), .close],
      [.close], [.reset],
      [.sendBytes([UInt8](repeating: 0x41, count: 70_000)), .close],
    ] as [[ScriptedServer.Step]] {
      #expect(try await failure(greeting + rest) == .backendBroken)
    }
    // One that says that it stops has broken nothing.
    let stop: [ScriptedServer.Step] = [.send("* BYE shutting down\r\n"), .close]
    #expect(try await failure(greeting + stop) == .backendUnreachable)
  }

  @Test func `an account recovers, and nothing is lost or doubled`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 30)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let ids = try await service.messages(of: account).map(\.id)
      dovecot.kill()
      try await service.engine.syncNow(account)
      try await eventually("the account is unreachable") {
        try await service.store.account(account)?.state == .unreachable
      }
      #expect(try await service.messages(of: account).map(\.id) == ids)
      try await dovecot.start()
      try await service.engine.syncNow(account)
      try await eventually("the account is ready again") {
        try await service.store.account(account)?.state == .ready
      }
      #expect(try await service.store.account(account)?.lastError == nil)
      try await dovecot.deliver(SampleMail.message(99), to: "alice")
      try await eventually("the new message is there") {
        try await service.messages(of: account).count == 31
      }
      #expect(try await service.messages(of: account).map(\.id).dropFirst() == ids[...])
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a wrong password stops the account until it is told the right one`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 5)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let ids = try await service.messages(of: account).map(\.id)
      for (password, state) in [("wrong", AccountState.authenticationFailed), ("secret", .ready)] {
        var patch = AccountPatch()
        patch.incomingSecret = Secret(password)
        _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
        try await eventually("the account is \(state)") {
          try await service.store.account(account)?.state == state
        }
        #expect(try await service.messages(of: account).map(\.id) == ids)
      }
      #expect(try await service.store.account(account)?.lastError == nil)
      #expect(try await service.health(of: account) == [])
    }
  }
}
