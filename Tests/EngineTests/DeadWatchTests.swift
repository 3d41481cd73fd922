import Engine
import MailProtocols
import Model
import Net
import Store
import TestSupport
import Testing

@Suite("Connections that a network lost without a word", .serialized, .timeLimit(.minutes(6)))
struct DeadWatchTests {
  private static var options: TestService.Options {
    var options = TestService.Options()
    options.engine.watchSilence = .milliseconds(300)
    options.engine.watchAnswer = .milliseconds(2000)
    return options
  }

  private static func watches(_ service: TestService, _ account: ID<Account>) throws -> Bool {
    guard let watching = try service.engine.connection(of: account).watching else { return false }
    return watching.means != .poll
  }

  @Test(arguments: [nil, "IMAP4rev1 IDLE"])
  func `a silent watch is found dead by its probe, and new mail shows`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 2)
    try await TestService.with(Self.options) { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port))
      try await service.waitUntilReady(account)
      try await eventually("it is watched") { try Self.watches(service, account) }
      let before = try #require(try service.engine.connection(of: account).watching)
      let connections = proxy.requests.count
      proxy.fallSilent()
      try await dovecot.deliver(SampleMail.message(10), to: "alice")
      try await eventually("the message is there") {
        try await service.messages(of: account).count == 3
      }
      try await eventually("it is watched again") {
        try Self.watches(service, account)
          && service.engine.connection(of: account).watching != before
      }
      let after = try #require(try service.engine.connection(of: account).watching)
      #expect(after.means == before.means)
      #expect(after.since > before.since)
      #expect(proxy.requests.count >= connections + 2)
      try await eventually("the account says so") {
        let account = try await service.store.account(account)
        return account?.state == .ready && account?.lastError == nil
      }
      await proxy.stop()
    }
    await dovecot.stop()
  }

  @Test func `a server that answers the probes keeps its connections`() async throws {
    let dovecot = try await MailServers.own()
    try await TestService.with(Self.options) { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port))
      try await service.waitUntilReady(account)
      try await eventually("five probes") {
        proxy.requests.joined().filter { $0.contains("DONE") }.count >= 5
      }
      #expect(proxy.requests.count == 2)
      #expect(try Self.watches(service, account))
      await proxy.stop()
    }
    await dovecot.stop()
  }

  @Test func `a server without IDLE is polled, and the account tells it`() async throws {
    let dovecot = try await MailServers.own(.init(capabilities: "IMAP4rev1"))
    try await TestService.with(Self.options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      #expect(try service.engine.connection(of: account).watching?.means == .poll)
      try await dovecot.kick("alice")
      await dovecot.stop()
      try await service.engine.syncNow(account)
      try await eventually("it is not connected") {
        try service.engine.connection(of: account).watching == nil
      }
    }
  }
}
