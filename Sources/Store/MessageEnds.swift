import Model
import Postgres

// What becomes of messages that a transaction may have left in no mailbox, and what the feed says of those that it changed.

extension Store {
  /// Destroys those of `messages` that no mailbox holds and no intent waits for, with what is kept of them; their ids.
  ///
  /// With `buries` each leaves a tombstone, by which it gets its id back when it appears again. A copy that
  /// appeared not long ago takes over the id of what is gone: then the id that the copy had is the one destroyed.
  func destroyUnplaced(
    _ messages: [Int64],
    of account: ID<Account>,
    buries: Bool = false,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let copies =
      buries ? try await handOver(idsOf: messages, of: account, on: connection) : []
    let rows = try await connection.query(
      """
      with gone as (
      delete from message m where m.account_id = \(account.rawValue)
        and m.id = any (\(messages + copies))
        and not exists (select 1 from placement p
          where p.account_id = m.account_id and p.message_id = m.id)
        and not exists (select 1 from operation o where o.account_id = m.account_id
          and o.message_id = m.id and o.state in ('pending', 'running'))
      returning account_id, id, identity, received_at, thread_id, blob_id
      ), dropped as (
        delete from blob where account_id = \(account.rawValue)
          and id = any (array(select blob_id from gone where blob_id is not null))
        returning size
      ), freed as (
        update account set kept_bytes = greatest(kept_bytes - (select sum(size) from dropped), 0)
        where id = \(account.rawValue) and exists (select 1 from dropped)
      ), expired as (
        delete from tombstone where \(buries) and account_id = \(account.rawValue)
          and at < now() - \(Self.tombstoneDays) * interval '1 day'
      ), buried as (
        insert into tombstone (account_id, identity, message_id, received_at)
        select account_id, identity, id, received_at from gone where \(buries)
        on conflict do nothing
      )
      select id, thread_id from gone
      """
    )
    let threads = Set(try (0..<rows.count).map { try rows.int64($0, 1) })
    try await tellThreads(leftBy: threads, of: account, on: connection)
    return try (0..<rows.count).map { try rows.int64($0, 0) }
  }

  /// Makes the `ETag` of each message another.
  func touch(
    _ messages: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !messages.isEmpty else { return }
    _ = try await connection.query(
      """
      update message set version = version + 1
      where account_id = \(account.rawValue) and id = any (\(messages))
      """
    )
  }

  /// What the feed says of a mailbox whose counters changed.
  func counterEntries(_ mailbox: ID<Mailbox>, _ counters: CounterChange) -> [FeedEntry] {
    counters.isZero
      ? []
      : [
        FeedEntry(
          .mailbox,
          .updated,
          [mailbox.rawValue],
          properties: ["totalMessages", "unreadMessages"]
        )
      ]
  }
}
