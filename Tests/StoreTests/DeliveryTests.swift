import Bytes
import Model
import Postgres
import Store
import Testing

@Suite("Deliveries and local mailboxes", .timeLimit(.minutes(6))) struct DeliveryTests {
  private static func raw(_ name: String, size: Int = 100) -> [UInt8] {
    let header = [UInt8]("Subject: \(name)\r\n\r\n".utf8)
    return header + [UInt8](repeating: 0x61, count: max(size - header.count, 0))
  }

  private static func delivery(
    _ name: String,
    _ mailbox: Mailbox,
    _ keywords: [String] = [],
    size: Int = 100,
    answering other: String? = nil
  ) throws -> Delivery {
    var message = StoreFixture.mail(nil, keywords, identity: name, subject: name)
    message.threadID = 0
    message.links.message = ThreadLinks.key(of: name)
    if let other { message.links.references = [ThreadLinks.key(of: other)] }
    return Delivery(
      message,
      try RawBlob(raw(name, size: size), by: Compressors()),
      into: mailbox.id
    )
  }

  private func deliver(_ batch: [Delivery], _ fixture: StoreFixture) async throws
    -> [ID<Message>]
  {
    try await fixture.store.deliver(batch, to: fixture.account).map { try $0.get() }
  }

  private func thread(of id: ID<Message>, _ fixture: StoreFixture) async throws -> Int64 {
    try await fixture.pool.query("select thread_id from message where id = \(id.rawValue)")
      .int64(0, 0)
  }

  private func count(_ table: String, _ fixture: StoreFixture) async throws -> Int64 {
    try await fixture.pool.query(SQL(unsafeSQL: "select count(*) from \(table)")).int64(0, 0)
  }

  private func patch(_ change: (inout MessagePatch) -> Void) -> MessagePatch {
    var patch = MessagePatch()
    change(&patch)
    return patch
  }

  @Test func `an account without a server is ready, with its mailboxes, from its first moment`()
    async throws
  {
    try await StoreFixture.with(isLocal: true) { fixture in
      let account = try #require(try await fixture.store.account(fixture.account))
      #expect(account.state == .ready && account.firstSyncedAt != nil)
      #expect(account.incoming == .local)
      let boxes = try await fixture.store.mailboxes(of: fixture.account).mailboxes
      #expect(boxes.map(\.path) == ["Archive", "INBOX", "Trash"])
      #expect(boxes.allSatisfy { $0.isLocal && $0.syncedDownTo == 1 })
    }
  }

  @Test func `a batch is one change of the feed, and every message has its bytes`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let start = try await store.feedState(of: account)
      let large = 3 * BlobLimits.chunkSize + 17
      let ids = try await deliver(
        [
          Self.delivery("one", fixture.inbox), Self.delivery("two", fixture.inbox, ["$seen"]),
          Self.delivery("three", fixture.archive, size: large),
        ],
        fixture
      )
      #expect(ids == ids.sorted() && Set(ids).count == 3)
      #expect(try await fixture.counters() == [2, 1])
      #expect(try await fixture.counters(fixture.archive) == [1, 1])
      let changes = try await store.changes(of: account, since: start, limit: 100)
      #expect(changes.messages.created == ids.map(\.rawValue))
      #expect(changes.operations.created.isEmpty)
      let rows = try await fixture.pool.query(
        "select noun from change where seq > \(start.seq) and noun = 'message'"
      )
      #expect(rows.count == 1)
      for (id, expected) in zip(ids, [Self.raw("one"), Self.raw("two")]) {
        let blob = try #require(try await store.message(id, of: account).row(0).blobID)
        #expect(try await store.blob(blob, of: account) == expected)
      }
      let blob = try #require(try await store.message(ids[2], of: account).row(0).blobID)
      #expect(try await store.blob(blob, of: account) == Self.raw("three", size: large))
      #expect(try await store.blobSize(blob, of: account) == Int64(large))
      #expect(try await store.account(account)?.keptBytes == Int64(200 + large))
    }
  }

  @Test func `the bytes of a message are whole wherever they stand`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      // Those of one chunk that does not shrink stand beside the blob, all that is short in it.
      let noise = (0..<40_000).map { _ in UInt8.random(in: 0 ... .max) }
      let all = [Self.raw("short"), noise, Self.raw("long", size: 200_000)]
      let batch = try all.enumerated().map { index, raw in
        var delivery = try Self.delivery("\(index)", fixture.inbox)
        delivery.blob = try RawBlob(raw, by: Compressors())
        return delivery
      }
      let ids = try await deliver(batch, fixture)
      #expect(try await count("blob where data is not null", fixture) == 2)
      #expect(try await count("blob_chunk", fixture) == 1)
      var blobs: [ID<Blob>] = []
      for (id, raw) in zip(ids, all) {
        let blob = try #require(
          try await fixture.store.message(id, of: fixture.account).row(0).blobID
        )
        #expect(try await fixture.store.blob(blob, of: fixture.account) == raw)
        blobs.append(blob)
      }
      let compressed = try await fixture.store.compressedBlobs(blobs, of: fixture.account)
      #expect(
        try blobs.map {
          try compressed[$0]?.map { try Compression.decompress($0.span, limit: 1 << 18) }
        }
          == all.map { [$0] }
      )
      #expect(try await fixture.store.destroyMessages(ids, of: fixture.account).isEmpty)
      #expect(try await count("blob", fixture) == 0)
      #expect(try await count("blob_chunk", fixture) == 0)
    }
  }

  @Test func `messages of one batch, and of later ones, find their threads`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      let first = try await deliver(
        [
          Self.delivery("question", fixture.inbox),
          Self.delivery("answer", fixture.inbox, answering: "question"),
          Self.delivery("other", fixture.inbox),
        ],
        fixture
      )
      let later = try await deliver(
        [Self.delivery("again", fixture.archive, answering: "answer")],
        fixture
      )
      let threads = try await [
        thread(of: first[0], fixture), thread(of: first[1], fixture), thread(of: later[0], fixture),
      ]
      #expect(Set(threads).count == 1)
      #expect(try await thread(of: first[2], fixture) != threads[0])
    }
  }

  @Test func `what is refused holds up no other message of its batch`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      let batch = try [
        Self.delivery("fits", fixture.inbox, size: 600),
        Self.delivery("too large", fixture.inbox, size: 500),
        Self.delivery("fits to the last byte", fixture.inbox, size: 400),
        Self.delivery("is one too many", fixture.inbox, size: 100),
      ]
      var nowhere = try Self.delivery("nowhere", fixture.inbox)
      nowhere.mailbox = ID(4711)
      var sent = try Self.delivery("sent", fixture.inbox)
      sent.isLimited = false
      let outcomes = try await fixture.store.deliver(
        batch + [nowhere, sent],
        to: fixture.account,
        quota: 1000
      )
      let codes = outcomes.map { outcome -> ErrorCode? in
        if case .failure(let error) = outcome { error.code } else { nil }
      }
      #expect(codes == [nil, .overQuota, nil, .overQuota, .notFound, nil])
      #expect(try await fixture.counters() == [3, 3])
    }
  }

  @Test func `an account's own quota goes before the service's`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      var account = try #require(try await fixture.store.account(fixture.account))
      account.quotaBytes = 50
      account = try await fixture.store.updateAccount(
        account,
        incomingSecret: nil,
        outgoingSecret: nil,
        erasesIncomingSecret: false,
        erasesOutgoingSecret: false,
        ifVersion: nil
      )
      #expect(account.quotaBytes == 50)
      let outcome = try await fixture.store.deliver(
        [Self.delivery("more", fixture.inbox)],
        to: fixture.account,
        quota: 1_000_000
      )[0]
      #expect(throws: ServiceError.self) { try outcome.get() }
      #expect(try await count("blob", fixture) == 0)
    }
  }

  @Test func `a quota does not count against what a server keeps`() async throws {
    try await StoreFixture.with { fixture in
      let outcomes = try await fixture.store.deliver(
        [Self.delivery("draft", fixture.inbox)],
        to: fixture.account,
        quota: 0
      )
      _ = try outcomes.map { try $0.get() }
      #expect(
        try await fixture.store.dueOperations(of: fixture.account, limit: 9).messages.count == 1
      )
    }
  }

  @Test func `what is changed in a local mailbox is final at once`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let id = try await deliver([Self.delivery("one", fixture.inbox)], fixture)[0]
      let (inbox, archive, trash) = (fixture.inbox.id, fixture.archive.id, fixture.trash.id)
      let patches = [
        patch { $0.addKeywords = ["$seen", "work"] }, patch { $0.mailboxes = [archive] },
        patch { $0.addMailboxes = [trash] }, patch { $0.removeKeywords = ["work"] },
        patch { $0.removeMailboxes = [archive] }, patch { $0.mailboxes = [inbox, archive] },
      ]
      for patch in patches {
        #expect(try await store.changeMessages([id], of: account, patch).isEmpty)
      }
      #expect(try await fixture.mailboxes(of: id) == [inbox, archive].sorted())
      #expect(try await fixture.keywords(of: id) == ["$seen"])
      #expect(try await fixture.counters() == [1, 0])
      #expect(try await fixture.counters(fixture.trash) == [0, 0])
      #expect(try await count("operation", fixture) == 0)
      #expect(try await !store.message(id, of: account).row(0).isPending)
      #expect(try await count("placement where origin = 1", fixture) == 2)
    }
  }

  @Test func `a message that leaves its last mailbox goes, and its bytes with it`() async throws {
    try await StoreFixture.with(isLocal: true) { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let ids = try await deliver(
        [Self.delivery("one", fixture.inbox), Self.delivery("two", fixture.inbox)],
        fixture
      )
      let both = patch { $0.addMailboxes = [fixture.archive.id] }
      _ = try await store.changeMessages([ids[0]], of: account, both)
      let start = try await store.feedState(of: account)
      #expect(try await store.destroyMessages([ids[0]], of: account).isEmpty)
      let changes = try await store.changes(of: account, since: start, limit: 100)
      #expect(changes.messages.destroyed == [ids[0].rawValue])
      #expect(changes.threads.destroyed.count == 1)
      #expect(try await store.message(ids[0], of: account).count == 0)
      #expect(try await count("message", fixture) == 1)
      #expect(try await count("blob", fixture) == 1)
      #expect(try await count("blob where data is not null", fixture) == 1)
      #expect(try await count("tombstone", fixture) == 0)
      #expect(try await store.account(account)?.keptBytes == 100)
    }
  }

  @Test func `a local mailbox that holds something is only deleted with what it holds`()
    async throws
  {
    try await StoreFixture.with(isLocal: true) { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let ids = try await deliver(
        [Self.delivery("one", fixture.archive), Self.delivery("two", fixture.archive)],
        fixture
      )
      let also = patch { $0.addMailboxes = [fixture.inbox.id] }
      _ = try await store.changeMessages([ids[0]], of: account, also)
      let code = await errorCode {
        try await store.deleteMailbox(fixture.archive.id, of: account, ifEmpty: true)
      }
      #expect(code == .conflict)
      try await store.deleteMailbox(fixture.archive.id, of: account)
      #expect(try await fixture.mailboxes(of: ids[0]) == [fixture.inbox.id])
      #expect(try await store.message(ids[1], of: account).count == 0)
      #expect(try await count("blob", fixture) == 1)
      #expect(try await count("tombstone", fixture) == 0)
    }
  }

  @Test func `the copy of a sent message takes the place of its draft, once, whatever the quota`()
    async throws
  {
    try await StoreFixture.with(isLocal: true) { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let ids = try await deliver(
        [Self.delivery("draft", fixture.inbox), Self.delivery("answered", fixture.inbox)],
        fixture
      )
      let submission = try await store.insertSubmission(
        NewSubmission(
          identityID: nil,
          sender: "alice@test.invalid",
          recipients: ["bob@test.invalid"],
          message: Self.raw("draft"),
          messageID: nil,
          subject: nil,
          sendAt: nil,
          undoUntil: nil,
          answers: ids[1],
          draft: ids[0]
        ),
        of: account
      )
      var copy = try Self.delivery("draft", fixture.archive, ["$seen"])
      copy.isLimited = false
      for _ in 1...2 { try await store.fileSentCopy(of: submission, copy) }
      #expect(try await fixture.counters(fixture.archive) == [1, 0])
      #expect(try await fixture.counters() == [1, 1])
      #expect(try await fixture.keywords(of: ids[1]) == ["$answered"])
      #expect(try await count("operation", fixture) == 0)
    }
  }
}
