import Bytes
import Model
import Postgres

// Threads are the connected parts of the graph of messages and the Message-IDs that they name. A new message takes the
// thread of what it names, or of what names it; where these are several, they become one, under the oldest id, and the
// other ids stay known as its aliases. A message that nothing ties to another is a thread by itself, with its own number.
//
// A batch costs five statements, whatever its size: what is known of its keys, three COPYs of what is new, and the answers that
// only their subject ties to something. (A small one inserts its rows, all in one round trip.) What stands here of a message outlives it, so that those that answer it stay together.

/// Assigns threads to the new messages of one transaction.
struct ThreadPlan {
  /// The threads joined so far, each under the one that it became part of.
  private var joined: [Int64: Int64] = [:]
  /// The thread of each key seen.
  private var byKey: [Int64: Int64] = [:]
  /// Threads that are not of this batch alone.
  private var known: Set<Int64> = []
  /// The keys of the batch that were not known before.
  private var newKeys: Set<Int64> = []
  /// The threads of the messages that only their subject can tie to others.
  private var bySubject: [Int64: Int64] = [:]
  private var subjects: [(links: ThreadLinks, key: Int64, id: Int64, receivedAt: Timestamp)] = []
  /// The threads of the batch's messages.
  private(set) var threads: Set<Int64> = []

  /// How many answers with one base subject, that name no message, are compared at a time, beside those of the batch.
  private static let answersCompared: Int64 = 200

  /// The keys of the batch, for `lookUp`.
  static func keys(of messages: [ThreadLinks]) -> [Int64] {
    var keys: Set<Int64> = []
    for links in messages {
      if let key = links.message { keys.insert(key) }
      keys.formUnion(links.references)
    }
    // In their order, in which neighbours stand in the same page of the index.
    return keys.sorted()
  }

  /// The statement that finds what is known of `keys`.
  ///
  /// Each key is looked up by itself: given the list of them, PostgreSQL may read all rows of an account.
  static func lookUp(_ keys: [Int64], of account: ID<Account>) -> SQL {
    """
    select k.key, t.thread_id from unnest(\(keys)::bigint[]) as k (key)
    cross join lateral (
      select \(current("r.thread_id", account)) as thread_id from thread_key r
      where r.account_id = \(account.rawValue) and r.key = k.key limit 1) as t
    """
  }

  /// What the thread in `column` is by now.
  private static func current(_ column: SQL, _ account: ID<Account>) -> SQL {
    """
    coalesce((select a.thread_id from thread_alias a
      where a.account_id = \(account.rawValue) and a.id = \(column)), \(column))
    """
  }

  /// Begins with what `lookUp` found.
  init(known rows: PostgresRows) throws {
    for row in 0..<rows.count {
      let (key, thread) = (try rows.int64(row, 0), try rows.int64(row, 1))
      known.insert(thread)
      if let other = byKey[key] { join(thread, other) } else { byKey[key] = thread }
    }
  }

  /// Gives each of the `created` messages its thread.
  ///
  /// Of those that are `revived`, under the ids that they had before, the subject is still remembered.
  mutating func assign(
    _ created: [(id: Int64, place: Int)],
    revived: Set<Int64> = [],
    in messages: inout [NewMessage]
  ) {
    for (id, place) in created {
      let own = messages[place].threadID == 0 ? id : messages[place].threadID
      let links = messages[place].links
      messages[place].threadID = assign(links, id: own)
      if let key = links.subject, !revived.contains(id) {
        subjects.append((links, key, id, messages[place].receivedAt))
      }
    }
    // Some were joined by those that came after them.
    for (id, place) in created {
      messages[place].threadID = root(messages[place].threadID)
      if messages[place].links.subject != nil { bySubject[id] = messages[place].threadID }
    }
  }

  /// The thread of a message, its own `id` where nothing ties it to another; it may be joined to another later.
  private mutating func assign(_ links: ThreadLinks, id: Int64) -> Int64 {
    let keys = links.references + (links.message.map { [$0] } ?? [])
    var thread: Int64?
    for key in keys {
      guard let found = byKey[key] else { continue }
      if let present = thread { join(present, found) }
      thread = root(found)
    }
    let assigned = thread ?? id
    for key in keys where byKey[key] == nil {
      byKey[key] = assigned
      newKeys.insert(key)
    }
    threads.insert(assigned)
    return assigned
  }

  /// The thread that `thread` is part of by now.
  func root(_ thread: Int64) -> Int64 {
    var thread = thread
    while let next = joined[thread] { thread = next }
    return thread
  }

  private mutating func join(_ one: Int64, _ other: Int64) {
    let (one, other) = (root(one), root(other))
    guard one != other else { return }
    // Threads that callers know live on; among those, and among the others, the oldest.
    let oneLives = known.contains(one) == known.contains(other) ? one < other : known.contains(one)
    joined[oneLives ? other : one] = oneLives ? one : other
  }

  // MARK: - After the rows are stored

  /// Stores the batch's `rows`, remembers what they name, joins what only subjects tie together, and tells the feed.
  ///
  /// `shown` are the threads of the messages that callers see; nil where they see all of them. With `looksForHidden` a thread
  /// that was there but not shown is told of as created.
  ///
  /// - Returns: What the feed is to say of threads, and of messages stored before that changed theirs.
  mutating func finish(
    _ created: [Int64],
    shownIn shown: Set<Int64>? = nil,
    looksForHidden: Bool = false,
    after rows: [BulkRows],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let found = try await BulkRows.store(
      rows + [
        keyRows(account), subjectRows(subjects, "thread_subject", account),
        subjectRows(subjects.filter(\.links.answersSubject), "thread_answer", account),
      ],
      then: subjects.isEmpty ? [] : [answersStatement(account)],
      on: connection
    )
    if let found = found.first {
      for row in 0..<found.count {
        let (one, other) = (try found.int64(row, 0), try found.int64(row, 1))
        // Whatever is not of this batch was there before.
        for thread in [one, other] where !threads.contains(thread) { known.insert(thread) }
        join(one, other)
      }
    }
    let moved = try await storeJoined(account, on: connection)
    let roots = Set((shown ?? threads).map { root($0) })
    let grown = roots.intersection(known)
    let hidden =
      looksForHidden ? try await hidden(grown, but: created, account, on: connection) : []
    return entries(moved: moved.subtracting(created), roots, hidden)
  }

  /// The threads that answers with the batch's subjects are of, with those of what they answer.
  private func answersStatement(_ account: ID<Account>) -> SQL {
    let answers = subjects.filter(\.links.answersSubject)
    return """
      select \(Self.current("r.thread_id", account)), \(Self.current("o.thread_id", account))
      from (
        select r.key, r.received_at, r.message_id, r.thread_id
        from unnest(\(Array(Set(subjects.map(\.key))))::bigint[]) as k (key)
        cross join lateral (select * from thread_answer r
          where r.account_id = \(account.rawValue) and r.key = k.key
          order by r.received_at desc limit \(Self.answersCompared)) as r
        union
        select * from unnest(\(answers.map(\.key))::bigint[], \(answers.map(\.receivedAt))::timestamptz[],
          \(answers.map(\.id))::bigint[], \(answers.map { bySubject[$0.id] ?? $0.id })::bigint[])
      ) as r
      cross join lateral (select o.thread_id from thread_subject o
        where o.account_id = \(account.rawValue) and o.key = r.key
          and (o.received_at, o.message_id) < (r.received_at, r.message_id)
        order by o.received_at desc, o.message_id desc limit 1) as o
      """
  }

  /// The keys of the batch, which nobody else adds under the account's lock.
  private func keyRows(_ account: ID<Account>) -> BulkRows {
    var rows = BulkRows(
      "thread_key",
      [("account_id", .int8), ("key", .int8), ("thread_id", .int8)],
      capacity: newKeys.count * 40
    )
    // In their order, so that neighbours in the index are written together.
    for key in newKeys.sorted() {
      let thread = root(byKey[key] ?? 0)
      rows.add { row in
        row.write(account.rawValue)
        row.write(key)
        row.write(thread)
      }
    }
    return rows
  }

  /// The subjects of the batch, likewise.
  private func subjectRows(
    _ subjects: [(links: ThreadLinks, key: Int64, id: Int64, receivedAt: Timestamp)],
    _ table: String,
    _ account: ID<Account>
  ) -> BulkRows {
    var rows = BulkRows(
      table,
      [
        ("account_id", .int8), ("key", .int8), ("received_at", .timestamptz),
        ("message_id", .int8), ("thread_id", .int8),
      ],
      capacity: subjects.count * 64
    )
    for subject in subjects.sorted(by: { $0.key < $1.key }) {
      let thread = bySubject[subject.id] ?? subject.id
      rows.add { row in
        row.write(account.rawValue)
        row.write(subject.key)
        row.write(subject.receivedAt)
        row.write(subject.id)
        row.write(thread)
      }
    }
    return rows
  }

  /// Moves the messages of joined threads; their ids.
  private func storeJoined(
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Set<Int64> {
    guard !joined.isEmpty else { return [] }
    let losers = joined.keys.sorted()
    let pairs: SQL = """
      unnest(\(losers)::bigint[], \(losers.map { root($0) })::bigint[]) as j (id, thread_id)
      """
    let results = try await connection.pipeline([
      """
      update message m set thread_id = j.thread_id, version = version + 1
      from \(pairs) where m.account_id = \(account.rawValue) and m.thread_id = j.id
      returning m.id
      """,
      """
      update thread_alias a set thread_id = j.thread_id
      from \(pairs) where a.account_id = \(account.rawValue) and a.thread_id = j.id
      """,
      """
      insert into thread_alias (account_id, id, thread_id)
      select \(account.rawValue), j.id, j.thread_id from \(pairs)
      on conflict (account_id, id) do update set thread_id = excluded.thread_id
      """,
    ])
    return Set(try (0..<results[0].count).map { try results[0].int64($0, 0) })
  }

  /// Those of `threads` that callers see for the first message of the batch.
  private func hidden(
    _ threads: Set<Int64>,
    but created: [Int64],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Set<Int64> {
    guard !threads.isEmpty else { return [] }
    let rows = try await connection.query(
      """
      select t.id from unnest(\(threads.sorted())::bigint[]) as t (id)
      where not exists (select 1 from message m
        join placement p on p.account_id = m.account_id and p.message_id = m.id and not p.is_deleted
        where m.account_id = \(account.rawValue) and m.thread_id = t.id
          and m.id <> all (\(created)))
      """
    )
    return Set(try (0..<rows.count).map { try rows.int64($0, 0) })
  }

  private func entries(
    moved: Set<Int64>,
    _ roots: Set<Int64>,
    _ hidden: Set<Int64>
  ) -> [FeedEntry] {
    let lost = joined.keys.filter { known.contains($0) }.sorted()
    let grown = roots.union(lost.map { root($0) }).filter { known.contains($0) }
      .subtracting(hidden)
    return [
      FeedEntry(.thread, .created, roots.subtracting(known).union(hidden).sorted()),
      FeedEntry(.thread, .updated, grown.sorted()), FeedEntry(.thread, .destroyed, lost),
      FeedEntry(.message, .updated, moved.sorted()),
    ]
  }
}
