import Bytes
import Model
import Postgres

/// What becomes of each message of a fetched batch: known already, the one that waited for its UID, or new.
struct MergePlan {
  /// Messages whose UIDs are known, and what they are known by.
  private var known: [Int64: (id: Int64, identity: [UInt8])] = [:]
  /// UIDs that an intent of ours is taking away; the server still shows them.
  private var leavingUIDs: Set<Int64> = []
  /// Messages that an intent of ours is taking away from a UID that we were not told.
  private var leaving: Set<[UInt8]> = []
  /// Messages here without a UID and without an intent that has yet to bring them, by identity, oldest first.
  private var waiting: [[UInt8]: [Int64]] = [:]
  /// What vanished elsewhere, or was destroyed a while ago.
  var vanished = RematchPool()
  private var messages: [NewMessage] = []
  /// Ids, and places in `messages`.
  private var matched: [(id: Int64, place: Int)] = []
  private var created: [(id: Int64, place: Int)] = []
  /// Held messages that turned up here, and where they are held.
  private var adopted: [(id: Int64, place: Int, from: Int64)] = []
  /// Those of `created` that got the id of a tombstone.
  private var revived: [Int64] = []
  /// Those of them that were deleted here, where the server did not have them any more.
  private(set) var returned: [(id: Int64, message: NewMessage)] = []
  /// Known messages that the server describes otherwise than we did.
  private var renewed: [(id: Int64, place: Int)] = []
  /// Known messages, in whatever way the server describes them.
  private var refetched: [Int] = []
  /// What the feed says of messages whose flags turned out to be others.
  private var changes = ShownChanges()
  /// Whether the server has messages that are not stored now: an intent takes them away, or is refused.
  private(set) var hasPassedOver = false
  private(set) var counters = CounterChange()
  /// What the feed says of threads.
  private var threadEntries: [FeedEntry] = []
  /// What the mailboxes lost from which messages moved here; known after `store` has run.
  private(set) var sources: [Int64: CounterChange] = [:]

  /// Reads the first four results that `Store.merge` asks for.
  init(known: [PostgresRows]) throws {
    for row in 0..<known[0].count {
      self.known[try known[0].int64(row, 0)] = (
        try known[0].int64(row, 1), try known[0].byteArray(row, 2)
      )
    }
    for row in 0..<known[1].count {
      waiting[try known[1].byteArray(row, 1), default: []].append(try known[1].int64(row, 0))
    }
    for row in 0..<known[2].count { leavingUIDs.insert(try known[2].int64(row, 0)) }
    for row in 0..<known[3].count { leaving.insert(try known[3].byteArray(row, 0)) }
  }

  /// Decides for each message of the batch; `fresh` has an id for each, and what arrived later gets a greater one.
  mutating func sort(_ batch: [NewMessage], _ fresh: [Int64]) {
    var fresh = fresh[...]
    // Oldest first, so that equal messages pair in UID order.
    messages = batch
    let uids = batch.map { $0.uid ?? 0 }
    // No message is copied: each has some dozen fields to count references of.
    for index in batch.indices.sorted(by: { uids[$0] < uids[$1] }) {
      let (uid, identity) = (batch[index].uid, batch[index].identity)
      if let uid, let stored = known[uid] {
        // What was made here is known by its bytes until the server tells its envelope.
        if stored.identity != identity { renewed.append((stored.id, index)) }
        refetched.append(index)
        continue
      }
      if let uid, leavingUIDs.contains(uid) { continue }
      if var ids = waiting[identity], !ids.isEmpty {
        matched.append((ids.removeFirst(), index))
        waiting[identity] = ids
      } else if leaving.contains(identity) {
        hasPassedOver = true
      } else if let same = vanished.isEmpty ? nil : vanished.take(batch[index]) {
        if let from = same.mailbox {
          adopted.append((same.id, index, from))
        } else {
          revived.append(same.id)
          if same.isDeletion { returned.append((same.id, batch[index])) }
          create(same.id, index)
        }
      } else if let id = fresh.popFirst() {
        create(id, index)
      }
    }
  }

  private mutating func create(_ id: Int64, _ place: Int) {
    created.append((id, place))
    counters.count(isSeen: messages[place].isSeen, isDeleted: messages[place].isDeleted, sign: 1)
  }

  /// The flags that the server has for messages that were here before; known after `store` has run.
  var toldFlags: [ServerFlags] {
    (matched.map(\.place) + adopted.map(\.place) + refetched).compactMap { place in
      messages[place].uid.map {
        ServerFlags(
          uid: $0,
          keywords: messages[place].keywords,
          isDeleted: messages[place].isDeleted
        )
      }
    }
  }

  /// The messages that nothing known was matched with.
  var appeared: [(id: Int64, message: NewMessage)] { created.map { ($0.id, messages[$0.place]) } }

  /// The messages that nothing known was matched with and that never were here before, if they are visible.
  var arrived: [Int64] {
    created.filter { !revived.contains($0.id) && !messages[$0.place].isDeleted }.map(\.id)
  }

  /// The messages that moved here, with their UIDs and where they were.
  var moved: [(id: Int64, uid: Int64, from: Int64)] {
    adopted.map { ($0.id, messages[$0.place].uid ?? 0, $0.from) }
  }

  /// Takes up what the flags that the server told have changed.
  mutating func note(_ changes: ShownChanges, _ change: CounterChange) {
    self.changes = changes
    counters.total += change.total
    counters.unread += change.unread
  }

  /// Writes the new rows by COPY and gives the waiting ones their UIDs.
  ///
  /// With `newestFirst` new rows are written in the order in which a list shows them: on the way down through a mailbox
  /// each then goes behind the last one of every index of dates, where PostgreSQL need not search for its place.
  /// `threads` is what `ThreadPlan.lookUp` found of the keys of the batch.
  mutating func store(
    in mailbox: Mailbox,
    newestFirst: Bool,
    threads known: PostgresRows,
    on connection: PostgresConnection
  ) async throws {
    let account = mailbox.accountID
    try await adopt(into: mailbox, on: connection)
    if !revived.isEmpty {
      _ = try await connection.query(
        """
        delete from tombstone where account_id = \(account.rawValue)
          and message_id = any (\(revived)) and identity = any (\(messages.map(\.identity)))
        """
      )
    }
    if !matched.isEmpty {
      _ = try await connection.query(
        """
        update placement p set uid = found.uid, origin = \(PlacementOrigin.server.rawValue)
        from unnest(\(matched.map(\.id))::bigint[],
          \(matched.map { messages[$0.place].uid ?? 0 })::bigint[]) as found (id, uid)
        where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.id.rawValue)
          and p.message_id = found.id and p.uid is null
        """
      )
    }
    if !renewed.isEmpty {
      _ = try await connection.query(
        """
        update message m set identity = told.identity,
          email_id = coalesce(told.email_id, m.email_id)
        from unnest(\(renewed.map(\.id))::bigint[],
          \(renewed.map { messages[$0.place].identity })::bytea[],
          \(renewed.map { messages[$0.place].emailID })::text[]) as told (id, identity, email_id)
        where m.account_id = \(account.rawValue) and m.id = told.id
        """
      )
    }
    guard !created.isEmpty else { return }
    var threads = try ThreadPlan(known: known)
    threads.assign(created, revived: Set(revived), in: &messages)
    var rows = NewMessage.messageRows(created.count)
    var placements = NewMessage.placementRows(created.count)
    for (id, place) in newestFirst ? created.reversed() : created {
      messages[place].write(id: id, of: account, to: &rows)
      messages[place].write(
        placementOf: id,
        in: mailbox.id,
        of: account,
        origin: .server,
        to: &placements
      )
    }
    var shown: Set<Int64> = []
    for (_, place) in created where !messages[place].isDeleted {
      shown.insert(messages[place].threadID)
    }
    threadEntries = try await threads.finish(
      created.map(\.id),
      shownIn: shown,
      // On the way down through a mailbox hardly a thread is hidden, and each batch would ask for many.
      looksForHidden: !newestFirst,
      after: [rows, placements],
      of: account,
      on: connection
    )
  }

  /// Takes the placements of held messages over to the mailbox in which they turned up.
  private mutating func adopt(
    into mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws {
    guard !adopted.isEmpty else { return }
    let rows = try await connection.query(
      """
      update placement p set mailbox_id = \(mailbox.id.rawValue), uid = found.uid,
        origin = \(PlacementOrigin.server.rawValue)
      from unnest(\(moved.map(\.id))::bigint[], \(moved.map(\.uid))::bigint[],
        \(moved.map(\.from))::bigint[]) as found (id, uid, mailbox_id)
      where p.account_id = \(mailbox.accountID.rawValue) and p.mailbox_id = found.mailbox_id
        and p.message_id = found.id and p.uid is null
      returning found.mailbox_id, p.is_seen, p.is_deleted
      """
    )
    for row in 0..<rows.count {
      let (isSeen, isDeleted) = (try rows.bool(row, 1), try rows.bool(row, 2))
      sources[try rows.int64(row, 0), default: CounterChange()]
        .count(isSeen: isSeen, isDeleted: isDeleted, sign: -1)
      counters.count(isSeen: isSeen, isDeleted: isDeleted, sign: 1)
    }
  }

  /// What the feed says of the batch: one row for all new messages.
  func entries(of mailbox: Mailbox) -> [FeedEntry] {
    var entries: [FeedEntry] = []
    let visible = created.filter { !messages[$0.place].isDeleted }.map(\.id).sorted()
    if !visible.isEmpty { entries.append(FeedEntry(.message, .created, visible)) }
    if !visible.isEmpty || !counters.isZero {
      entries.append(
        FeedEntry(
          .mailbox,
          .updated,
          [mailbox.id.rawValue],
          properties: ["totalMessages", "unreadMessages"]
        )
      )
    }
    entries += threadEntries
    let emptier = sources.filter { !$0.value.isZero }.keys.sorted()
    if !emptier.isEmpty {
      entries.append(
        FeedEntry(
          .mailbox,
          .updated,
          emptier,
          properties: ["totalMessages", "unreadMessages"]
        )
      )
    }
    let found = matched.map { ($0.id, $0.place) } + adopted.map { ($0.id, $0.place) }
    let updated = Set(found.lazy.filter { !messages[$0.1].isDeleted }.map(\.0))
      .subtracting(changes.updated).subtracting(changes.doubtful)
    entries.append(FeedEntry(.message, .updated, updated.sorted()))
    return entries + changes.entries
  }
}
