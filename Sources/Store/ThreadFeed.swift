import Model
import Postgres

// What the feed says of threads: they have no rows, so whether one is new or gone is found by the messages it has.

extension Store {
  /// What the feed says of threads of which messages came into sight, or went out of it.
  func threadEntries(
    _ grown: [Int64: Int64],
    _ shrunk: [Int64: Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let threads = Set(grown.keys).union(shrunk.keys).sorted()
    guard !threads.isEmpty else { return [] }
    let rows = try await connection.query(
      """
      select t.id, (select count(*) from message m where m.account_id = \(account.rawValue)
          and m.thread_id = t.id and exists (\(placesShown("m.id", account))))
      from unnest(\(threads)::bigint[]) as t (id)
      """
    )
    var (created, updated, destroyed): ([Int64], [Int64], [Int64]) = ([], [], [])
    for row in 0..<rows.count {
      let (thread, count) = (try rows.int64(row, 0), try rows.int64(row, 1))
      if count == 0 {
        destroyed.append(thread)
      } else if shrunk[thread] == nil, grown[thread] == count {
        created.append(thread)
      } else {
        updated.append(thread)
      }
    }
    return [
      FeedEntry(.thread, .created, created), FeedEntry(.thread, .updated, updated),
      FeedEntry(.thread, .destroyed, destroyed),
    ]
  }

  /// Tells the feed of the threads of messages that may have come back into sight, or gone out of it.
  func tellThreads(
    of messages: Set<Int64>,
    in account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !messages.isEmpty else { return }
    let rows = try await connection.query(
      """
      select distinct thread_id from message where account_id = \(account.rawValue)
        and id = any (\(messages.sorted()))
      """
    )
    let threads = Set(try (0..<rows.count).map { try rows.int64($0, 0) })
    try await tellThreads(leftBy: threads, of: account, on: connection)
  }

  /// Tells the feed which threads lost messages, and which are gone with the last one that is shown.
  ///
  /// Called in the transaction that removed the messages, before its own changes are appended.
  func tellThreads(
    leftBy threads: Set<Int64>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !threads.isEmpty else { return }
    let rows = try await connection.query(
      """
      select t.id, exists (select 1 from message m
          where m.account_id = \(account.rawValue) and m.thread_id = t.id),
        exists (select 1 from message m
          join placement p on p.account_id = m.account_id and p.message_id = m.id and not p.is_deleted
          where m.account_id = \(account.rawValue) and m.thread_id = t.id)
      from unnest(\(threads.sorted())::bigint[]) as t (id)
      """
    )
    var (left, gone, dead): ([Int64], [Int64], [Int64]) = ([], [], [])
    for row in 0..<rows.count {
      let thread = try rows.int64(row, 0)
      if try !rows.bool(row, 1) { dead.append(thread) }
      if try rows.bool(row, 2) { left.append(thread) } else { gone.append(thread) }
    }
    if !dead.isEmpty {
      _ = try await connection.query(
        """
        insert into dead_thread (account_id, thread_id)
        select \(account.rawValue), t.id from unnest(\(dead)::bigint[]) as t (id)
        on conflict (account_id, thread_id) do update set at = excluded.at
        """
      )
    }
    try await append(
      [FeedEntry(.thread, .updated, left), FeedEntry(.thread, .destroyed, gone)],
      to: account,
      on: connection
    )
  }
}
