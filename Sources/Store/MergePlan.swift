import Bytes
import Model
import Postgres

/// What becomes of each message of a fetched batch: known already, the one that waited for its UID, or new.
struct MergePlan {
  private var knownUIDs: Set<Int64> = []
  /// UIDs that an intent of ours is taking away; the server still shows them.
  private var leavingUIDs: Set<Int64> = []
  /// Messages that an intent of ours is taking away from a UID that we were not told.
  private var leaving: Set<[UInt8]> = []
  /// Messages here without a UID and without an intent that has yet to bring them, by identity, oldest first.
  private var waiting: [[UInt8]: [Int64]] = [:]
  private var messages: [NewMessage] = []
  /// Ids, and places in `messages`.
  private var matched: [(id: Int64, place: Int)] = []
  private var created: [(id: Int64, place: Int)] = []
  private(set) var counters = CounterChange()
  /// What the feed says of threads.
  private var threadEntries: [FeedEntry] = []

  /// Reads the four results that `Store.merge` asks for.
  init(known: [PostgresRows]) throws {
    for row in 0..<known[0].count { knownUIDs.insert(try known[0].int64(row, 0)) }
    for row in 0..<known[1].count {
      waiting[try known[1].byteArray(row, 1), default: []].append(try known[1].int64(row, 0))
    }
    for row in 0..<known[2].count { leavingUIDs.insert(try known[2].int64(row, 0)) }
    for row in 0..<known[3].count { leaving.insert(try known[3].byteArray(row, 0)) }
  }

  /// Decides for each message of the batch; `fresh` has an id for each.
  mutating func sort(_ batch: [NewMessage], _ fresh: [Int64]) {
    // Oldest first, so that equal messages pair in UID order.
    messages = batch
    let uids = batch.map { $0.uid ?? 0 }
    for index in batch.indices.sorted(by: { uids[$0] < uids[$1] }) {
      let message = batch[index]
      if let uid = message.uid, knownUIDs.contains(uid) || leavingUIDs.contains(uid) { continue }
      if var ids = waiting[message.identity], !ids.isEmpty {
        matched.append((ids.removeFirst(), index))
        waiting[message.identity] = ids
      } else if leaving.contains(message.identity) {
        continue
      } else {
        created.append((fresh[index], index))
        counters.count(isSeen: message.isSeen, isDeleted: message.isDeleted, sign: 1)
      }
    }
  }

  /// Writes the new rows by COPY and gives the waiting ones their UIDs.
  mutating func store(in mailbox: Mailbox, on connection: PostgresConnection) async throws {
    let account = mailbox.accountID
    for (id, place) in matched {
      _ = try await connection.query(
        """
        update placement set uid = \(messages[place].uid), origin = \(PlacementOrigin.server.rawValue)
        where account_id = \(account.rawValue) and mailbox_id = \(mailbox.id.rawValue)
          and message_id = \(id) and uid is null
        """
      )
    }
    guard !created.isEmpty else { return }
    let links = created.map { messages[$0.place].links }
    var threads = try ThreadPlan(
      known: try await connection.query(
        ThreadPlan.lookUp(ThreadPlan.keys(of: links), of: account)
      )
    )
    threads.assign(created, in: &messages)
    var rows = CopyWriter(capacity: created.count * 1024)
    var placements = CopyWriter()
    for (id, place) in created {
      messages[place].write(id: id, of: account, to: &rows)
      messages[place].write(
        placementOf: id,
        in: mailbox.id,
        of: account,
        origin: .server,
        to: &placements
      )
    }
    _ = try await connection.copyIn(NewMessage.messageCopy, rows: rows)
    _ = try await connection.copyIn(NewMessage.placementCopy, rows: placements)
    threadEntries = try await threads.finish(created.map(\.id), of: account, on: connection)
  }

  /// What the feed says of the batch: one row for all new messages.
  func entries(of mailbox: Mailbox) -> [FeedEntry] {
    var entries: [FeedEntry] = []
    let visible = created.filter { !messages[$0.place].isDeleted }.map(\.id).sorted()
    if !visible.isEmpty {
      entries.append(FeedEntry(.message, .created, visible))
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
    if !matched.isEmpty { entries.append(FeedEntry(.message, .updated, matched.map(\.id))) }
    return entries
  }
}
