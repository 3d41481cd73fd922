package import Model
import Postgres

// What becomes of a message that is on its way to the server, and so nowhere else, where it cannot get there: it stays, kept here
// alone, as it is shown.

extension Store {
  /// The server refused to take a message: it stays, and the intent with the reason.
  package func refuseAppend(
    _ operation: OperationRecord,
    reason: String,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let (id, message) = (operation.id.rawValue, operation.message.rawValue)
    try await attempt {
      try await mailTransaction(account) { connection in
        let refused = try await connection.query(
          """
          update operation set state = 'refused', last_error = \(reason)
          where account_id = \(account.rawValue) and id = \(id)
          """
        )
        guard refused.affected == 1 else { return }
        let dropped = try await keepHere([message], of: account, on: connection)
        // One that was deleted here meanwhile was only waited for.
        let destroyed = try await destroyUnplaced([message], of: account, on: connection)
        try await touch([message], of: account, on: connection)
        try await append(
          [
            FeedEntry(.message, destroyed.isEmpty ? .updated : .destroyed, [message]),
            FeedEntry(.operation, .updated, [id]), FeedEntry(.operation, .destroyed, dropped),
          ],
          to: account,
          on: connection
        )
      }
    }
  }

  /// Has a message that the server refused to take brought to it again, to the mailbox where it is now.
  ///
  /// - Returns: False where it is gone, or in a mailbox that the server does not have, or the intent is not a refused one any more.
  package func retryAppend(
    _ operation: OperationRecord,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    let (id, message) = (operation.id.rawValue, operation.message.rawValue)
    return try await attempt {
      try await mailTransaction(account) { connection in
        let queued = try await connection.query(
          """
          with place as (
            update placement p set origin = \(PlacementOrigin.pending.rawValue)
            where (p.account_id, p.mailbox_id, p.message_id) = (
                select c.account_id, c.mailbox_id, c.message_id from placement c
                join mailbox b on b.account_id = c.account_id and b.id = c.mailbox_id
                  and not b.is_local
                where c.account_id = \(account.rawValue) and c.message_id = \(message)
                  and c.uid is null and c.origin = \(PlacementOrigin.local.rawValue)
                  and exists (select 1 from operation r where r.account_id = c.account_id
                    and r.id = \(id) and r.state = 'refused')
                order by c.mailbox_id limit 1)
            returning p.mailbox_id, p.keywords
          )
          -- As one that was tried: what an answer that was lost said may have been that it is there.
          update operation o set state = 'pending', attempts = 1, last_error = null,
            mailbox_id = place.mailbox_id, add_keywords = place.keywords
          from place where o.account_id = \(account.rawValue) and o.id = \(id)
          """
        )
        guard queued.affected == 1 else { return false }
        try await touch([message], of: account, on: connection)
        try await append(
          [FeedEntry(.message, .updated, [message]), FeedEntry(.operation, .updated, [id])],
          to: account,
          on: connection
        )
        return true
      }
    }
  }

  /// Keeps messages that were to be appended to a mailbox which the server does not have; what the feed says of it.
  ///
  /// One that has gone on from there to another mailbox, and is nowhere else, is appended to that; all others stay here alone.
  func keepAppended(
    in mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let account = mailbox.accountID
    let redirected = try await connection.query(
      """
      update operation o set mailbox_id = p.mailbox_id, add_keywords = p.keywords
      from placement p
      where o.account_id = \(account.rawValue) and o.mailbox_id = \(mailbox.id.rawValue)
        and o.kind = 'append' and o.state in ('pending', 'running')
        and p.account_id = o.account_id and p.message_id = o.message_id
        and p.mailbox_id <> o.mailbox_id and p.origin = \(PlacementOrigin.pending.rawValue)
        and not exists (select 1 from placement other where other.account_id = p.account_id
          and other.message_id = p.message_id and other.mailbox_id <> p.mailbox_id)
      returning o.id, o.message_id
      """
    )
    let appends = try (0..<redirected.count).map { try redirected.int64($0, 0) }
    let moved = try (0..<redirected.count).map { try redirected.int64($0, 1) }
    let left = try await connection.query(
      """
      select message_id from operation where account_id = \(account.rawValue)
        and mailbox_id = \(mailbox.id.rawValue) and kind = 'append'
        and state in ('pending', 'running')
      """
    )
    let kept = try (0..<left.count).map { try left.int64($0, 0) }
    let dropped =
      try await drop(intentsOf: moved, except: appends, of: account, on: connection)
      + keepHere(kept, of: account, on: connection)
    let messages = Set(moved + kept).sorted()
    try await touch(messages, of: account, on: connection)
    return [
      FeedEntry(.message, .updated, messages), FeedEntry(.operation, .updated, appends.sorted()),
      FeedEntry(.operation, .destroyed, dropped.sorted()),
    ]
  }

  /// Keeps messages that are on their way to the server here alone, wherever they are shown; the intents that are no more.
  private func keepHere(
    _ messages: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let dropped = try await drop(intentsOf: messages, of: account, on: connection)
    _ = try await connection.query(
      """
      update placement set origin = \(PlacementOrigin.local.rawValue)
      where account_id = \(account.rawValue) and message_id = any (\(messages)) and uid is null
      """
    )
    return dropped
  }

  /// Drops what was to be done on the server with messages that never came there, and are as they are shown.
  ///
  /// - Returns: The ids of the intents.
  private func drop(
    intentsOf messages: [Int64],
    except kept: [Int64] = [],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let rows = try await connection.query(
      """
      select id from operation where account_id = \(account.rawValue)
        and message_id = any (\(messages)) and id <> all (\(kept))
        and state in ('pending', 'running')
      """
    )
    let ids = try (0..<rows.count).map { try rows.int64($0, 0) }
    try await dropReplacements(of: ids, account, on: connection)
    _ = try await connection.query(
      "delete from operation where account_id = \(account.rawValue) and id = any (\(ids))"
    )
    return ids.sorted()
  }
}
