import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

/// A disconnected account whose server can be made to be away, and what is done to its mailboxes meanwhile.
enum AwayServer {
  static func moving(to mailbox: Mailbox) -> MessagePatch {
    var patch = MessagePatch()
    patch.mailboxes = [mailbox.id]
    return patch
  }

  /// Runs `body` with a disconnected account whose server can be made to be away; other clients reach it all the same.
  static func withAccount(
    _ dovecot: DovecotServer,
    _ body: @escaping @Sendable (TestService, ID<Account>, TapProxy) async throws -> Void
  ) async throws {
    try await TestService.with { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addCopiedAccount(TestService.imap(port: way.port))
      try await body(service, account, way)
      #expect(try await service.health(of: account) == [])
      await way.stop()
    }
    await dovecot.stop()
  }

  static func leave(_ way: TapProxy, _ service: TestService, _ account: ID<Account>) async throws {
    way.goAway()
    try await service.waitUntil(.unreachable, account)
  }

  /// Lets the server be there again, and waits until it was told and looked at.
  static func comeBack(
    _ way: TapProxy,
    _ service: TestService,
    _ account: ID<Account>
  ) async throws {
    way.comeBack()
    try await service.waitUntilReplayed(account)
    try await service.waitUntil(.ready, account)
    _ = try await service.query("update account set last_sync_at = null")
    try await service.engine.syncNow(account)
    try await eventually("a pass") {
      try await service.store.account(account)?.lastSyncAt != nil
    }
  }

  static func paths(_ service: TestService, _ account: ID<Account>) async throws -> [String] {
    try await service.store.mailboxes(of: account).mailboxes.map(\.path)
      .filter { !["INBOX", "Drafts", "Sent", "Archive", "Junk", "Trash"].contains($0) }
  }

  static func make(_ dovecot: DovecotServer, _ name: String) async throws {
    try await dovecot.doveadm([
      "mailbox", "create", "-s", "-u", dovecot.address(of: "alice"), name,
    ])
  }
}
