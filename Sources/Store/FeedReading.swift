package import Model
import Postgres

// Readers of one account follow its `seq`. Readers across accounts cannot: transactions commit in another
// order than they began, so there is no moment at which "everything up to here" is there, but for one
// thing that PostgreSQL knows: below `pg_snapshot_xmin` every transaction has ended. So they walk the feed by
// (xid, account, seq), read below that line only, and never look back.

/// A place in the feed of all accounts.
package struct FeedPosition: Sendable, Equatable, Comparable {
  /// The transaction of the last change that came before.
  package var xid: Int64
  package var account: Int64
  package var seq: Int64

  package init(xid: Int64, account: Int64, seq: Int64) {
    self.xid = xid
    self.account = account
    self.seq = seq
  }

  package static func < (left: FeedPosition, right: FeedPosition) -> Bool {
    (left.xid, left.account, left.seq) < (right.xid, right.account, right.seq)
  }
}

/// A place in the feed of all accounts and the feed's epoch: what a subscriber resumes from.
package struct FeedCursor: Sendable, Equatable {
  package var epoch: Int64
  package var position: FeedPosition

  package init(epoch: Int64, position: FeedPosition) {
    self.epoch = epoch
    self.position = position
  }
}

/// What one transaction changed of one account.
package struct FeedTransaction: Sendable {
  package var account: ID<Account>
  /// Where the account's feed stood before.
  package var oldState: FeedState
  package var changes: ChangeSet
  /// The place after it.
  package var cursor: FeedCursor
}

/// A slice of the feed of all accounts.
package struct FeedSlice: Sendable {
  package var transactions: [FeedTransaction]
  /// Where the next slice begins.
  package var position: FeedPosition
  /// Whether more can be read at once.
  package var hasMore: Bool
  /// Whether changes are committed that cannot be read yet, since an older transaction is still open.
  package var isHeldUp: Bool
}

extension Store {
  /// Where a new subscriber of the feed of all accounts begins.
  package func feedCursor() async throws(ServiceError) -> FeedCursor {
    try await attempt {
      let rows = try await pool.query(
        """
        select feed_epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint from installation
        """
      )
      return FeedCursor(
        epoch: try rows.int64(0, 0),
        position: FeedPosition(xid: try rows.int64(0, 1), account: 0, seq: 0)
      )
    }
  }

  /// Throws `state_too_old` where what came after `cursor` was forgotten, or it is of another epoch.
  package func checkResumable(_ cursor: FeedCursor) async throws(ServiceError) {
    try await attempt {
      let rows = try await pool.query(
        """
        select feed_epoch = \(cursor.epoch)
          and \(String(cursor.position.xid))::xid8 >= feed_forgotten_xid from installation
        """
      )
      guard try rows.bool(0, 0) else { throw Self.stateTooOld }
    }
  }

  /// What changed after `position` in `accounts` (nil: in all), about `limit` rows of the feed.
  package func feedSlice(
    after position: FeedPosition,
    accounts: [ID<Account>]? = nil,
    limit: Int
  ) async throws(ServiceError) -> FeedSlice {
    try await attempt {
      let results = try await pool.pipeline([
        // First, so that what is committed after it, and so may be missed below, has a wake-up of its own.
        """
        select feed_epoch, exists (
            select 1 from change where xid >= pg_snapshot_xmin(pg_current_snapshot()))
        from installation
        """,
        sliceStatement(after: position, accounts, limit),
      ])
      let rows = results[1]
      let epoch = try results[0].int64(0, 0)
      var slice = FeedSlice(
        transactions: [],
        position: position,
        hasMore: rows.count > limit,
        isHeldUp: try results[0].bool(0, 1)
      )
      try slice.read(rows, count: Self.wholeRows(rows, limit), epoch: epoch)
      return slice
    }
  }

  /// How many of `rows`, at most `limit`, end with a transaction's last one; `limit` where a single one is longer.
  private static func wholeRows(_ rows: PostgresRows, _ limit: Int) throws -> Int {
    guard rows.count > limit else { return rows.count }
    var count = limit
    while try count > 0 && rows.int64(count - 1, 0) == rows.int64(count, 0)
      && rows.int64(count - 1, 1) == rows.int64(count, 1)
    {
      count -= 1
    }
    return count > 0 ? count : limit
  }

  private func sliceStatement(
    after position: FeedPosition,
    _ accounts: [ID<Account>]?,
    _ limit: Int
  ) -> SQL {
    var sql: SQL = """
      select xid::text::bigint, account_id, seq, noun, action, ids, properties from change
      where xid < pg_snapshot_xmin(pg_current_snapshot())
        and (xid, account_id, seq)
          > (\(String(position.xid))::xid8, \(position.account), \(position.seq))
      """
    if let accounts { sql += " and account_id = any (\(accounts.map(\.rawValue)))" }
    return sql + " order by xid, account_id, seq limit \(Int64(limit + 1))"
  }
}

extension FeedSlice {
  /// Gathers neighbouring rows of one transaction and account.
  fileprivate mutating func read(_ rows: PostgresRows, count: Int, epoch: Int64) throws {
    var row = 0
    while row < count {
      let (xid, account) = (try rows.int64(row, 0), try rows.int64(row, 1))
      let first = try rows.int64(row, 2)
      var builder = ChangeSetBuilder()
      var last = first
      repeat {
        try builder.apply(rows, row, firstColumn: 3)
        last = try rows.int64(row, 2)
        row += 1
      } while try row < count && rows.int64(row, 0) == xid && rows.int64(row, 1) == account
      position = FeedPosition(xid: xid, account: account, seq: last)
      transactions.append(
        FeedTransaction(
          account: ID(account),
          oldState: FeedState(epoch: epoch, seq: first - 1),
          changes: builder.changeSet(
            newState: FeedState(epoch: epoch, seq: last),
            hasMore: false
          ),
          cursor: FeedCursor(epoch: epoch, position: position)
        )
      )
    }
  }
}

extension Store {
  /// Forgets changes older than `age` seconds: of the oldest `limit` rows, those that are.
  ///
  /// Positions and states before what was forgotten are told `state_too_old` from then on.
  ///
  /// - Returns: Whether there may be more of them.
  package func trimFeed(olderThan age: Int64, limit: Int) async throws(ServiceError) -> Bool {
    try await attempt {
      let rows = try await pool.query(
        """
        with oldest as materialized (
          select account_id, seq, at from change
          where xid < pg_snapshot_xmin(pg_current_snapshot())
          order by xid, account_id, seq limit \(Int64(limit))
        ), gone as (
          delete from change c using oldest o
          where c.account_id = o.account_id and c.seq = o.seq
            and o.at < now() - make_interval(secs => \(Double(age)))
          returning c.account_id, c.seq, c.xid
        ), per_account as (
          update account a set oldest_seq = greatest(a.oldest_seq, g.seq)
          from (select account_id, max(seq) as seq from gone group by account_id) as g
          where a.id = g.account_id
        ), whole as (
          update installation i set feed_forgotten_xid = g.xid
          from (select xid from gone order by xid desc limit 1) as g
          where g.xid > i.feed_forgotten_xid
        )
        select count(*) from gone
        """
      )
      return try rows.int64(0, 0) == Int64(limit)
    }
  }

  /// Tells other nodes that there is something to read in the feed; never in a transaction that holds data.
  package func notifyFeed(from node: String) async throws(ServiceError) {
    try await attempt {
      // Nothing is lost with a notification that a crash swallows, and waiting for the disk keeps syncs from it.
      _ = try await pool.query(
        """
        select set_config('synchronous_commit', 'off', true), pg_notify('restante_feed', \(node))
        """
      )
    }
  }

  /// Calls `body` with the name of each node that notifies of the feed, until the task is cancelled.
  ///
  /// The name is empty where notifications may have been lost.
  package func listenToFeed(_ body: (String) -> Void) async {
    for await node in pool.listen(channel: "restante_feed") { body(node) }
  }

  /// Those of `tokens` that were revoked or have expired.
  package func endedTokens(among tokens: [ID<Token>]) async throws(ServiceError) -> [ID<Token>] {
    try await attempt {
      let rows = try await pool.query(
        """
        select t.id from unnest(\(tokens.map(\.rawValue))::bigint[]) as t (id)
        where not exists (select 1 from token where token.id = t.id and not is_revoked
          and (expires_at is null or expires_at > now()))
        """
      )
      return try (0..<rows.count).map { ID(try rows.int64($0, 0)) }
    }
  }
}
