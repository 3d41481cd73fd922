package import Model
import Postgres

/// The flags that the server has for one message.
package struct ServerFlags: Sendable, Equatable {
  package var uid: Int64
  /// In JMAP's form, sorted.
  package var keywords: [String]
  package var isDeleted: Bool

  package init(uid: Int64, keywords: [String], isDeleted: Bool) {
    self.uid = uid
    self.keywords = keywords
    self.isDeleted = isDeleted
  }
}

/// What became of the stored flags when the server's were laid over them.
struct MergedFlags {
  /// The messages whose flags changed.
  var changed: [Int64] = []
  /// Those of them that carry `\Deleted` now and did not before.
  var hidden: [Int64] = []
  /// Those that carried it and do not now.
  var shown: [Int64] = []
  /// Those that carry it as before.
  var stayedHidden: [Int64] = []
  var counters = CounterChange()
}

extension Store {
  /// Makes the stored flags those of the server, under the intents that are still on their way.
  ///
  /// - Returns: How many messages changed.
  @discardableResult
  package func applyFlags(
    _ flags: [ServerFlags],
    to mailbox: Mailbox,
    progress: MailboxProgress
  ) async throws(ServiceError) -> Int {
    try await attempt {
      let account = mailbox.accountID
      return try await mailTransaction(mailbox.accountID) { connection in
        let merged = try await mergeFlags(flags, in: mailbox.id, of: account, on: connection)
        let moved = try await changePlaces(ofHidden: merged.hidden, in: mailbox, on: connection)
        let changed = Set(merged.changed + moved).sorted()
        try await touch(changed, of: account, on: connection)
        try await store(progress, counters: merged.counters, of: mailbox, on: connection)
        let changes = try await shownChanges(
          merged,
          moved: moved,
          in: mailbox.id,
          of: account,
          on: connection
        )
        try await append(
          changes.entries + counterEntries(mailbox.id, merged.counters),
          to: account,
          on: connection
        )
        return merged.changed.count
      }
    }
  }

  /// Lays the server's flags over the stored ones; the caller does what else follows from it.
  func mergeFlags(
    _ flags: [ServerFlags],
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> MergedFlags {
    let rows = try await connection.query(flagStatement(flags, mailbox, account))
    var merged = MergedFlags()
    for row in 0..<rows.count {
      let id = try rows.int64(row, 0)
      let (wasDeleted, isDeleted) = (try rows.bool(row, 2), try rows.bool(row, 4))
      merged.changed.append(id)
      switch (wasDeleted, isDeleted) {
      case (false, true): merged.hidden.append(id)
      case (true, false): merged.shown.append(id)
      case (true, true): merged.stayedHidden.append(id)
      case (false, false): break
      }
      merged.counters.count(isSeen: try rows.bool(row, 1), isDeleted: wasDeleted, sign: -1)
      merged.counters.count(isSeen: try rows.bool(row, 3), isDeleted: isDeleted, sign: 1)
    }
    try await forgetLeftovers(merged.shown, in: mailbox, of: account, on: connection)
    return merged
  }

  /// What the server told, with the intents on their way laid over it: a keyword that one of them adds
  /// or removes is as the last of them wants it, all others are as the server has them.
  private func flagStatement(
    _ flags: [ServerFlags],
    _ mailbox: ID<Mailbox>,
    _ account: ID<Account>
  ) -> SQL {
    """
    with told as (
      select uid, coalesce(string_to_array(nullif(keywords, ''), ' '), '{}') as keywords, is_deleted
      from unnest(\(flags.map(\.uid))::bigint[],
        \(flags.map { $0.keywords.joined(separator: " ") })::text[],
        \(flags.map(\.isDeleted))::boolean[]) as t (uid, keywords, is_deleted)
    ), intended as (
      select distinct on (o.message_id, word.keyword) o.message_id, word.keyword, word.is_added
      from operation o cross join lateral (
        select unnest(o.add_keywords), true union all select unnest(o.remove_keywords), false
      ) as word (keyword, is_added)
      where o.account_id = \(account.rawValue)
        and o.mailbox_id = \(mailbox.rawValue) and o.kind = 'keywords'
        and o.state in ('pending', 'running')
      order by o.message_id, word.keyword, o.ordinal desc
    ), merged as (
      select p.message_id, p.is_seen, p.is_deleted, p.keywords as before, told.is_deleted as deletes,
        case when not exists (select 1 from intended i where i.message_id = p.message_id)
        then told.keywords else array(
          select keyword from (
            select unnest(told.keywords)
            except select i.keyword from intended i where i.message_id = p.message_id
            union
            select i.keyword from intended i where i.message_id = p.message_id and i.is_added
          ) as laid_over (keyword) order by keyword collate "C"
        ) end as keywords
      from placement p join told on told.uid = p.uid
      where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.rawValue)
      for update of p
    ), old as (
      select * from merged where keywords <> before or is_deleted <> deletes
    )
    update placement p set keywords = old.keywords, is_deleted = old.deletes,
      is_seen = '$seen' = any (old.keywords)
    from old
    where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.rawValue)
      and p.message_id = old.message_id
    returning p.message_id, old.is_seen, old.is_deleted, p.is_seen, p.is_deleted
    """
  }
}
