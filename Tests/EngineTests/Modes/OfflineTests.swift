import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("IMAP accounts offline", .serialized, .timeLimit(.minutes(5)))
struct OfflineTests {
  func settings(
    _ dovecot: DovecotServer,
    _ user: String,
    leaveOnServer: ServerRetention.Time? = nil,
    deleteWhenRemoved: Bool = false
  ) -> BackendSettings {
    var settings = TestService.imap(dovecot, user)
    settings.leaveOnServer = leaveOnServer
    settings.deleteWhenRemoved = deleteWhenRemoved
    return settings
  }

  func look(_ service: TestService, _ account: ID<Account>) async throws {
    _ = try await service.query("update account set last_sync_at = null")
    try await service.engine.syncNow(account)
    try await eventually("a pass") {
      try await service.store.account(account)?.lastSyncAt != nil
    }
  }

  /// Waits until the server has so many messages in a mailbox.
  func waitFor(
    _ count: Int,
    on dovecot: DovecotServer,
    _ user: String,
    _ box: String = "INBOX"
  )
    async throws
  {
    try await eventually("the server has \(count) in \(box)") {
      try await dovecot.messageCount(user: user, mailbox: box) == count
    }
  }

  @Test func `what is here is deleted from the server, and stays here as it was`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 40)
    try await dovecot.deliver(letter("kept"), to: user, mailbox: "Kept")
    var options = TestService.Options()
    options.engine.copyBatch = 9
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let before = try await service.messages(of: account)
      let online = try await service.readings(of: account)
      var patch = AccountPatch()
      patch.mode = .offline
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await waitFor(0, on: dovecot, user)
      try await waitFor(0, on: dovecot, user, "Kept")
      try await service.waitUntilReplayed(account)
      try await look(service, account)
      let after = try await service.messages(of: account)
      #expect(after.map(\.id) == before.map(\.id))
      #expect(try after.map { try $0.keywordList } == before.map { try $0.keywordList })
      #expect(after.allSatisfy { !$0.isPending })
      #expect(try await service.readings(of: account).map(\.raw) == online.map(\.raw))
      #expect(try await service.messages(in: "Kept", of: account).count == 1)
      #expect(try await service.number("select count(*) from message") == 41)
      #expect(try await service.health(of: account) == [])
      // From here on all is final.
      let kept = try await service.mailbox("Kept", of: account)
      var moving = MessagePatch()
      moving.mailboxes = [kept.id]
      moving.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([before[0].id], of: account, moving)
      _ = try await service.engine.deleteMessages([before[1].id], of: account, isPermanent: true)
      #expect(try await service.operations(of: account).isEmpty)
      #expect(try await service.messages(in: "Kept", of: account).count == 2)
      #expect(try await service.number("select count(*) from message") == 40)
      // New mail goes the same way, and nothing of the old comes back.
      try await dovecot.deliver(letter("new"), to: user)
      try await eventually("new mail is here") {
        try await service.messages(of: account).contains { $0.subjectText == "new" }
      }
      try await waitFor(0, on: dovecot, user)
      try await service.waitUntilReplayed(account)
      #expect(try await service.messages(of: account).count == 39)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `days are waited for, and what is damaged on the disk stays on the server`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    for name in ["a", "b", "c"] { try await dovecot.deliver(letter(name), to: user) }
    try await TestService.with { service in
      let account = try await service.addCopiedAccount(
        settings(dovecot, user, leaveOnServer: .days(3)),
        mode: .offline
      )
      try await look(service, account)
      #expect(try await service.operations(of: account).isEmpty)
      let a = try await service.message("a", of: account)
      let b = try await service.message("b", of: account)
      _ = try await service.query(
        """
        update blob set created_at = now() - interval '73 hours' where id in
          (select blob_id from message where id in (\(a.rawValue), \(b.rawValue)))
        """
      )
      _ = try await service.query(
        """
        update blob set data = (select data from blob o where o.id <> blob.id limit 1)
        where id = (select blob_id from message where id = \(b.rawValue))
        """
      )
      try await service.engine.syncNow(account)
      try await waitFor(2, on: dovecot, user)
      try await service.waitUntilReplayed(account)
      try await look(service, account)
      let other = try await service.otherClient(dovecot, user)
      #expect(try await uid(other, "a") == nil)
      #expect(try await uid(other, "b") != nil)
      other.close()
      #expect(try await service.messages(of: account).count == 3)
      #expect(try await service.number("select count(*) from placement where uid is null") == 1)
    }
  }

  @Test func `what is removed here is taken from the server, and only that`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    for name in ["a", "b", "c"] { try await dovecot.deliver(letter(name), to: user) }
    try await TestService.with { service in
      let account = try await service.addCopiedAccount(
        settings(dovecot, user, deleteWhenRemoved: true),
        mode: .offline
      )
      let trash = try #require(try await service.store.mailbox(role: "trash", of: account))
      let a = try await service.message("a", of: account)
      _ = try await service.engine.deleteMessages([a], of: account, isPermanent: false)
      let b = try await service.message("b", of: account)
      _ = try await service.engine.deleteMessages([b], of: account, isPermanent: true)
      try await waitFor(1, on: dovecot, user)
      try await waitFor(0, on: dovecot, user, trash.path)
      try await eventually("the trash keeps it") {
        try await service.messages(in: trash.path, of: account).first.map {
          !$0.isPending && $0.id == a
        }
          == true
      }
      try await look(service, account)
      try await eventually("it is here alone") {
        try await service.number("select count(*) from placement where origin = 1") == 1
      }
      #expect(try await service.messages(of: account).count == 1)
      #expect(try await dovecot.messageCount(user: user) == 1)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a message of two mailboxes that vanishes from both at once stays here`() async throws
  {
    let dovecot = try await MailServers.own()
    try await dovecot.deliver(letter("twice"), to: "alice")
    try await dovecot.deliver(letter("other"), to: "alice", mailbox: "Old")
    try await TestService.with { service in
      let account = try await service.addCopiedAccount(
        settings(dovecot, "alice", leaveOnServer: .forever),
        mode: .offline
      )
      let message = try #require(try await service.messages(of: account).first?.id)
      var patch = MessagePatch()
      patch.addMailboxes = [try await service.mailbox("Old", of: account).id]
      _ = try await service.engine.changeMessages([message], of: account, patch)
      try await eventually("the copy is on the server") {
        let waiting = try await service.number("select count(*) from operation")
        let placed = try await service.number(
          "select count(*) from placement where uid is not null and message_id = \(message.rawValue)"
        )
        return waiting == 0 && placed == 2
      }
      let other = try await service.otherClient(dovecot, "alice")
      for mailbox in ["Old", "INBOX"] {
        let uid = try #require(await uid(other, "twice", in: mailbox))
        try await other.store(UIDSet([uid]), .add, [.deleted])
        _ = try await other.expungeUnlessOthersDeleted(UIDSet([uid]))
      }
      try await eventually("it is here alone, and nothing is held any more") {
        try await service.engine.syncNow(account)
        let kept = try await service.number(
          "select count(*) from placement where message_id = \(message.rawValue) and uid is null"
        )
        let held = try await service.number("select count(*) from placement where origin = 4")
        return kept > 0 && held == 0
      }
      #expect(try await service.messages(of: account).map(\.id) == [message])
    }
  }

  @Test func `a message whose release is refused is no second one, wherever it is here by then`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["a", "b"] { try await dovecot.deliver(letter(name), to: "alice") }
    try await dovecot.deliver(letter("c"), to: "alice", mailbox: "Old")
    try await TestService.with { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      var settings = TestService.imap(port: way.port)
      settings.leaveOnServer = .forever
      let account = try await service.addCopiedAccount(settings, mode: .offline)
      let a = try await service.message("a", of: account)
      let b = try await service.message("b", of: account)
      way.goAway()
      try await service.waitUntil(.unreachable, account)
      try await service.store.release([a, b], of: account)
      var moving = MessagePatch()
      moving.mailboxes = [try await service.mailbox("Old", of: account).id]
      _ = try await service.engine.changeMessages([a], of: account, moving)
      _ = try await service.engine.deleteMessages([b], of: account, isPermanent: true)
      for operation in try await service.operations(of: account) {
        try await service.store.refuseOperation(operation, reason: "[NOPERM] no", of: account)
      }
      way.comeBack()
      try await service.waitUntil(.ready, account)
      try await look(service, account)
      #expect(Set(try await service.messages(of: account).map(\.id)) == [a, b])
      #expect(try await service.messages(in: "Old", of: account).map(\.id).contains(a))
      #expect(try await service.number("select count(*) from message") == 3)
      #expect(try await service.health(of: account) == [])
      await way.stop()
    }
    await dovecot.stop()
  }

  @Test func `what other clients delete on the server stays here, with its mailbox`() async throws {
    let dovecot = try await MailServers.own()
    for name in ["a", "b", "moved"] { try await dovecot.deliver(letter(name), to: "alice") }
    for name in ["d", "e"] { try await dovecot.deliver(letter(name), to: "alice", mailbox: "Old") }
    try await TestService.with { service in
      let account = try await service.addCopiedAccount(
        settings(dovecot, "alice", leaveOnServer: .forever),
        mode: .offline
      )
      let ids = Set(try await service.messages(of: account).map(\.id))
      let old = try await service.messages(in: "Old", of: account).map(\.id)
      let box = try await service.mailbox("Old", of: account).id
      let other = try await service.otherClient(dovecot, "alice")
      let a = try #require(await uid(other, "a"))
      try await other.store(UIDSet([a]), .add, [.deleted])
      try await look(service, account)
      _ = try await other.expungeUnlessOthersDeleted(UIDSet([a]))
      let moved = try #require(await uid(other, "moved"))
      try await other.create(MailboxName("New"))
      _ = try await other.move(UIDSet([moved]), to: MailboxName("New"))
      let e = try #require(await uid(other, "e", in: "Old"))
      _ = try await other.move(UIDSet([e]), to: MailboxName("New"))
      try await other.select(.inbox)
      try await other.delete(MailboxName("Old"))
      try await service.engine.syncNow(account)
      try await eventually("the new mailbox is known") {
        try await service.store.mailboxes(of: account).mailboxes.contains { $0.path == "New" }
      }
      try await eventually("what moved is where it is") {
        let found = try await service.messages(in: "New", of: account).compactMap(\.subjectText)
        return Set(found) == ["moved", "e"]
      }
      try await eventually("the mailbox is here alone, and nothing is held any more") {
        try await service.engine.syncNow(account)
        guard try await service.mailbox("Old", of: account).isLocal else { return false }
        return try await service.number("select count(*) from placement where origin = 4") == 0
      }
      let left = try await service.messages(of: account)
      #expect(Set(left.compactMap(\.subjectText)) == ["a", "b"])
      let new = try await service.messages(in: "New", of: account)
      #expect(Set((left + new).map(\.id)).isSuperset(of: ids))
      #expect(
        Set(old).isSubset(
          of: Set(new.map(\.id)).union(try await service.messages(in: "Old", of: account).map(\.id))
        )
      )
      #expect(try await service.messages(in: "Old", of: account).compactMap(\.subjectText) == ["d"])
      #expect(try await service.mailbox("Old", of: account).isLocal)
      #expect(try await service.mailbox("Old", of: account).id == box)
      // A mailbox of the same name is that one again; one that is left empty goes.
      try await other.create(MailboxName("Old"))
      try await look(service, account)
      try await eventually("it is the server's") {
        try await !service.mailbox("Old", of: account).isLocal
      }
      #expect(try await service.messages(in: "Old", of: account).compactMap(\.subjectText) == ["d"])
      try await other.delete(MailboxName("Old"))
      try await look(service, account)
      try await eventually("it is here alone again") {
        try await service.mailbox("Old", of: account).isLocal
      }
      let d = try await service.message("d", in: "Old", of: account)
      var patch = MessagePatch()
      patch.mailboxes = [try await service.mailbox("INBOX", of: account).id]
      _ = try await service.engine.changeMessages([d], of: account, patch)
      try await eventually("it went") {
        try await service.engine.syncNow(account)
        return try await service.store.mailboxes(of: account).mailboxes.allSatisfy {
          $0.path != "Old"
        }
      }
      #expect(try await service.messages(of: account).count == 3)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test(arguments: [nil, "IMAP4rev1"])
  func `kill at any moment loses nothing`(_ capabilities: String?) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    var options = TestService.Options()
    options.engine.copyBatch = 3
    options.engine.operationBatch = 4
    try await TestService.with(options) { service in
      let account = try await service.addCopiedAccount(settings(dovecot, "alice"), mode: .offline)
      for round in 0..<3 {
        try await dovecot.fill(user: "alice", count: 12, first: round * 12)
        try await service.engine.syncNow(account)
        let goal = Int64.random(in: 0...12) + Int64(round) * 12
        try await eventually("some are here alone") {
          try await service.number("select count(*) from placement where origin = 1") >= goal
        }
        try await service.kill()
      }
      try await waitFor(0, on: dovecot, "alice")
      try await service.waitUntilReplayed(account)
      try await look(service, account)
      #expect(try await service.messages(of: account).count == 36)
      let raws = try await service.readings(of: account).map(\.raw)
      #expect(raws.reversed() == (0..<36).map { SampleMail.message($0) })
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }
}
