import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Messages that other clients move keep their ids", .serialized, .timeLimit(.minutes(6)))
struct RematchTests {
  private static let servers = [
    nil, "IMAP4rev1 ENABLE CONDSTORE UIDPLUS MOVE IDLE LIST-STATUS LIST-EXTENDED", "IMAP4rev1",
  ]
  private static let archive = MailboxName("Archive")

  /// Runs `body` with an inbox of six messages and an archive of two.
  private func with(
    _ capabilities: String?,
    _ body:
      @escaping @Sendable (TestService, ID<Account>, IMAPClient, DovecotServer) async throws
      -> Void
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 6)
    try await dovecot.fill(user: "alice", mailbox: "Archive", count: 2, first: 10)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let other = try await service.otherClient(dovecot, "alice")
      try await body(service, account, other, dovecot)
      #expect(try await service.health(of: account) == [])
      #expect(try await service.number("select count(*) from placement where uid is null") == 0)
      #expect(
        try await service.number(
          "select count(*) - count(distinct (account_id, mailbox_id, uid)) from placement"
        ) == 0
      )
      other.close()
    }
    await dovecot.stop()
  }

  private func ids(
    _ service: TestService,
    _ account: ID<Account>,
    in mailbox: String = "INBOX"
  ) async throws -> [String: ID<Message>] {
    var ids: [String: ID<Message>] = [:]
    for row in try await service.messages(in: mailbox, of: account) {
      ids[row.subjectText ?? ""] = row.id
    }
    return ids
  }

  private func subject(_ index: Int) -> String { SampleMail.subject(index) ?? "" }

  /// Whether inbox and archive hold so many messages, all with their UIDs.
  private func hold(
    _ inbox: Int,
    _ archive: Int,
    _ service: TestService,
    _ account: ID<Account>
  ) async throws -> Bool {
    let unknown = try await service.number("select count(*) from placement where uid is null")
    let found = try await [
      service.messages(of: account).count, service.messages(in: "Archive", of: account).count,
    ]
    return unknown == 0 && found == [inbox, archive]
  }

  private func move(_ client: IMAPClient, _ uids: UIDSet, from: MailboxName, to: MailboxName)
    async throws
  {
    try await client.select(from)
    _ = try await client.move(uids, to: to)
  }

  @Test(arguments: servers)
  func `a move in either direction is an update`(_ capabilities: String?) async throws {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account).merging(
        try await ids(service, account, in: "Archive")
      ) { first, _ in first }
      let start = try await service.store.feedState(of: account)
      // The server's flags count, not those that were known.
      await service.stop()
      try await other.select(.inbox)
      try await other.store(UIDSet(UID(1)...UID(3)), .add, [.flagged])
      try await move(other, UIDSet(UID(1)...UID(3)), from: .inbox, to: Self.archive)
      try await move(other, UIDSet(UID(1)), from: Self.archive, to: .inbox)
      try await service.start()
      try await eventually("all are where they are") {
        try await hold(4, 4, service, account)
      }
      let inbox = try await ids(service, account)
      let archive = try await ids(service, account, in: "Archive")
      #expect(inbox.merging(archive) { first, _ in first } == before)
      let moved = (0..<3).compactMap { archive[subject($0)] }
      #expect(moved.count == 3)
      for row in try await service.messages(in: "Archive", of: account)
      where moved.contains(row.id) {
        #expect(try row.keywordList.contains("$flagged"))
      }
      let changes = try await service.store.changes(of: account, since: start, limit: 1000)
      #expect(changes.messages.created == [])
      #expect(changes.messages.destroyed == [])
      #expect(Set(moved.map(\.rawValue)).isSubset(of: changes.messages.updated))
    }
  }

  @Test(arguments: servers.dropLast())
  func `a move seen by IDLE alone is an update`(_ capabilities: String?) async throws {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account)
      let archived = try await ids(service, account, in: "Archive")
      try await move(other, UIDSet(UID(2)), from: .inbox, to: Self.archive)
      try await eventually("it left the inbox") {
        try await service.messages(of: account).count == 5
      }
      try await move(other, UIDSet(UID(1)), from: Self.archive, to: .inbox)
      try await eventually("another came") {
        try await service.messages(of: account).count == 6
      }
      let name = subject(1)
      #expect(try await ids(service, account, in: "Archive")[name] == before[name])
      let other = subject(10)
      #expect(try await ids(service, account)[other] == archived[other])
      #expect(try await service.messages(in: "Archive", of: account).count == 2)
    }
  }

  @Test(arguments: servers)
  func `a copy is another message, and equal ones move each with an id`(
    _ capabilities: String?
  ) async throws {
    try await with(capabilities) { service, account, other, _ in
      try await other.select(.inbox)
      _ = try await other.copy(UIDSet(UID(1)), to: .inbox)
      _ = try await other.copy(UIDSet(UID(2)), to: Self.archive)
      try await service.engine.syncNow(account)
      try await eventually("the copies are there") {
        try await hold(7, 3, service, account)
      }
      #expect(try await service.number("select count(*) from message") == 10)
      let equal = try await service.messages(of: account)
        .filter { $0.subjectText == subject(0) }.map(\.id)
      await service.stop()
      try await move(other, UIDSet([UID(1), UID(7)]), from: .inbox, to: Self.archive)
      try await service.start()
      try await eventually("both moved") {
        try await hold(5, 5, service, account)
      }
      let found = try await service.messages(in: "Archive", of: account)
        .filter { $0.subjectText == subject(0) }.map(\.id)
      #expect(equal.count == 2)
      #expect(Set(found) == Set(equal))
      #expect(try await service.number("select count(*) from message") == 10)
    }
  }

  @Test(arguments: servers)
  func `what comes back within days gets its id back, and what stays away does not`(
    _ capabilities: String?
  ) async throws {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account)
      try await other.select(.inbox)
      try await other.store(UIDSet(UID(1)...UID(2)), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet(UID(1)...UID(2)))
      try await service.engine.syncNow(account)
      try await eventually("they are destroyed") {
        try await service.number("select count(*) from message") == 6
      }
      #expect(try await service.number("select count(*) from tombstone") == 2)
      _ = try await service.query(
        "update tombstone set at = now() - interval '8 days' where message_id = \(before[subject(1)]?.rawValue)"
      )
      for index in 0..<2 { _ = try await other.append(SampleMail.message(index), to: Self.archive) }
      try await service.engine.syncNow(account)
      try await eventually("they are back") {
        try await service.messages(in: "Archive", of: account).count == 4
      }
      let after = try await ids(service, account, in: "Archive")
      #expect(after[subject(0)] == before[subject(0)])
      #expect(after[subject(1)] != before[subject(1)])
      #expect(try await service.number("select count(*) from tombstone") == 1)
    }
  }

  @Test(arguments: servers)
  func
    `ids outlive the mailbox that their messages were moved out of, and a new one is no first sync`(
      _ capabilities: String?
    ) async throws
  {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account, in: "Archive")
      await service.stop()
      let new = MailboxName("New")
      try await other.create(new)
      try await move(other, UIDSet(UID(1)...UID(2)), from: Self.archive, to: new)
      try await other.select(.inbox)
      try await other.delete(Self.archive)
      try await service.start()
      try await eventually("the new one is synced") {
        try await service.store.mailboxes(of: account).mailboxes
          .contains { $0.path == "New" && $0.totalMessages == 2 }
      }
      #expect(try await ids(service, account, in: "New") == before)
    }
  }

  @Test(arguments: servers)
  func `a pass that was killed is taken up by the next`(_ capabilities: String?) async throws {
    try await with(capabilities) { service, account, other, _ in
      let before = try await ids(service, account)
      await service.stop()
      try await move(other, UIDSet(UID(1)), from: .inbox, to: Self.archive)
      try await other.select(.inbox)
      // Without UIDPLUS what was moved is still there, `\Deleted`.
      try await other.store(UIDSet(UID(1)...UID(2)), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet(UID(1)...UID(2)))
      // As it stands after what vanished was found, before anything else.
      _ = try await service.query(
        "update placement set uid = null, origin = 4 where uid <= 2 and mailbox_id = \(try await service.mailbox("INBOX", of: account).id.rawValue)"
      )
      try await service.start()
      try await eventually("one moved, one is gone") {
        try await hold(4, 3, service, account)
      }
      let name = subject(0)
      #expect(try await ids(service, account, in: "Archive")[name] == before[name])
      #expect(try await service.number("select count(*) from message") == 7)
    }
  }
}
