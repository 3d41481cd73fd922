import Bytes
import Model
import Postgres

/// Turns a patch of messages into changed placements, counters, intents and what the feed says.
///
/// What is done in a local mailbox, or to a message that is kept here alone, has no intent: no server stands behind it. But where the
/// account keeps what its server has, a message that is kept here alone goes to the server with a mailbox of it that it is put into.
struct IntentPlan {
  private struct Placement {
    var mailbox: Int64
    var uid: Int64?
    var keywords: [String]
    var receivedAt: Timestamp
    /// Whether the message is in this mailbox here alone.
    var isLocal: Bool

    var isSeen: Bool { keywords.contains("$seen") }
  }

  private enum Write {
    case keywords(message: Int64, Placement)
    case insert(message: Int64, Placement)
    case remove(message: Int64, mailbox: Int64)
  }

  private var placements: [Int64: [Placement]] = [:]
  /// The mailboxes of the account, and whether they are local.
  private var mailboxes: [Int64: Bool] = [:]
  private var writes: [Write] = []
  private var counters: [Int64: CounterChange] = [:]
  private var destroyed: [Int64] = []
  private(set) var operations: [PlannedOperation] = []
  private(set) var changed: [Int64] = []
  /// Messages that were taken out of a local mailbox for good, and may be in none any more.
  private(set) var expungedHere: [Int64] = []
  /// Messages kept here alone that are to be brought to the server: an intent of that kind which was refused is over.
  private(set) var brought: [Int64] = []
  /// Those whose bytes are here, of an account that keeps what its server has.
  private var bringable: Set<Int64> = []

  /// Reads messages, with whether they can be brought to a server, where they are, and the account's mailboxes.
  init(messages: PostgresRows, placements rows: PostgresRows, mailboxes: PostgresRows) throws {
    for row in 0..<messages.count where try messages.bool(row, 2) {
      bringable.insert(try messages.int64(row, 0))
    }
    for row in 0..<mailboxes.count {
      self.mailboxes[try mailboxes.int64(row, 0)] = try mailboxes.bool(row, 1)
    }
    for row in 0..<rows.count {
      let mailbox = try rows.int64(row, 1)
      placements[try rows.int64(row, 0), default: []].append(
        Placement(
          mailbox: mailbox,
          uid: try rows.optionalInt64(row, 2),
          keywords: try rows.stringArray(row, 3),
          receivedAt: try rows.timestamp(row, 5),
          isLocal: try isLocal(mailbox)
            || rows.int16(row, 6) == PlacementOrigin.local.rawValue
        )
      )
    }
  }

  var isEmpty: Bool { writes.isEmpty }

  func contains(_ message: ID<Message>) -> Bool { placements[message.rawValue] != nil }

  /// Applies a patch to every message.
  mutating func apply(_ patch: MessagePatch) throws(ServiceError) {
    for mailbox in (patch.mailboxes ?? []) + patch.addMailboxes
    where mailboxes[mailbox.rawValue] == nil {
      throw ServiceError(
        .unprocessable,
        "The account has no such mailbox.",
        fields: [
          FieldError(
            pointer: "/mailboxIds/\(mailbox)",
            code: "not_found",
            detail: "An id of a mailbox of this account."
          )
        ]
      )
    }
    for message in placements.keys.sorted() {
      let before = writes.count
      changeKeywords(of: message, patch)
      try changeMailboxes(of: message, patch)
      if writes.count > before { changed.append(message) }
    }
  }

  /// Takes every message out of every mailbox.
  mutating func destroy() {
    for message in placements.keys.sorted() {
      for placement in placements[message] ?? [] { expunge(message, placement) }
      destroyed.append(message)
    }
  }

  /// Takes every message out of `mailbox`, also where it is in no other.
  mutating func destroy(in mailbox: ID<Mailbox>) {
    for message in placements.keys.sorted() {
      let list = placements[message] ?? []
      guard let place = list.first(where: { $0.mailbox == mailbox.rawValue }) else { continue }
      expunge(message, place)
      if list.count == 1 { destroyed.append(message) } else { changed.append(message) }
    }
  }

  private mutating func changeKeywords(of message: Int64, _ patch: MessagePatch) {
    guard var list = placements[message] else { return }
    for index in list.indices {
      let old = Set(list[index].keywords)
      var new = patch.replacesKeywords ? [] : old.subtracting(patch.removeKeywords)
      new.formUnion(patch.addKeywords)
      guard new != old else { continue }
      count(list[index], -1)
      let operation = PlannedOperation(
        kind: "keywords",
        message: message,
        mailbox: list[index].mailbox,
        uid: list[index].uid,
        add: new.subtracting(old).sorted(),
        remove: old.subtracting(new).sorted(),
        previous: old.sorted()
      )
      list[index].keywords = new.sorted()
      count(list[index], 1)
      writes.append(.keywords(message: message, list[index]))
      queue(operation, list[index])
    }
    placements[message] = list
  }

  private mutating func changeMailboxes(
    of message: Int64,
    _ patch: MessagePatch
  ) throws(ServiceError) {
    // Places that the server has told come first: from those the message is taken and copied.
    let list = (placements[message] ?? []).sorted { $0.uid != nil && $1.uid == nil }
    guard let first = list.first else { return }
    let current = Set(list.map(\.mailbox))
    var wanted = patch.mailboxes.map { Set($0.map(\.rawValue)) } ?? current
    wanted.formUnion(patch.addMailboxes.map(\.rawValue))
    wanted.subtract(patch.removeMailboxes.map(\.rawValue))
    guard wanted != current else { return }
    guard !wanted.isEmpty else {
      throw ServiceError(
        .unprocessable,
        "A message is always in at least one mailbox; delete it instead.",
        fields: [
          FieldError(
            pointer: "/mailboxIds",
            code: "range",
            detail: "At least one mailbox."
          )
        ]
      )
    }
    var added = wanted.subtracting(current).sorted()
    let removed = list.filter { !wanted.contains($0.mailbox) }
    // Copies come before moves, which take their source away, and expunges last of all.
    for target in added.dropLast(removed.count) {
      try checkKept(first, in: target)
      copy(message, first, to: target)
    }
    added = added.suffix(removed.count)
    for placement in removed {
      if let target = added.popLast() {
        try checkKept(placement, in: target)
        move(message, placement, to: target)
      } else {
        expunge(message, placement)
      }
    }
  }

  /// What a server has cannot be where it has no mailbox.
  private func checkKept(_ placement: Placement, in target: Int64) throws(ServiceError) {
    guard isLocal(target), !placement.isLocal else { return }
    throw ServiceError(
      .conflict,
      "The server has this mailbox no more: only messages that are kept here alone can go there."
    )
  }

  private mutating func move(_ message: Int64, _ placement: Placement, to target: Int64) {
    if isBrought(message, placement, to: target) {
      remove(message, placement)
      return bring(message, placement, to: target)
    }
    queue(
      PlannedOperation(
        kind: "move",
        message: message,
        mailbox: placement.mailbox,
        uid: placement.uid,
        target: target,
        previous: placement.keywords
      ),
      placement
    )
    remove(message, placement)
    insert(message, placement, into: target)
  }

  private mutating func copy(_ message: Int64, _ placement: Placement, to target: Int64) {
    if isBrought(message, placement, to: target) { return bring(message, placement, to: target) }
    queue(
      PlannedOperation(
        kind: "copy",
        message: message,
        mailbox: placement.mailbox,
        uid: placement.uid,
        target: target
      ),
      placement
    )
    insert(message, placement, into: target)
  }

  private func isBrought(_ message: Int64, _ placement: Placement, to target: Int64) -> Bool {
    placement.isLocal && !isLocal(target) && bringable.contains(message)
  }

  private mutating func bring(_ message: Int64, _ placement: Placement, to target: Int64) {
    var placement = placement
    placement.isLocal = false
    operations.append(
      PlannedOperation(appending: message, to: target, keywords: placement.keywords)
    )
    brought.append(message)
    insert(message, placement, into: target)
  }

  private mutating func expunge(_ message: Int64, _ placement: Placement) {
    queue(
      PlannedOperation(
        kind: "delete",
        message: message,
        mailbox: placement.mailbox,
        uid: placement.uid,
        previous: placement.keywords
      ),
      placement
    )
    if placement.isLocal { expungedHere.append(message) }
    remove(message, placement)
  }

  private func isLocal(_ mailbox: Int64) -> Bool { mailboxes[mailbox] ?? false }

  private mutating func queue(_ operation: PlannedOperation, _ placement: Placement) {
    if !placement.isLocal { operations.append(operation) }
  }

  private mutating func insert(_ message: Int64, _ placement: Placement, into target: Int64) {
    var placement = placement
    placement.mailbox = target
    placement.uid = nil
    count(placement, 1)
    writes.append(.insert(message: message, placement))
  }

  private mutating func remove(_ message: Int64, _ placement: Placement) {
    count(placement, -1)
    writes.append(.remove(message: message, mailbox: placement.mailbox))
  }

  private mutating func count(_ placement: Placement, _ sign: Int64) {
    counters[placement.mailbox, default: CounterChange()]
      .count(isSeen: placement.isSeen, isDeleted: false, sign: sign)
  }

  /// The statements that make the plan visible.
  func statements(_ account: ID<Account>) -> [SQL] {
    writes.map { statement($0, account.rawValue) } + counterStatements(account.rawValue)
  }

  private func statement(_ write: Write, _ account: Int64) -> SQL {
    switch write {
    case .keywords(let message, let placement):
      """
      update placement set keywords = \(placement.keywords), is_seen = \(placement.isSeen)
      where account_id = \(account) and mailbox_id = \(placement.mailbox)
        and message_id = \(message)
      """
    case .insert(let message, let placement):
      """
      insert into placement (account_id, mailbox_id, message_id, uid, origin, keywords, is_seen,
        received_at)
      values (\(account), \(placement.mailbox), \(message), null,
        \(PlacementOrigin(ofNewIn: placement.isLocal).rawValue), \(placement.keywords),
        \(placement.isSeen),
        \(placement.receivedAt))
      on conflict (account_id, mailbox_id, message_id) do update
        set is_deleted = false, keywords = excluded.keywords, is_seen = excluded.is_seen
      """
    case .remove(let message, let mailbox):
      """
      delete from placement where account_id = \(account) and mailbox_id = \(mailbox)
        and message_id = \(message)
      """
    }
  }

  private func counterStatements(_ account: Int64) -> [SQL] {
    counters.sorted { $0.key < $1.key }.filter { !$0.value.isZero }.map { mailbox, change in
      """
      update mailbox set total_messages = total_messages + \(change.total),
        unread_messages = unread_messages + \(change.unread), version = version + 1
      where account_id = \(account) and id = \(mailbox)
      """
    }
  }

  /// What the feed says of the plan, with which the intents `ended` are over.
  func entries(_ operationIDs: [Int64], ended: [Int64]) -> [FeedEntry] {
    [
      FeedEntry(.message, .updated, changed), FeedEntry(.message, .destroyed, destroyed),
      FeedEntry(
        .mailbox,
        .updated,
        counters.filter { !$0.value.isZero }.keys.sorted(),
        properties: ["totalMessages", "unreadMessages"]
      ),
      FeedEntry(.operation, .created, operationIDs), FeedEntry(.operation, .destroyed, ended),
    ]
  }
}
