package import Model
import Postgres

// Messages that vanished from a mailbox and may have been moved to another one.
//
// A client that moves a message makes it vanish here and appear there, and a sync learns of the two
// one after the other, in either order. So what vanished is held: its placement stays, without a UID,
// until a whole pass over all mailboxes that began later has ended. What appears meanwhile and is the
// same message takes the placement over. What is left is destroyed and leaves a tombstone, by which a
// message that appears even later gets its id back. All of it is in the tables, so that a crash at any
// moment leaves what the next pass settles.

/// A placement whose message vanished from its mailbox.
package struct HeldPlacement: Sendable, Hashable {
  package var mailbox: ID<Mailbox>
  package var message: ID<Message>
}

extension Store {
  /// For how many days a tombstone revives an id.
  static let tombstoneDays: Int64 = 7

  /// Holds the messages whose UIDs the server no longer has in `mailbox`; nothing a caller sees changes.
  ///
  /// With `maybeThere` some may be there yet, as `\Deleted`: the next pass looks for them.
  package func holdVanished(
    _ uids: [Int64],
    maybeThere: Bool = false,
    from mailbox: Mailbox
  ) async throws(ServiceError) {
    guard !uids.isEmpty else { return }
    try await hold(mailbox, maybeThere: maybeThere, where: "uid = any (\(uids))")
  }

  /// Holds the messages whose UIDs lie in `ranges`, which the server no longer has in `mailbox`.
  ///
  /// A server may name UIDs that nobody has here, and any number of them.
  package func holdVanished(
    in ranges: [ClosedRange<Int64>],
    from mailbox: Mailbox
  ) async throws(ServiceError) {
    guard !ranges.isEmpty else { return }
    try await hold(
      mailbox,
      where: """
        uid = any (array(select known.uid
          from unnest(\(ranges.map(\.lowerBound))::bigint[], \(ranges.map(\.upperBound))::bigint[])
            as gone (low, high)
          cross join lateral (select uid from placement
            where account_id = \(mailbox.accountID.rawValue)
              and mailbox_id = \(mailbox.id.rawValue)
              and uid >= gone.low and uid <= gone.high) as known))
        """
    )
  }

  /// After a whole pass over `mailbox`: holds what waited to be matched and was not found there.
  package func holdUnmatched(from mailbox: Mailbox) async throws(ServiceError) {
    try await hold(
      mailbox,
      where: "uid is null and origin = \(PlacementOrigin.unmatched.rawValue)"
    )
  }

  private func hold(
    _ mailbox: Mailbox,
    maybeThere: Bool = false,
    where condition: SQL
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(mailbox.accountID) { connection in
        if maybeThere { try await setUnsure(mailbox, on: connection) }
        _ = try await connection.query(
          """
          update placement set uid = null, origin = \(PlacementOrigin.vanished.rawValue)
          where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and \(condition)
          """
        )
      }
    }
  }

  /// All that is held of `account`.
  package func heldPlacements(
    of account: ID<Account>
  ) async throws(ServiceError) -> [HeldPlacement] {
    try await attempt {
      let rows = try await pool.query(
        """
        select mailbox_id, message_id from placement where account_id = \(account.rawValue)
          and uid is null and origin = \(PlacementOrigin.vanished.rawValue)
        """
      )
      return try (0..<rows.count).map { row in
        HeldPlacement(mailbox: ID(try rows.int64(row, 0)), message: ID(try rows.int64(row, 1)))
      }
    }
  }

  /// Removes those of `held` that nothing took over, and the messages that only they held.
  ///
  /// In an account that is offline what is kept here whole stays, and is here alone from then on.
  /// One that an intent is meant for stays until the server has answered that: its id could not go to a copy yet.
  package func removeHeld(
    _ held: [HeldPlacement],
    of account: ID<Account>
  ) async throws(ServiceError) {
    guard !held.isEmpty else { return }
    try await attempt {
      try await mailTransaction(account) { connection in
        try await keepHeld(held, of: account, on: connection)
        let rows = try await connection.query(
          """
          delete from placement p using unnest(\(held.map(\.mailbox.rawValue))::bigint[],
            \(held.map(\.message.rawValue))::bigint[]) as h (mailbox_id, message_id)
          where p.account_id = \(account.rawValue) and p.mailbox_id = h.mailbox_id
            and p.message_id = h.message_id and p.uid is null
            and p.origin = \(PlacementOrigin.vanished.rawValue)
            and not exists (select 1 from operation o where o.account_id = p.account_id
              and o.message_id = p.message_id and o.mailbox_id = p.mailbox_id
              and o.state in ('pending', 'running'))
          returning p.message_id, p.mailbox_id, p.is_seen, p.is_deleted
          """
        )
        guard !rows.isEmpty else { return }
        var counters: [Int64: CounterChange] = [:]
        var left: Set<Int64> = []
        for row in 0..<rows.count {
          left.insert(try rows.int64(row, 0))
          counters[try rows.int64(row, 1), default: CounterChange()].count(
            isSeen: try rows.bool(row, 2),
            isDeleted: try rows.bool(row, 3),
            sign: -1
          )
        }
        let destroyed = try await destroyUnplaced(
          left.sorted(),
          of: account,
          buries: true,
          on: connection
        )
        left.subtract(destroyed)
        try await touch(left.sorted(), of: account, on: connection)
        try await store(counters, of: account, on: connection)
        try await tellThreads(of: left, in: account, on: connection)
        try await append(
          [
            FeedEntry(.message, .destroyed, destroyed),
            FeedEntry(.message, .updated, left.sorted()),
          ]
            + counters.sorted { $0.key < $1.key }.flatMap { counterEntries(ID($0), $1) },
          to: account,
          on: connection
        )
      }
    }
  }

  /// Adds to the counters of several mailboxes.
  func store(
    _ counters: [Int64: CounterChange],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard let statement = countersStatement(counters, of: account) else { return }
    _ = try await connection.query(statement)
  }

  /// The statement that does so; nil where nothing is to be added.
  func countersStatement(_ counters: [Int64: CounterChange], of account: ID<Account>) -> SQL? {
    let changed = counters.filter { !$0.value.isZero }.sorted { $0.key < $1.key }
    guard !changed.isEmpty else { return nil }
    return """
      update mailbox b set total_messages = total_messages + c.total,
        unread_messages = unread_messages + c.unread, version = version + 1
      from unnest(\(changed.map(\.key))::bigint[], \(changed.map(\.value.total))::bigint[],
        \(changed.map(\.value.unread))::bigint[]) as c (id, total, unread)
      where b.account_id = \(account.rawValue) and b.id = c.id
      """
  }
}
