import Bytes
package import Model
import Postgres

/// A place in one account's feed of changes; a token to the caller.
package struct FeedState: Sendable, Equatable, CustomStringConvertible {
  /// Which installation's feed, and since which restore.
  package var epoch: Int64
  /// How many changes came before.
  package var seq: Int64

  package init(epoch: Int64, seq: Int64) {
    self.epoch = epoch
    self.seq = seq
  }

  /// The state that `text` spells; nil where it spells none.
  package init?(text: String) {
    var text = text
    text.makeContiguousUTF8()
    var reader = ByteReader(text.utf8.span)
    guard reader.consume("s"), let epoch = reader.number().flatMap(Int64.init(exactly:)),
      reader.consume("-"), let seq = reader.number().flatMap(Int64.init(exactly:)), reader.isAtEnd
    else { return nil }
    self.init(epoch: epoch, seq: seq)
  }

  package var description: String { "s\(epoch)-\(seq)" }
}

/// What kind of resource a change is of.
package enum FeedNoun: String, Sendable {
  case message, mailbox, thread, submission, operation, job, account, rule
}

/// What became of the resources.
package enum FeedAction: String, Sendable {
  case created, updated, destroyed
}

/// One row of the feed to be.
package struct FeedEntry: Sendable {
  package var noun: FeedNoun
  package var action: FeedAction
  package var ids: [Int64]
  /// Which properties changed, where it matters to the reader (a mailbox's counters).
  package var properties: [String]?

  package init(
    _ noun: FeedNoun,
    _ action: FeedAction,
    _ ids: [Int64],
    properties: [String]? = nil
  ) {
    self.noun = noun
    self.action = action
    self.ids = ids
    self.properties = properties
  }
}

extension Store {
  /// Appends `entries` to the feed of `account`: the last statement before commit, since it locks the account's row.
  ///
  /// The raw messages kept here grew by `keptBytes`.
  func append(
    _ entries: [FeedEntry],
    to account: ID<Account>,
    keptBytes: Int64 = 0,
    on connection: PostgresConnection
  ) async throws {
    let entries = entries.filter { !$0.ids.isEmpty }
    guard !entries.isEmpty else { return }
    connection.afterCommit = { [commits] in commits.tell() }
    _ = try await connection.query(feedStatement(entries, account, keptBytes: keptBytes))
  }

  /// The same where nothing else follows in the transaction: it travels with the commit.
  func appendWithCommit(
    _ entries: [FeedEntry],
    to account: ID<Account>,
    keptBytes: Int64 = 0,
    on connection: PostgresConnection
  ) {
    let entries = entries.filter { !$0.ids.isEmpty }
    guard !entries.isEmpty else { return }
    connection.afterCommit = { [commits] in commits.tell() }
    connection.beforeCommit.append(feedStatement(entries, account, keptBytes: keptBytes))
  }

  /// The statement that appends `entries`; an account that is gone takes none.
  ///
  /// A message that is said to be updated and is not shown (it has `\Deleted` wherever it is) is told of as destroyed: whoever
  /// changes a message need not know.
  func feedStatement(
    _ entries: [FeedEntry],
    _ account: ID<Account>,
    keptBytes: Int64 = 0
  ) -> SQL {
    var sql: SQL = "with entry (place, noun, action, ids, properties) as (values "
    for (index, entry) in entries.enumerated() {
      if index > 0 { sql.append(", ") }
      sql.append(
        """
        (\(Int64(index))::bigint, \(entry.noun.rawValue)::text, \(entry.action.rawValue)::text,
         \(entry.ids)::bigint[], \(entry.properties)::text[])
        """
      )
    }
    let updatesMessages = entries.contains { $0.noun == .message && $0.action == .updated }
    sql.append(
      updatesMessages ? "), \(split(account))" : "), told as (select *, place + 1 as n from entry)"
    )
    sql.append(
      """
      , bumped as (
        update account set seq = seq + (select count(*) from told),
          kept_bytes = kept_bytes + \(keptBytes)
        where id = \(account.rawValue)
        returning seq)
      insert into change (account_id, seq, noun, action, ids, properties)
      select \(account.rawValue), bumped.seq - (select count(*) from told) + told.n, told.noun,
        told.action, told.ids, told.properties
      from bumped, told
      """
    )
    return sql
  }

  /// What `entry` has, with the messages that are not shown in entries of their own, and their threads.
  private func split(_ account: ID<Account>) -> SQL {
    let isShown: SQL = """
      exists (select 1 from placement p where p.account_id = \(account.rawValue)
        and p.message_id = id.id and not p.is_deleted)
      """
    let isDoubtful: SQL = "noun = 'message' and action = 'updated'"
    return """
      parted as (
        select place, 0 as part, noun, action, case when \(isDoubtful)
          then array(select id.id from unnest(ids) as id (id) where \(isShown)) else ids end as ids,
          properties
        from entry
        union all
        select place, 1, noun, 'destroyed',
          array(select id.id from unnest(ids) as id (id) where not \(isShown)), properties
        from entry where \(isDoubtful)
        union all
        select e.place, 2, 'thread', case when h.is_shown then 'updated' else 'destroyed' end,
          h.ids, null
        from entry e cross join lateral (
          select t.is_shown, array_agg(t.id) as ids from (
            select distinct m.thread_id as id, exists (select 1 from message o
              join placement p on p.account_id = o.account_id and p.message_id = o.id
                and not p.is_deleted
              where o.account_id = m.account_id and o.thread_id = m.thread_id) as is_shown
            from unnest(e.ids) as id (id)
            join message m on m.account_id = \(account.rawValue) and m.id = id.id
            where not \(isShown)) as t
          group by t.is_shown) as h
        where \(isDoubtful)
      ), told as (
        select noun, action, ids, properties, row_number() over (order by place, part) as n
        from parted where cardinality(ids) > 0)
      """
  }

  /// Where the feed of `account` stands.
  package func feedState(of account: ID<Account>) async throws(ServiceError) -> FeedState {
    try await attempt {
      let rows = try await pool.query(stateStatement(account))
      return try feedState(rows)
    }
  }

  func stateStatement(_ account: ID<Account>) -> SQL {
    """
    select installation.feed_epoch, account.seq, account.oldest_seq
    from account, installation where account.id = \(account.rawValue)
    """
  }

  func feedState(_ rows: PostgresRows) throws -> FeedState {
    guard rows.count == 1 else { throw ServiceError.notFound("account") }
    return FeedState(epoch: try rows.int64(0, 0), seq: try rows.int64(0, 1))
  }

  static let stateTooOld = ServiceError(
    .stateTooOld,
    "This state is too old to tell what changed; list again from the start."
  )

  /// What changed in `account` after `since`, at most `limit` rows of the feed.
  package func changes(
    of account: ID<Account>,
    since: FeedState,
    limit: Int
  ) async throws(ServiceError) -> ChangeSet {
    try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account),
        """
        select seq, noun, action, ids, properties from change
        where account_id = \(account.rawValue) and seq > \(since.seq)
        order by seq limit \(Int64(limit + 1))
        """,
      ])
      let state = try feedState(results[0])
      let oldest = try results[0].int64(0, 2)
      guard since.epoch == state.epoch, since.seq <= state.seq, since.seq >= oldest else {
        throw Self.stateTooOld
      }
      return try changeSet(results[1], since: since, limit: limit)
    }
  }

  private func changeSet(
    _ rows: PostgresRows,
    since: FeedState,
    limit: Int
  ) throws -> ChangeSet {
    var builder = ChangeSetBuilder()
    let count = min(rows.count, limit)
    for row in 0..<count { try builder.apply(rows, row, firstColumn: 1) }
    let last = count > 0 ? try rows.int64(count - 1, 0) : since.seq
    return builder.changeSet(
      newState: FeedState(epoch: since.epoch, seq: last),
      hasMore: rows.count > limit
    )
  }
}
