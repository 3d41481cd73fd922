import MailProtocols
import MailTransport
import Model
import Store
import TestSupport
import Testing

@testable import Engine

/// Dovecot's index of a user's mailboxes is made anew, as after a repair, or after an administrator deleted it.
///
/// A session goes on with the one it knows.
@Suite("A session that lists what was", .serialized, .timeLimit(.minutes(3)))
struct FrozenListTests {
  @Test func `a caller who asks for a sync sees what an old session does not list`() async throws {
    var options = TestService.Options()
    options.engine.askedSessionLifetime = .zero
    try await check(options) { service, account in try await service.engine.syncNow(account) }
  }

  @Test func `it shows by itself when the session is worn`() async throws {
    var options = TestService.Options()
    options.engine.pollInterval = .milliseconds(50)
    options.engine.sessionLifetime = .milliseconds(500)
    try await check(options) { _, _ in }
  }

  private func check(
    _ options: TestService.Options,
    asking ask: @escaping @Sendable (TestService, ID<Account>) async throws -> Void
  ) async throws {
    let dovecot = try await MailServers.own()
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let known = Set(try await service.store.mailboxes(of: account).mailboxes.map(\.id))
      try dovecot.dropListIndex(of: "alice")
      let other = try await service.otherClient(dovecot, "alice")
      _ = try await other.list()
      try await other.create(MailboxName("New"))
      try await eventually("the new mailbox is here") {
        try await ask(service, account)
        let mailboxes = try await service.store.mailboxes(of: account).mailboxes
        return mailboxes.contains { $0.path == "New" }
      }
      let kept = Set(try await service.store.mailboxes(of: account).mailboxes.map(\.id))
      #expect(kept.isSuperset(of: known))
      other.close()
    }
    await dovecot.stop()
  }
}
