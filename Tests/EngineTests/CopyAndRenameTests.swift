import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Copies and renames of other clients", .serialized, .timeLimit(.minutes(6)))
struct CopyAndRenameTests {
  private static let servers = [
    nil, "IMAP4rev1 ENABLE CONDSTORE UIDPLUS MOVE IDLE LIST-STATUS LIST-EXTENDED", "IMAP4rev1",
  ]
  private static let archive = MailboxName("Archive")

  /// Runs `body` with an inbox of four messages and an archive of two, and checks the feed after it.
  private func with(
    _ capabilities: String?,
    _ body:
      @escaping @Sendable (TestService, ID<Account>, IMAPClient, DovecotServer) async throws -> Void
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 4)
    try await dovecot.fill(user: "alice", mailbox: "Archive", count: 2, first: 10)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      var mirror = try await FeedMirror(of: account, in: service)
      let other = try await service.otherClient(dovecot, "alice")
      try await body(service, account, other, dovecot)
      other.close()
      #expect(try await service.health(of: account) == [])
      try await eventually("nothing is held") {
        try await service.number("select count(*) from placement where uid is null") == 0
      }
      try await mirror.follow(account, in: service)
      #expect(try await mirror.messages == FeedMirror.list(of: account, in: service))
    }
    await dovecot.stop()
  }

  /// The ids of the messages of a mailbox by their subjects.
  private func ids(
    _ service: TestService,
    _ account: ID<Account>,
    in mailbox: String
  ) async throws -> [String: ID<Message>] {
    var ids: [String: ID<Message>] = [:]
    for row in try await service.messages(in: mailbox, of: account) {
      ids[row.subjectText ?? ""] = row.id
    }
    return ids
  }

  private func subject(_ index: Int) -> String { SampleMail.subject(index) ?? "" }

  private func sync(
    _ service: TestService,
    _ account: ID<Account>,
    until inbox: Int,
    _ archive: Int
  ) async throws {
    try await eventually("\(inbox) in the inbox, \(archive) in the archive") {
      try await service.engine.syncNow(account)
      let found = try await [
        service.messages(of: account).count, service.messages(in: "Archive", of: account).count,
      ]
      return found == [inbox, archive]
    }
  }

  @Test(arguments: servers)
  func `a copy takes over the id of its source that goes within the hour`(
    _ capabilities: String?
  ) async throws {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account, in: "INBOX")
      try await other.select(.inbox)
      _ = try await other.copy(UIDSet(UID(1)...UID(2)), to: Self.archive)
      try await sync(service, account, until: 4, 4)
      let copies = try await ids(service, account, in: "Archive")
      let (moved, kept) = (subject(0), subject(1))
      #expect(copies[moved] != before[moved])
      let old = copies[kept]?.rawValue ?? 0
      _ = try await service.query(
        "update message_copy set at = at - interval '2 hours' where message_id = \(old)"
      )
      let start = try await service.store.feedState(of: account)
      try await other.store(UIDSet(UID(1)...UID(2)), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet(UID(1)...UID(2)))
      try await sync(service, account, until: 2, 4)
      try await eventually("what is gone is destroyed") {
        try await service.engine.syncNow(account)
        return try await service.number("select count(*) from message") == 6
      }
      let after = try await ids(service, account, in: "Archive")
      #expect(after[moved] == before[moved])
      #expect(after[kept] == copies[kept])
      let changes = try await service.store.changes(of: account, since: start, limit: 1000)
      let destroyed = [copies[moved], before[kept]].compactMap { $0?.rawValue }
      #expect(changes.messages.destroyed == destroyed.sorted())
      #expect(changes.messages.updated.contains(before[moved]?.rawValue ?? 0))
    }
  }

  @Test(arguments: servers)
  func `a source that carries Deleted gives its id to the copy that shows`(
    _ capabilities: String?
  ) async throws {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account, in: "INBOX")
      try await other.select(.inbox)
      _ = try await other.copy(UIDSet(UID(1)), to: Self.archive)
      try await sync(service, account, until: 4, 3)
      let copies = try await ids(service, account, in: "Archive")
      let name = subject(0)
      try await other.store(UIDSet(UID(1)), .add, [.deleted])
      try await sync(service, account, until: 3, 3)
      #expect(try await ids(service, account, in: "Archive")[name] == before[name])
      try await other.store(UIDSet(UID(1)), .remove, [.deleted])
      try await sync(service, account, until: 4, 3)
      #expect(try await ids(service, account, in: "INBOX")[name] == copies[name])
      _ = try await other.store(UIDSet(UID(1)), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet(UID(1)))
      try await sync(service, account, until: 3, 3)
      #expect(try await ids(service, account, in: "Archive")[name] == before[name])
    }
  }

  @Test(arguments: servers)
  func `a mailbox keeps its id and its messages' under another name`(
    _ capabilities: String?
  ) async throws {
    try await with(capabilities) { service, account, other, dovecot in
      let archive = try await service.mailbox("Archive", of: account)
      let before = try await ids(service, account, in: "Archive")
      let start = try await service.store.feedState(of: account)
      // A new one has the old name by the time that the list is read.
      await service.stop()
      try await other.rename(Self.archive, to: MailboxName("Old"))
      try await other.create(Self.archive)
      _ = try await other.append(SampleMail.message(20), to: Self.archive)
      try await service.start()
      try await sync(service, account, until: 4, 1)
      let old = try await service.mailbox("Old", of: account)
      let new = try await service.mailbox("Archive", of: account)
      #expect(old.id == archive.id)
      #expect(new.id != archive.id)
      #expect(try await ids(service, account, in: "Old") == before)
      let changes = try await service.store.changes(of: account, since: start, limit: 1000)
      #expect(changes.messages.destroyed == [])
      #expect(changes.messages.created.count == 1)
      #expect(changes.mailboxes.destroyed == [])
      // The two change their names with one another.
      await service.stop()
      // A session that ends after this may leave its mailbox's directory behind.
      try await eventually("its sessions have ended") {
        try await dovecot.sessions(of: "alice") == 1
      }
      try await other.rename(Self.archive, to: MailboxName("Third"))
      try await other.rename(MailboxName("Old"), to: Self.archive)
      try await other.rename(MailboxName("Third"), to: MailboxName("Old"))
      try await service.start()
      try await sync(service, account, until: 4, 2)
      #expect(try await service.mailbox("Archive", of: account).id == archive.id)
      #expect(try await service.mailbox("Old", of: account).id == new.id)
      #expect(try await ids(service, account, in: "Archive") == before)
    }
  }

  @Test(arguments: servers)
  func `a mailbox that goes for another of its name is not taken for it`(
    _ capabilities: String?
  ) async throws {
    try await with(capabilities) { service, account, other, _ in
      let archive = try await service.mailbox("Archive", of: account)
      let inbox = try await ids(service, account, in: "INBOX")
      let new = MailboxName("New")
      try await other.create(new)
      try await other.select(.inbox)
      _ = try await other.copy(UIDSet(UID(1)), to: new)
      try await service.engine.syncNow(account)
      let made = try await eventuallyFind("the new one") {
        try await service.store.mailboxes(of: account).mailboxes.first {
          $0.path == "New" && $0.totalMessages == 1
        }
      }
      await service.stop()
      try await other.delete(Self.archive)
      try await other.rename(new, to: Self.archive)
      try await service.start()
      try await sync(service, account, until: 4, 1)
      #expect(try await service.mailbox("Archive", of: account).id == made.id)
      #expect(try await service.store.mailbox(archive.id, of: account) == nil)
      #expect(try await service.number("select count(*) from message") == 5)
      #expect(try await ids(service, account, in: "INBOX") == inbox)
    }
  }
}
