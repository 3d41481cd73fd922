import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

// Servers without UIDPLUS, where what is marked cannot go while another client's message is marked too.

extension OfflineTests {
  @Test func `without UIDPLUS it waits while others' deleted messages are in the mailbox`()
    async throws
  {
    let dovecot = try await MailServers.own(.init(capabilities: "IMAP4rev1"))
    for name in ["theirs", "ours"] { try await dovecot.deliver(letter(name), to: "alice") }
    try await TestService.with { service in
      let other = try await service.otherClient(dovecot, "alice")
      let theirs = try #require(await uid(other, "theirs"))
      try await other.store(UIDSet([theirs]), .add, [.deleted])
      let account = try await service.addAccount(settings(dovecot, "alice"), mode: .offline)
      try await eventually("it is put off") {
        try await service.operations(of: account).contains {
          $0.lastError?.contains("UIDPLUS") == true
        }
      }
      try await look(service, account)
      #expect(try await service.messages(of: account).compactMap(\.subjectText) == ["ours"])
      #expect(try await dovecot.messageCount(user: "alice") == 2)
      try await other.select(.inbox)
      try await other.store(UIDSet([theirs]), .remove, [.deleted])
      try await waitFor(0, on: dovecot, "alice")
      try await service.waitUntilReplayed(account)
      try await look(service, account)
      #expect(try await service.messages(of: account).count == 2)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test func `without UIDPLUS what was left marked goes once nobody else's message is marked`()
    async throws
  {
    let dovecot = try await MailServers.own(.init(capabilities: "IMAP4rev1"))
    for name in ["theirs", "moved", "destroyed", "last"] {
      try await dovecot.deliver(letter(name), to: "alice")
    }
    try await TestService.with { service in
      let other = try await service.otherClient(dovecot, "alice")
      let theirs = try #require(await uid(other, "theirs"))
      try await other.store(UIDSet([theirs]), .add, [.deleted])
      let account = try await service.addSyncedAccount(dovecot, "alice")
      var patch = MessagePatch()
      patch.mailboxes = [try await service.mailbox("Archive", of: account).id]
      let moved = try await service.message("moved", of: account)
      _ = try await service.engine.changeMessages([moved], of: account, patch)
      _ = try await service.engine.deleteMessages(
        [try await service.message("destroyed", of: account)],
        of: account,
        isPermanent: true
      )
      try await service.waitUntilReplayed(account)
      try await look(service, account)
      #expect(try await service.messages(of: account).compactMap(\.subjectText) == ["last"])
      #expect(try await dovecot.messageCount(user: "alice") == 4)
      // What somebody wants to stay is not ours any more.
      let back = try #require(await uid(other, "destroyed"))
      try await other.store(UIDSet([back]), .remove, [.deleted])
      try await eventually("it is here again") {
        try await service.engine.syncNow(account)
        return try await service.number("select count(*) from leftover") == 1
      }
      try await other.select(.inbox)
      try await other.store(UIDSet([theirs]), .remove, [.deleted])
      _ = try await service.engine.deleteMessages(
        [try await service.message("last", of: account)],
        of: account,
        isPermanent: true
      )
      try await waitFor(2, on: dovecot, "alice")
      try await service.waitUntilReplayed(account)
      try await look(service, account)
      let left = try await service.messages(of: account).compactMap(\.subjectText)
      #expect(Set(left) == ["theirs", "destroyed"])
      #expect(try await service.message("moved", in: "Archive", of: account) == moved)
      #expect(try await service.number("select count(*) from leftover") == 0)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }
}
