import Engine
import Foundation
import Model
import Net
import Store
import TestSupport
import Testing

@Suite("How POP3 accounts sign in", .serialized, .timeLimit(.minutes(5)))
struct POP3SignInTests {
  /// Whether an account with these settings gets its one message.
  private func reads(_ settings: BackendSettings, _ secret: String?) async throws -> Bool {
    try await TestService.with { service in
      let account = try await service.addAccount(settings, password: secret, mode: .disconnected)
      try await service.waitUntilReady(account)
      let steps = try await service.engine.verify(
        AccountDraft(
          name: nil,
          email: "alice@test.invalid",
          mode: .disconnected,
          incoming: settings,
          incomingSecret: secret.map { Secret($0) },
          outgoing: nil,
          outgoingSecret: nil,
          identities: []
        )
      )
      #expect(steps.allSatisfy(\.succeeded) && steps.last?.step == "capability")
      let capabilities = try await service.store.account(account)?.capabilities ?? []
      #expect(capabilities.contains("UIDL"))
      return try await service.count(account) == 1
    }
  }

  @Test func `passwords and tokens open it, with TLS and without`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.deliver(letter("one"), to: user)
    let token = dovecot.accessToken(for: user)
    for (port, security, auth) in [
      (dovecot.pop3Port, .none, .password), (dovecot.pop3Port, .starttls, .password),
      (dovecot.pop3sPort, .implicit, .oauth2),
    ] as [(UInt16, BackendSettings.Security, BackendSettings.AuthType)] {
      let settings = TestService.pop3(
        port: port,
        auth == .oauth2 ? dovecot.address(of: user) : user,
        host: "localhost",
        security: security,
        auth: auth
      )
      #expect(try await reads(settings, auth == .oauth2 ? token : "secret"))
    }
  }

  @Test(.enabled("a reserved port is root's") { getuid() == 0 })
  func `RPOP is spoken where it is asked for by name`() async throws {
    let server = try SmallPOP3Server(
      login: .rpop(trusted: ["alice"]),
      messages: [letter("one")]
    )
    defer { server.stop() }
    #expect(try await reads(TestService.pop3(port: server.port, auth: .rpop), nil))
    #expect(server.commands.contains("RPOP alice"))
    #expect(!server.commands.contains { $0.hasPrefix("PASS") })
  }

  @Test func `a Kerberos ticket opens it by GSSAPI`() async throws {
    var options = DovecotServer.Options()
    options.realm = try await KerberosRealm.shared
    let dovecot = try await MailServers.own(options)
    try await dovecot.deliver(letter("one"), to: "alice")
    let settings = TestService.pop3(port: dovecot.pop3Port, host: "localhost", auth: .gssapi)
    #expect(try await reads(settings, nil))
    #expect(try dovecot.log().contains("method=GSSAPI"))
    await dovecot.stop()
  }

  @Test func `KPOP is spoken where it is asked for by name`() async throws {
    let realm = try await KerberosRealm.shared
    let server = try SmallPOP3Server(login: .kpop(realm), messages: [letter("one")])
    defer { server.stop() }
    #expect(
      try await reads(TestService.pop3(port: server.port, host: "localhost", auth: .kpop), nil)
    )
  }

  @Test func `a wrong password is told and not retried without end, and another one goes on`()
    async throws
  {
    let server = try SmallPOP3Server(messages: [letter("one")])
    defer { server.stop() }
    try await TestService.with { service in
      let settings = TestService.pop3(port: server.port)
      let account = try await service.addAccount(settings, password: "wrong", mode: .disconnected)
      try await eventually("it is refused") {
        try await service.store.account(account)?.state == .authenticationFailed
      }
      #expect(
        try await service.store.account(account)?.lastError?.code == .backendAuthenticationFailed
      )
      var patch = AccountPatch()
      patch.incomingSecret = Secret("secret")
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await service.waitUntilReady(account)
      #expect(try await service.count(account) == 1)
    }
  }

  @Test(arguments: [
    "[IN-USE] another session", "[SYS/TEMP] the database is away", "[LOGIN-DELAY] wait",
    "mailbox is locked by another process",
  ])
  func `who is turned away for a while stays what it is, and comes again by itself`(
    _ words: String
  ) async throws {
    let server = try SmallPOP3Server(messages: [letter("one")])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server)
      server.add(letter("two"))
      server.refuseLogins(words)
      try await service.engine.syncNow(account)
      try await eventually("it is told") {
        try await service.store.account(account)?.lastError?.code == .backendLimited
      }
      #expect(try await service.store.account(account)?.state == .ready)
      server.refuseLogins(nil)
      try await eventually("the second") { try await service.count(account) == 2 }
      try await eventually("nothing is wrong") {
        try await service.store.account(account)?.lastError == nil
      }
    }
  }

  @Test func `a fault that a person must mend is no wrong password`() async throws {
    let server = try SmallPOP3Server(messages: [letter("one")])
    defer { server.stop() }
    server.refuseLogins("[SYS/PERM] the mailbox is broken")
    try await TestService.with { service in
      let account = try await service.addAccount(
        TestService.pop3(port: server.port),
        mode: .disconnected
      )
      try await eventually("it is told") {
        try await service.store.account(account)?.state == .unreachable
      }
      #expect(try await service.store.account(account)?.lastError?.code == .backendRefused)
    }
  }

  @Test func `no login comes before the server's delay has passed`() async throws {
    let server = try SmallPOP3Server(loginDelay: .seconds(1), messages: [letter("one")])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server)
      for name in ["two", "three"] {
        server.add(letter(name))
        try await service.look(server, account)
      }
      #expect(try await service.count(account) == 3)
      #expect(try await service.store.account(account)?.lastError == nil)
    }
    // Every login was let in: none came too soon.
    #expect(server.commands.count { $0.hasPrefix("PASS") } == server.sessionCount)
  }
}
