import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Merging what a sync fetched", .timeLimit(.minutes(6))) struct MergeTests {
  @Test func `what comes back is rather one that others took away than one that was deleted here`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let message = StoreFixture.mail(1, identity: "equal")
      let account = fixture.account.rawValue
      for (id, isDeletion) in [(5, true), (6, false)] as [(Int64, Bool)] {
        _ = try await fixture.pool.query(
          """
          insert into tombstone (account_id, identity, message_id, received_at, is_deletion)
          values (\(account), \(message.identity), \(id), \(message.receivedAt), \(isDeletion))
          """
        )
      }
      try await fixture.store.merge(
        [message],
        into: fixture.inbox,
        progress: MailboxProgress(),
        matching: .all
      )
      #expect(try await fixture.ids() == [1: ID(6)])
    }
  }

  @Test func `migrations apply once`() async throws {
    try await PrivatePostgres.shared.withDatabase { pool in
      let first = try await Migrator().run(Migrations.all, on: pool)
      #expect(first.count == Migrations.all.count)
      #expect(try await Migrator().run(Migrations.all, on: pool).isEmpty)
    }
  }

  @Test func `a batch stored twice changes nothing`() async throws {
    try await StoreFixture.with { fixture in
      let batch = [
        StoreFixture.mail(1), StoreFixture.mail(2, ["$seen"]),
        StoreFixture.mail(3, isDeleted: true),
      ]
      let progress = MailboxProgress(uidNext: 4, syncedDownTo: 1)
      try await fixture.merge(batch, into: nil, progress)
      #expect(try await fixture.counters() == [2, 1])
      let (ids, seq) = (try await fixture.ids(), try await fixture.seq())
      try await fixture.merge(batch, into: nil, progress)
      #expect(try await fixture.ids() == ids)
      #expect(try await fixture.seq() == seq)
      #expect(try await fixture.counters() == [2, 1])
    }
  }

  @Test func `flags from the server change counters once`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([StoreFixture.mail(1), StoreFixture.mail(2)])
      let told = [
        ServerFlags(uid: 1, keywords: ["$seen"], isDeleted: false),
        ServerFlags(uid: 2, keywords: [], isDeleted: true),
      ]
      let store = fixture.store
      #expect(
        try await store.applyFlags(told, to: fixture.inbox, progress: MailboxProgress()) == 2
      )
      #expect(try await fixture.counters() == [1, 0])
      let seq = try await fixture.seq()
      #expect(
        try await store.applyFlags(told, to: fixture.inbox, progress: MailboxProgress()) == 0
      )
      #expect(try await fixture.seq() == seq)
    }
  }

  @Test func `flags from the server are merged under an intent under way`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([StoreFixture.mail(1)])
      let id = try #require(try await fixture.ids()[1])
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      _ = try await fixture.store.changeMessages([id], of: fixture.account, patch)
      let told = [ServerFlags(uid: 1, keywords: ["$seen", "work"], isDeleted: false)]
      let (store, inbox) = (fixture.store, fixture.inbox)
      try await store.applyFlags(told, to: inbox, progress: MailboxProgress())
      #expect(try await fixture.keywords(of: id) == ["$flagged", "$seen", "work"])
      #expect(try await fixture.counters() == [1, 0])
      patch = MessagePatch()
      patch.removeKeywords = ["$flagged", "work"]
      _ = try await fixture.store.changeMessages([id], of: fixture.account, patch)
      #expect(try await store.applyFlags(told, to: inbox, progress: MailboxProgress()) == 0)
      #expect(try await fixture.keywords(of: id) == ["$seen"])
    }
  }

  @Test func `what vanished goes, with the messages that only it held`() async throws {
    try await StoreFixture.with { fixture in
      let start = try await fixture.store.feedState(of: fixture.account)
      try await fixture.merge([StoreFixture.mail(1), StoreFixture.mail(2), StoreFixture.mail(3)])
      let id = try #require(try await fixture.ids()[2])
      try await fixture.store.holdVanished([2, 99], from: fixture.inbox)
      #expect(try await fixture.store.message(id, of: fixture.account).count == 1)
      try await fixture.removeHeld()
      #expect(try await fixture.ids().keys.sorted() == [1, 3])
      #expect(try await fixture.store.message(id, of: fixture.account).count == 0)
      let changes = try await fixture.store.changes(
        of: fixture.account,
        since: start,
        limit: 100
      )
      #expect(changes.messages.destroyed.isEmpty)  // Created and destroyed since: nothing to say.
      #expect(changes.messages.created.count == 2)
    }
  }

  @Test func `another UIDVALIDITY keeps ids where the messages are the same`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([
        StoreFixture.mail(1, identity: "a"), StoreFixture.mail(2, ["$seen"], identity: "b"),
        StoreFixture.mail(3, identity: "c"),
      ])
      let before = try await fixture.ids()
      let inbox = try #require(
        try await fixture.store.mailbox(fixture.inbox.id, of: fixture.account)
      )
      let begun = try await fixture.store.beginSync(of: inbox, uidValidity: 8)
      #expect(begun.uidNext == nil)
      try await fixture.merge(
        [
          StoreFixture.mail(10, ["$seen"], identity: "c"), StoreFixture.mail(11, identity: "b"),
          StoreFixture.mail(12, identity: "new"),
        ],
        into: begun
      )
      #expect(try await fixture.keywords(of: try #require(before[3])) == ["$seen"])
      #expect(try await fixture.keywords(of: try #require(before[2])) == [])
      try await fixture.store.holdUnmatched(from: begun)
      try await fixture.removeHeld()
      let after = try await fixture.ids()
      #expect(after[10] == before[3])
      #expect(after[11] == before[2])
      #expect(after.keys.sorted() == [10, 11, 12])
      #expect(try await fixture.counters() == [3, 2])
    }
  }

  @Test func `a mailbox that is no longer listed goes with what only it held`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([StoreFixture.mail(1)], into: fixture.archive)
      try await fixture.merge([StoreFixture.mail(1)])
      let left = try await fixture.store.storeListing(
        [StoreFixture.listing("INBOX", role: "inbox")],
        of: fixture.account
      )
      #expect(left.map(\.path) == ["INBOX"])
      #expect(try await fixture.ids().count == 1)
      #expect(try await fixture.pool.query("select count(*) from message").int64(0, 0) == 1)
    }
  }

  @Test func `concurrent changes leave the feed without a gap`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge((1...40).map { StoreFixture.mail($0) })
      let ids = try await fixture.ids()
      let (store, account) = (fixture.store, fixture.account)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for id in ids.values {
          group.addTask {
            var patch = MessagePatch()
            patch.addKeywords = ["$seen"]
            _ = try await store.changeMessages([id], of: account, patch)
          }
        }
        try await group.waitForAll()
      }
      #expect(try await fixture.counters() == [40, 0])
    }
  }

  @Test func `an import that the server has described keeps its id when UIDVALIDITY changes`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let id = try await fixture.keep(
        StoreFixture.mail(nil, identity: "its bytes"),
        raw: [UInt8]("Subject: hello\r\n\r\n".utf8),
        into: fixture.archive.id
      )
      let appends = try await store.dueOperations(of: account, limit: 9).messages
      try await store.completeOperations(appends, uids: [id: 3], uidValidity: 7, of: account)
      try await fixture.merge(
        [StoreFixture.mail(3, identity: "its envelope")],
        into: fixture.archive
      )
      let begun = try await store.beginSync(of: fixture.archive, uidValidity: 8)
      try await fixture.merge([StoreFixture.mail(30, identity: "its envelope")], into: begun)
      try await store.holdUnmatched(from: begun)
      try await fixture.removeHeld()
      #expect(try await fixture.ids(in: fixture.archive) == [30: id])
    }
  }

  @Test func `a UID told before the first sync is kept, and one of another UIDVALIDITY is not`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let boxes = try await store.storeListing(
        ["INBOX", "Archive", "Trash", "New"].map { StoreFixture.listing($0) },
        of: account
      )
      let new = try #require(boxes.first { $0.path == "New" })
      for (uidValidity, box) in [(Int64(9), new), (9, fixture.archive)] {
        let id = try await fixture.keep(
          StoreFixture.mail(nil, identity: "import"),
          raw: [UInt8]("Subject: hello\r\n\r\n".utf8),
          into: box.id
        )
        let appends = try await store.dueOperations(of: account, limit: 9).messages
        try await store.completeOperations(
          appends,
          uids: [id: 3],
          uidValidity: uidValidity,
          of: account
        )
        // The row as it was read before the APPEND.
        _ = try await store.beginSync(of: box, uidValidity: 9)
        #expect(try await fixture.ids(in: box) == [box.id == new.id ? 3 : 0: id])
      }
    }
  }

  @Test func `a mailbox that goes gives back what was on its way into it`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1), StoreFixture.mail(2)])
      try await fixture.merge([StoreFixture.mail(9)], into: fixture.archive)
      let ids = try await fixture.ids()
      let (moving, copied) = (try #require(ids[1]), try #require(ids[2]))
      let held = try #require(try await fixture.ids(in: fixture.archive)[9])
      var patch = MessagePatch()
      patch.mailboxes = [fixture.archive.id]
      _ = try await store.changeMessages([moving], of: account, patch)
      patch.mailboxes = [fixture.trash.id]
      _ = try await store.changeMessages([moving], of: account, patch)
      patch = MessagePatch()
      patch.addMailboxes = [fixture.archive.id]
      _ = try await store.changeMessages([copied], of: account, patch)
      let intents = try await store.dueOperations(of: account, limit: 9).messages.map(\.id.rawValue)
      let start = try await store.feedState(of: account)
      try await store.deleteMailbox(fixture.archive.id, of: account)
      #expect(try await fixture.ids() == [1: moving, 2: copied])
      #expect(try await fixture.ids(in: fixture.trash).isEmpty)
      #expect(try await fixture.counters() == [2, 2])
      let changes = try await store.changes(of: account, since: start, limit: 100)
      #expect(changes.messages.destroyed == [held.rawValue])
      #expect(Set(changes.messages.updated) == [moving.rawValue, copied.rawValue])
      #expect(changes.operations.destroyed == intents.sorted())
      #expect(changes.mailboxes.destroyed == [fixture.archive.id.rawValue])
    }
  }
}
