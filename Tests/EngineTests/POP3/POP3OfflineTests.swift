import Engine
import MIME
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("POP3 accounts offline", .serialized, .timeLimit(.minutes(5)))
struct POP3OfflineTests {
  typealias Quirk = SmallPOP3Server.Quirk

  private static let names = ["a", "b", "c", "d"]

  private func server(_ quirks: Set<Quirk> = []) throws -> SmallPOP3Server {
    let server = try SmallPOP3Server(quirks: quirks)
    for name in Self.names { server.add(letter(name), uniqueID: name) }
    return server
  }

  /// What is left on the server.
  private func left(_ server: SmallPOP3Server) -> [String] { server.messages.map(\.uniqueID) }

  private func message(_ subject: String, of account: ID<Account>, _ service: TestService)
    async throws -> ID<Message>
  {
    let rows = try await service.messages(of: account)
    return try #require(rows.first { $0.subjectText == subject }?.id)
  }

  @Test func `what is here is deleted from the server, and stays here`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 150)
    var options = TestService.Options()
    options.engine.pop3Batch = 40
    try await TestService.with(options) { service in
      let account = try await service.addAccount(
        TestService.pop3(port: dovecot.pop3Port, user),
        mode: .offline
      )
      try await service.waitUntilReady(account)
      #expect(try await dovecot.messageCount(user: user) == 0)
      #expect(try await service.count(account) == 150)
      #expect(
        try await service.number(
          "select count(*) from uidl where state = 3 and gone_at is not null"
        )
          == 150
      )
      #expect(try await service.raws(of: account).allSatisfy { !$0.isEmpty })
    }
  }

  @Test(arguments: ["DELE", "QUIT"])
  func `a server that lets nothing be deleted is told of in its words, until it does`(
    _ command: String
  ) async throws {
    let server = try server([.pipelining])
    defer { server.stop() }
    server.refuse(command, "read only")
    try await TestService.with { service in
      let account = try await service.addAccount(server, mode: .offline, leaveOnServer: .notAtAll)
      #expect(try await service.count(account) == 4)
      try await service.look(server, account)
      #expect(left(server) == Self.names)
      try await eventually("the reason is told") {
        try await service.store.account(account)?.lastError?.message
          == "The POP3 server refused \(command): read only"
      }
      let told = try #require(try await service.store.account(account))
      #expect(told.state == .ready && told.lastError?.code == .backendRefused)
      server.refuse(command, nil)
      try await service.look(server, account)
      #expect(left(server) == [])
      try await eventually("all is well") {
        try await service.store.account(account)?.lastError == nil
      }
      #expect(try await service.count(account) == 4)
    }
  }

  @Test func `days are waited for`() async throws {
    let server = try server([.pipelining])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(
        server,
        mode: .offline,
        leaveOnServer: .days(3)
      )
      try await service.look(server, account)
      #expect(left(server) == Self.names)
      _ = try await service.query(
        "update uidl set retrieved_at = now() - interval '73 hours' where uidl in ('a', 'c')"
      )
      try await service.look(server, account)
      #expect(left(server) == ["b", "d"])
      #expect(try await service.count(account) == 4)
    }
  }

  @Test func `only mode offline deletes`() async throws {
    let server = try server()
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(
        server,
        leaveOnServer: .notAtAll,
        deleteWhenRemoved: true
      )
      try await service.look(server, account)
      #expect(left(server) == Self.names)
      var patch = AccountPatch()
      patch.mode = .offline
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await eventually("the mode is that of the next session") { left(server).isEmpty }
      #expect(try await service.count(account) == 4)
    }
  }

  @Test(
    arguments: [
      [.pipelining], [.noUniqueIDs], [.noUniqueIDs, .noTop], [.repeatedUniqueIDs],
      [.repeatedUniqueIDs, .noTop], [.changingUniqueIDs], [.changingUniqueIDs, .noTop],
    ] as [Set<Quirk>]
  )
  func `what is deleted here is deleted there, and nothing else`(_ quirks: Set<Quirk>)
    async throws
  {
    let server = try server(quirks)
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(
        server,
        mode: .offline,
        deleteWhenRemoved: true
      )
      let engine = try service.engine
      let (b, c) = (
        try await message("b", of: account, service), try await message("c", of: account, service)
      )
      try await service.look(server, account)
      #expect(left(server) == Self.names)
      _ = try await engine.deleteMessages([b], of: account, isPermanent: false)
      try await service.look(server, account)
      #expect(left(server) == ["a", "c", "d"])
      _ = try await engine.deleteMessages([c], of: account, isPermanent: true)
      try await service.look(server, account)
      #expect(left(server) == ["a", "d"])
      try await service.look(server, account)
      #expect(try await service.count(account) == 2)
      #expect(try await service.messages(in: "Trash", of: account).count == 1)
    }
  }

  @Test func `what came without its end is never deleted`() async throws {
    let server = try server([.noTextDots])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server, mode: .offline)
      try await service.look(server, account)
      #expect(left(server) == Self.names)
      #expect(try await service.count(account) == 4)
    }
    #expect(!server.commands.contains { $0.hasPrefix("DELE") })
  }

  @Test(arguments: [Quirk.lostQuit, .brokenQuit])
  func `without an answer to QUIT the next list tells what is gone`(_ quirk: Quirk) async throws {
    let server = try server([quirk])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server, mode: .offline)
      #expect(try await service.number("select count(*) from uidl where state = 3") == 0)
      try await service.look(server, account)
      try await service.look(server, account)
      #expect(left(server).isEmpty == (quirk == .lostQuit))
      #expect(
        try await service.number("select count(*) from uidl where gone_at is not null")
          == (quirk == .lostQuit ? 4 : 0)
      )
      #expect(try await service.count(account) == 4)
    }
  }

  @Test func `EXPIRE 0: what could not be kept is not lost by QUIT`() async throws {
    let server = try server([.expiresAtOnce, .pipelining])
    defer { server.stop() }
    try await TestService.with { service in
      var draft = AccountDraft(
        name: nil,
        email: "alice@test.invalid",
        mode: .disconnected,
        incoming: TestService.pop3(port: server.port),
        incomingSecret: Secret("secret"),
        outgoing: nil,
        outgoingSecret: nil,
        identities: []
      )
      draft.quotaBytes = 250
      let account = try await service.engine.createAccount(draft).id
      try await eventually("it is told") {
        try await service.store.account(account)?.lastError?.code == .overQuota
      }
      #expect(try await service.count(account) == 2)
      #expect(left(server) == Self.names)
      var patch = AccountPatch()
      patch.quotaBytes = .some(nil)
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await service.engine.syncNow(account)
      try await eventually("the rest") { try await service.count(account) == 4 }
      // The server deletes what it handed out in the session that ended well.
      try await eventually("the session is over") { left(server) == ["a", "b"] }
    }
  }

  @Test func `a message whose bytes are not here is not deleted there`() async throws {
    let server = try server()
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server, mode: .offline, leaveOnServer: .days(1))
      _ = try await service.query("update uidl set retrieved_at = now() - interval '2 days'")
      _ = try await service.query(
        """
        update blob set data = null where id =
          (select m.blob_id from message m join uidl u on u.message_id = m.id where u.uidl = 'c')
        """
      )
      try await service.look(server, account)
      #expect(left(server) == ["c"])
    }
  }
}
