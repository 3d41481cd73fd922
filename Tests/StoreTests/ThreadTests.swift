import Bytes
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Threads", .timeLimit(.minutes(6))) struct ThreadTests {
  private static func mail(
    _ uid: Int64,
    _ id: String?,
    naming references: [String] = [],
    subject: String? = nil,
    isAnswer: Bool = false,
    at second: Int64? = nil
  ) -> NewMessage {
    var message = NewMessage(
      uid: uid,
      keywords: [],
      isDeleted: false,
      receivedAt: Timestamp(seconds: 1_700_000_000 + (second ?? uid)),
      size: 1000,
      identity: Array("\(uid)".utf8),
      sentAt: nil,
      hasAttachment: uid == 2
    )
    message.links.message = id.map { ThreadLinks.key(of: $0) }
    message.links.references = references.map { ThreadLinks.key(of: $0) }
    message.links.subject = subject.map { ThreadLinks.key(of: $0) }
    message.links.answersSubject = isAnswer
    message.columns.text(.subject, subject)
    message.columns.text(.messageID, id)
    return message
  }

  /// The UIDs of each thread, as the rows have them.
  private func partition(_ fixture: StoreFixture) async throws -> Set<Set<Int64>> {
    let rows = try await fixture.pool.query(
      """
      select array_agg(p.uid) from message m
      join placement p on p.account_id = m.account_id and p.message_id = m.id
      group by m.thread_id
      """
    )
    return Set(try (0..<rows.count).map { Set(try rows.int64Array($0, 0)) })
  }

  @Test func `answers share a thread in whatever order they come`() async throws {
    let a = Self.mail(1, "a")
    let b = Self.mail(2, "b", naming: ["a"])
    let c = Self.mail(3, "c", naming: ["b"])
    let other = Self.mail(4, "other", naming: ["missing"])
    let sibling = Self.mail(5, "sibling", naming: ["missing"])
    for order in [
      [a, b, c, other, sibling], [sibling, c, b, a, other], [c, a, other, sibling, b],
    ] {
      for size in [1, 2, 5] {
        try await StoreFixture.with { fixture in
          for start in stride(from: 0, to: order.count, by: size) {
            try await fixture.merge(Array(order[start..<min(start + size, order.count)]))
          }
          #expect(try await partition(fixture) == [[1, 2, 3], [4, 5]])
        }
      }
    }
  }

  @Test func `a late message joins two threads, and the feed and the old id say so`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([Self.mail(1, "a")])
      try await fixture.merge([Self.mail(3, "c", naming: ["b"])])
      let ids = try await fixture.ids()
      let before = try await store.threads(of: account, limit: 10).threads
      #expect(before.map(\.totalMessages) == [1, 1])
      let (younger, older) = (before[0].id, before[1].id)
      let state = try await store.feedState(of: account)
      try await fixture.merge([Self.mail(2, "b", naming: ["a"])])
      let changes = try await store.changes(of: account, since: state, limit: 100)
      #expect(changes.threads.destroyed == [younger.rawValue])
      #expect(changes.threads.updated == [older.rawValue])
      #expect(changes.messages.updated == [try #require(ids[3]).rawValue])
      let joined = try #require(try await store.thread(older, of: account))
      #expect(joined.totalMessages == 3)
      #expect(joined.messages.count == 3)
      #expect(try await store.thread(younger, of: account)?.id == older)
      var query = MessageQuery()
      query.thread = younger
      #expect(try await store.countMessages(of: account, query) == 3)
      // What names the destroyed thread's messages still finds the way.
      try await fixture.merge([Self.mail(4, "d", naming: ["c"])])
      #expect(try await partition(fixture) == [[1, 2, 3, 4]])
    }
  }

  @Test func `an answer that names nothing follows the newest older message of its subject`()
    async throws
  {
    let messages = [
      Self.mail(1, "jan", subject: "invoice"), Self.mail(2, "feb", subject: "invoice"),
      Self.mail(3, nil, subject: "invoice", isAnswer: true),
      Self.mail(4, "mar", subject: "invoice"), Self.mail(5, nil, subject: "lunch", isAnswer: true),
      Self.mail(6, nil, subject: "lunch", isAnswer: true),
    ]
    for order in [messages, messages.reversed()] {
      for size in [1, 6] {
        try await StoreFixture.with { fixture in
          for start in stride(from: 0, to: order.count, by: size) {
            try await fixture.merge(Array(order[start..<start + size]))
          }
          #expect(try await partition(fixture) == [[1], [2, 3], [4], [5, 6]])
        }
      }
    }
  }

  @Test func `answers of one subject are one thread, however many come together`() async throws {
    let answers = (1...450).map { Self.mail($0, nil, subject: "status", isAnswer: true) }
    try await StoreFixture.with { fixture in
      try await fixture.merge(Array(answers[300...]))
      try await fixture.merge(Array(answers[..<300]))
      #expect(try await partition(fixture).count == 1)
    }
  }

  @Test(arguments: [
    (#""01KF8JCEOCBS0045PS"@xxx.yyy.com"#, "01KF8JCEOCBS0045PS@xxx.yyy.com"),
    (#""a \"b\\"@x"#, #"a "b\@x"#), (#"a."b".c@x"#, "a.b.c@x"),
  ])
  func `a Message-ID is the same with quotes that it does not need`(
    _ quoted: String,
    _ plain: String
  ) {
    // What has quotes of its own is written with them; without, no Message-ID has any.
    #expect(ThreadLinks.key(of: quoted) == ThreadLinks.key(of: Array(plain.utf8).span))
  }

  @Test func `the threads of a mailbox are all there, each once, right after its first sync`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let messages = (1...800).map { uid in
        Self.mail(uid, "\(uid)", naming: uid % 4 == 0 ? ["\(uid - 1)"] : [])
      }
      for start in stride(from: 0, to: 800, by: 100) {
        try await fixture.merge(Array(messages[start..<start + 100]))
      }
      let page = try await fixture.store.threads(
        of: fixture.account,
        in: fixture.inbox.id,
        limit: 700
      )
      #expect(page.threads.count == 600)
      #expect(page.threads.map(\.totalMessages).reduce(0, +) == 800)
    }
  }

  @Test func `threads are the connected parts of any graph`() async throws {
    var random = SeededGenerator(seed: 5256)
    for _ in 0..<4 {
      let count = 60
      var edges: [[Int]] = []
      for index in 0..<count {
        edges.append(
          (0..<Int.random(in: 0...2, using: &random)).map { _ in
            Int.random(in: 0..<count + 20, using: &random)
          }.filter { $0 != index }
        )
      }
      var order = Array(0..<count)
      order.shuffle(using: &random)
      let size = Int.random(in: 1...20, using: &random)
      let batches = stride(from: 0, to: count, by: size).map { start in
        order[start..<min(start + size, count)].map { index in
          Self.mail(Int64(index), "m\(index)", naming: edges[index].map { "m\($0)" })
        }
      }
      try await StoreFixture.with { fixture in
        for batch in batches { try await fixture.merge(batch) }
        #expect(try await partition(fixture) == Self.parts(count, edges))
      }
    }
  }

  /// The connected parts of a graph of which only the first `count` nodes are messages.
  private static func parts(_ count: Int, _ edges: [[Int]]) -> Set<Set<Int64>> {
    var part = Array(0..<count + 20)
    for _ in 0..<count {
      for (from, targets) in edges.enumerated() {
        for to in targets {
          let lowest = min(part[from], part[to])
          part[from] = lowest
          part[to] = lowest
        }
      }
    }
    return Set(Dictionary(grouping: 0..<count) { part[$0] }.values.map { Set($0.map(Int64.init)) })
  }

  @Test func `the list shows each thread once, those with news first`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge(
        (0..<12).map { index in
          let root = index % 4
          return Self.mail(Int64(index + 1), "m\(index)", naming: index < 4 ? [] : ["m\(root)"])
        }
      )
      try await fixture.merge([Self.mail(50, "x", naming: ["m1"])], into: fixture.archive)
      var shown: [ThreadSummary] = []
      var position: MessagePosition?
      repeat {
        let page = try await store.threads(of: account, after: position, limit: 1)
        shown += page.threads
        position = page.hasMore ? page.threads.last?.position : nil
      } while position != nil
      #expect(shown.map(\.totalMessages) == [4, 3, 3, 3])
      #expect(Set(shown.map(\.id)).count == 4)
      #expect(shown.map(\.receivedAt) == shown.map(\.receivedAt).sorted(by: >))
      #expect(shown[0].mailboxes == [fixture.inbox.id, fixture.archive.id].sorted())
      #expect(shown.map(\.hasAttachment) == [true, false, false, false])
      let inInbox = try await store.threads(of: account, in: fixture.inbox.id, limit: 10)
      #expect(inInbox.threads.map(\.id) == [shown[1], shown[2], shown[0], shown[3]].map(\.id))
      let inArchive = try await store.threads(of: account, in: fixture.archive.id, limit: 10)
      #expect(inArchive.threads.map(\.id) == [shown[0].id])
      #expect(try await store.countThreads(of: account) == 4)
      #expect(try await store.countThreads(of: account, in: fixture.archive.id) == 1)

      let state = try await store.feedState(of: account)
      try await store.holdVanished([1, 5, 9, 2], from: fixture.inbox)
      try await fixture.removeHeld()
      let changes = try await store.changes(of: account, since: state, limit: 100)
      #expect(changes.threads.destroyed == [shown[3].id.rawValue])
      #expect(changes.threads.updated == [shown[0].id.rawValue])
      #expect(try await store.thread(shown[3].id, of: account) == nil)
    }
  }

  @Test func `what is known of a thread goes when its messages cannot come back`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      func kept() async throws -> [Int64] {
        let rows = try await fixture.pool.query(
          """
          select (select count(*) from thread_key), (select count(*) from thread_subject),
            (select count(*) from thread_alias), (select count(*) from dead_thread)
          """
        )
        return try (0..<4).map { try rows.int64(0, $0) }
      }
      try await fixture.merge([Self.mail(1, "a", subject: "lunch"), Self.mail(4, "z")])
      try await fixture.merge([Self.mail(3, "c", naming: ["b"])])
      try await fixture.merge([Self.mail(2, "b", naming: ["a"])])
      #expect(try await kept() == [4, 1, 1, 0])
      try await fixture.store.holdVanished([1, 2], from: fixture.inbox)
      try await fixture.removeHeld()
      #expect(try await kept() == [4, 1, 1, 0])
      try await fixture.store.holdVanished([3, 4], from: fixture.inbox)
      try await fixture.removeHeld()
      try await store.forgetDeadThreads()
      #expect(try await kept() == [4, 1, 1, 2])
      // One comes back in time: by its key it finds its thread.
      try await fixture.merge([Self.mail(5, "d", naming: ["c"])])
      try await store.forgetDeadThreads(olderThan: 0)
      #expect(try await kept() == [4, 1, 1, 0])
      try await fixture.store.holdVanished([5], from: fixture.inbox)
      try await fixture.removeHeld()
      try await store.forgetDeadThreads(olderThan: 0)
      #expect(try await kept() == [0, 0, 0, 0])
    }
  }
}

/// Numbers that are the same in every run (SplitMix64).
private struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
