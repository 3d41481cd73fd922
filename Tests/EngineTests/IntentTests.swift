import Bytes
import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("What we change reaches the server", .serialized, .timeLimit(.minutes(6)))
struct IntentTests {
  private func moving(to mailbox: Mailbox) -> MessagePatch {
    var patch = MessagePatch()
    patch.mailboxes = [mailbox.id]
    return patch
  }

  @Test func `keywords are added and removed on the server`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 4)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let ids = try await service.messages(of: account).map(\.id)
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged", "work"]
      patch.removeKeywords = ["$seen"]
      let outcomes = try await service.engine.changeMessages(ids, of: account, patch)
      #expect(outcomes.allSatisfy { $0.error == nil })
      try await service.waitUntilReplayed(account)
      let other = try await service.otherClient(dovecot, user)
      let work = try #require(Flag("work"))
      #expect(try await uids(other, in: "INBOX", .flag(.flagged)) == [1, 2, 3, 4])
      #expect(try await uids(other, in: "INBOX", .flag(work)) == [1, 2, 3, 4])
      #expect(try await uids(other, in: "INBOX", .flag(.seen)) == [])
      #expect(try await service.mailbox("INBOX", of: account).unreadMessages == 4)
      #expect(try await service.messages(of: account).allSatisfy { !$0.isPending })
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test(arguments: [nil, "IMAP4rev1 UIDPLUS", "IMAP4rev1"])
  func `a moved message keeps its id and is where it was moved to`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let archive = try await service.addMailbox("Kept", dovecot, account, "alice")
      let id = try await service.messages(of: account)[1].id
      _ = try await service.engine.changeMessages([id], of: account, moving(to: archive))
      #expect(try await service.messages(in: "Kept", of: account).map(\.id) == [id])
      #expect(try await service.messages(of: account).count == 2)
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("the UID is known") {
        try await service.messages(in: "Kept", of: account).first?.backendUID == 1
      }
      #expect(try await service.messages(in: "Kept", of: account).map(\.id) == [id])
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await uids(other, in: "INBOX", .withoutFlag(.deleted)) == [1, 3])
      #expect(try await uids(other, in: "Kept") == [1])
      #expect(try await service.messages(of: account).count == 2)
      #expect(try await service.number("select count(*) from message") == 3)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test func `without UIDPLUS another client's deleted message survives our move`()
    async throws
  {
    let dovecot = try await MailServers.own(.init(capabilities: "IMAP4rev1"))
    try await dovecot.fill(user: "alice", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let archive = try await service.addMailbox("Kept", dovecot, account, "alice")
      let other = try await service.otherClient(dovecot, "alice")
      try await other.select(.inbox)
      try await other.store(UIDSet(UID(1)), .add, [.deleted])
      let rows = try await service.messages(of: account)
      let (moved, destroyed) = (rows[1].id, rows[0].id)
      _ = try await service.engine.changeMessages([moved], of: account, moving(to: archive))
      _ = try await service.engine.deleteMessages([destroyed], of: account, isPermanent: true)
      try await service.waitUntilReplayed(account)
      #expect(try await uids(other, in: "INBOX", .flag(.deleted)) == [1, 2, 3])
      #expect(try await uids(other, in: "Kept") == [1])
      // What stays behind with \Deleted never shows again.
      try await service.restart()
      try await service.engine.syncNow(account)
      try await eventually("the other's message is hidden, ours gone") {
        try await service.messages(of: account).isEmpty
      }
      try await other.select(.inbox)
      try await other.store(UIDSet(UID(1)), .remove, [.deleted])
      try await service.engine.syncNow(account)
      try await eventually("the other's message is back") {
        try await service.messages(of: account).map(\.backendUID) == [1]
      }
      #expect(try await service.messages(in: "Kept", of: account).map(\.id) == [moved])
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test func `deleting twice leaves a message in the trash, and only permanently is it for good`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 2)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let id = try await service.messages(of: account)[0].id
      for (inTrash, isPermanent) in [(1, false), (1, false), (0, true)] {
        _ = try await service.engine.deleteMessages([id], of: account, isPermanent: isPermanent)
        try await service.waitUntilReplayed(account)
        #expect(try await dovecot.messageCount(user: user, mailbox: "Trash") == inTrash)
        #expect(try await service.messages(in: "Trash", of: account).count == inTrash)
      }
      #expect(try await dovecot.messageCount(user: user) == 1)
      #expect(try await service.store.message(id, of: account).count == 0)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what the server refuses is taken back, with its reason`() async throws {
    let dovecot = try await MailServers.own(.withRights)
    let user = "alice"
    try await dovecot.fill(user: user, count: 2)
    let address = dovecot.address(of: user)
    try await dovecot.doveadm(["mailbox", "create", "-s", "-u", address, "Full"])
    try await dovecot.doveadm(["acl", "set", "-u", address, "Full", "owner", "lookup", "read"])
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let target = try await service.mailbox("Full", of: account)
      let before = try await service.messages(of: account).map(\.id)
      _ = try await service.engine.changeMessages([before[0]], of: account, moving(to: target))
      try await service.waitUntilReplayed(account)
      let refused = try #require(
        try await service.store.operations(of: account, limit: 9).first?.message
      )
      #expect(refused.state == "refused")
      #expect(refused.lastError?.isEmpty == false)
      #expect(try await service.messages(of: account).map(\.id) == before)
      #expect(try await dovecot.messageCount(user: user) == 2)
      #expect(try await service.health(of: account) == [])
      try await service.engine.discardOperation(refused.id, of: account)
      #expect(try await service.store.operations(of: account, limit: 9).isEmpty)
    }
    await dovecot.stop()
  }

  @Test func `an import is appended once, also when its answer was lost`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let archive = try await service.addMailbox("Kept", dovecot, account, user)
      let raw = SampleMail.message(5)
      let id = try await service.engine.importMessage(
        raw,
        into: archive.id,
        of: account,
        keywords: ["$seen"],
        receivedAt: nil
      )
      #expect(try await service.messages(in: "Kept", of: account).map(\.id) == [id])
      try await service.waitUntilReplayed(account)
      #expect(try await dovecot.messageCount(user: user, mailbox: "Kept") == 1)
      await service.stop()
      // As it stands after a crash between the APPEND and its answer.
      _ = try await service.query(
        """
        insert into operation (account_id, id, kind, message_id, mailbox_id, blob_id, state,
          attempts, add_keywords)
        select account_id, 1, 'append', id, \(archive.id.rawValue), blob_id, 'running', 1,
          '{$seen}' from message where id = \(id.rawValue)
        """
      )
      _ = try await service.query("update placement set uid = null, origin = 2")
      try await service.start()
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("the UID is known") {
        try await service.messages(in: "Kept", of: account).first?.backendUID == 1
      }
      #expect(try await dovecot.messageCount(user: user, mailbox: "Kept") == 1)
      #expect(try await service.messages(in: "Kept", of: account).map(\.id) == [id])
      let source = try await service.engine.openRaw(id, of: account)
      #expect(try await source.collect(upTo: 1 << 20).bytes == raw)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what was meant while the server was away is done when it is back`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      await dovecot.stop()
      let ids = try await service.messages(of: account).map(\.id)
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages(ids, of: account, patch)
      try await eventually("the account is unreachable") {
        try await service.store.account(account)?.state == .unreachable
      }
      #expect(try await service.messages(of: account).allSatisfy(\.isPending))
      try await dovecot.start()
      try await service.waitUntilReplayed(account)
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await uids(other, in: "INBOX", .flag(.flagged)) == [1, 2, 3])
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }
}
