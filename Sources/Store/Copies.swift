import Bytes
package import Model
import Postgres

// A client that moves a message on a server without MOVE copies it and takes the original away after that
// (RFC 6851 §3.3), and a sync may come in between. The copy is then a message of its own: two are there. But
// when the original goes soon after, the two were one message on its way, and a caller who knows it should
// find it where it is now. So what appears beside an equal message is remembered for an hour, and takes over
// the id of one that came before it and is gone, or carries `\Deleted`; the id that the copy had until then
// is the one that dies. Which of several equal messages goes where cannot be told: of those that came as
// copies the youngest id is always the one to die, so that as many of the older ids live on as there are
// messages left.

/// Pairs messages that are gone with the copies that take over their ids.
struct CopyPairs {
  /// A message that is gone, and a copy of it.
  struct Pair: Equatable {
    var original: Int64
    var copy: Int64
  }

  private(set) var pairs: [Pair] = []
  private var taken: Set<Int64> = []
  private var given: Set<Int64> = []

  /// Adds a pair unless one of its two is in another already.
  ///
  /// - Returns: Whether it was added.
  @discardableResult
  mutating func add(_ pair: Pair) -> Bool {
    guard !given.contains(pair.original), !taken.contains(pair.original),
      !taken.contains(pair.copy), !given.contains(pair.copy)
    else { return false }
    given.insert(pair.original)
    taken.insert(pair.copy)
    pairs.append(pair)
    return true
  }
}

extension Store {
  /// For how many minutes a copy can take over the id of what it was made from.
  static let copyMinutes: Int64 = 60

  /// Remembers which of the new messages appeared while an equal one was there; `told` names them.
  func noteCopies(
    _ created: [(id: Int64, message: NewMessage)],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !created.isEmpty else { return }
    _ = try await connection.query(
      """
      with expired as (
        delete from message_copy where account_id = \(account.rawValue)
          and at < now() - \(Self.copyMinutes) * interval '1 minute'
      ), told as materialized (
        select * from unnest(\(created.map(\.id))::bigint[],
          \(created.map(\.message.identity))::bytea[],
          \(created.map { $0.message.links.message ?? 0 })::bigint[],
          \(created.map(\.message.receivedAt))::timestamptz[])
          as t (id, identity, key, received_at)
      ), same as materialized (\(equalMessages(account)))
      insert into message_copy (account_id, identity, message_id)
      select \(account.rawValue), t.identity, t.id from told t
      where exists (select 1 from same s
        where s.identity = t.identity and s.received_at = t.received_at and s.id <> t.id)
      order by t.id
      on conflict (account_id, identity, message_id) do update set at = now(), ordinal = default
      """
    )
  }

  /// At the end of an account's first sync: remembers which messages have an equal one.
  ///
  /// Until then nothing was compared, and what moved meanwhile may have been stored in both places.
  package func noteFirstCopies(of account: ID<Account>) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        insert into message_copy (account_id, identity, message_id)
        select m.account_id, m.identity, m.id from (
          -- In one walk: what PostgreSQL last knew of the table may be of before the sync.
          select account_id, identity, id, min(id) over (partition by identity, received_at) as first
          from message where account_id = \(account.rawValue)) as m
        where m.id <> m.first
        order by m.id
        on conflict do nothing
        """
      )
    }
  }

  /// Whether any message of `account` is stored.
  package func holdsMessages(_ account: ID<Account>) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.query(
        "select exists (select 1 from placement where account_id = \(account.rawValue))"
      ).bool(0, 0)
    }
  }

  /// Lets copies take over the ids of those of `messages` that are about to be destroyed.
  ///
  /// - Returns: The ids that the copies had, which nothing has any more.
  func handOver(
    idsOf messages: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let rows = try await connection.query(
      """
      select x.id, c.message_id from message x
      left join message_copy o on o.account_id = x.account_id and o.identity = x.identity
        and o.message_id = x.id
      join message_copy c on c.account_id = x.account_id and c.identity = x.identity
        and c.ordinal > coalesce(o.ordinal, 0)
        and c.at > now() - \(Self.copyMinutes) * interval '1 minute'
      join message y on y.account_id = x.account_id and y.id = c.message_id
        and y.received_at = x.received_at
        and (x.email_id is null or y.email_id is null or x.email_id = y.email_id)
      where x.account_id = \(account.rawValue) and x.id = any (\(messages))
        and not exists (select 1 from placement p
          where p.account_id = x.account_id and p.message_id = x.id)
        and not exists (select 1 from operation w where w.account_id = x.account_id
          and w.message_id = x.id and w.state in ('pending', 'running'))
        and exists (select 1 from placement p
          where p.account_id = y.account_id and p.message_id = y.id)
      order by coalesce(o.ordinal, 0), x.id, c.ordinal desc
      """
    )
    var found = CopyPairs()
    for row in 0..<rows.count {
      found.add(CopyPairs.Pair(original: try rows.int64(row, 0), copy: try rows.int64(row, 1)))
    }
    guard !found.pairs.isEmpty else { return [] }
    try await rename(found.pairs, of: account, on: connection)
    return found.pairs.map(\.copy)
  }

  /// Makes all that refers to each copy refer to its original.
  private func rename(
    _ pairs: [CopyPairs.Pair],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let copies = pairs.map(\.copy)
    let renamed: SQL = """
      unnest(\(pairs.map(\.original))::bigint[], \(copies)::bigint[]) as r (original, copy)
      """
    _ = try await connection.pipeline([
      """
      update placement p set message_id = r.original from \(renamed)
      where p.account_id = \(account.rawValue) and p.message_id = r.copy
      """,
      """
      update operation o set message_id = r.original from \(renamed)
      where o.account_id = \(account.rawValue) and o.message_id = r.copy
      """,
      """
      update submission s set answers_message_id = r.original from \(renamed)
      where s.account_id = \(account.rawValue) and s.answers_message_id = r.copy
      """,
      """
      update submission s set draft_message_id = r.original from \(renamed)
      where s.account_id = \(account.rawValue) and s.draft_message_id = r.copy
      """,
      """
      delete from message_copy where account_id = \(account.rawValue)
        and message_id = any (\(copies))
      """,
    ])
  }

  /// Lets copies that are visible elsewhere change places with messages that now carry `\Deleted` in `mailbox`.
  ///
  /// - Returns: The messages whose place changed.
  func changePlaces(
    ofHidden messages: [Int64],
    in mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let account = mailbox.accountID.rawValue
    let isSettled: (SQL) -> SQL = { id in
      """
      (select count(*) from placement n where n.account_id = \(account)
          and n.message_id = \(id)) = 1
        and not exists (select 1 from operation w where w.account_id = \(account)
          and w.message_id = \(id) and w.state in ('pending', 'running'))
      """
    }
    let rows = try await connection.query(
      """
      select x.id, y.id, p.mailbox_id from message x
      left join message_copy o on o.account_id = x.account_id and o.identity = x.identity
        and o.message_id = x.id
      join message_copy c on c.account_id = x.account_id and c.identity = x.identity
        and c.ordinal > coalesce(o.ordinal, 0)
        and c.at > now() - \(Self.copyMinutes) * interval '1 minute'
      join message y on y.account_id = x.account_id and y.id = c.message_id
        and y.received_at = x.received_at
        and (x.email_id is null or y.email_id is null or x.email_id = y.email_id)
      join placement p on p.account_id = y.account_id and p.message_id = y.id
        and p.uid is not null and not p.is_deleted and p.mailbox_id <> \(mailbox.id.rawValue)
      where x.account_id = \(account) and x.id = any (\(messages))
        and \(isSettled("x.id")) and \(isSettled("y.id"))
      order by coalesce(o.ordinal, 0), x.id, c.ordinal desc
      """
    )
    var found = CopyPairs()
    var places: (mailboxes: [Int64], old: [Int64], new: [Int64]) = ([], [], [])
    for row in 0..<rows.count {
      let (original, copy) = (try rows.int64(row, 0), try rows.int64(row, 1))
      guard found.add(CopyPairs.Pair(original: original, copy: copy)) else { continue }
      places.mailboxes += [mailbox.id.rawValue, try rows.int64(row, 2)]
      places.old += [original, copy]
      places.new += [copy, original]
    }
    guard !places.old.isEmpty else { return [] }
    _ = try await connection.query(
      """
      update placement p set message_id = s.new
      from unnest(\(places.mailboxes)::bigint[], \(places.old)::bigint[],
        \(places.new)::bigint[]) as s (mailbox_id, old, new)
      where p.account_id = \(account) and p.mailbox_id = s.mailbox_id and p.message_id = s.old
      """
    )
    return places.old
  }
}
