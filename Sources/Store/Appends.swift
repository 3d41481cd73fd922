package import Model
import Postgres

// What becomes of a message that is on its way to the server, and so nowhere else, where it cannot get there: it stays as it is shown,
// kept here alone, or goes on to another mailbox.

extension Store {
  /// The server refused to take a message: it stays, and the intent with the reason, unless it was put elsewhere since.
  package func refuseAppend(
    _ operation: OperationRecord,
    reason: String,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let id = operation.id.rawValue
    try await attempt {
      try await mailTransaction(account) { connection in
        let appends = try await connection.query(
          """
          select id, message_id from operation where account_id = \(account.rawValue) and id = \(id)
            and state in ('pending', 'running')
          """
        )
        guard appends.count == 1 else { return }
        let mailbox = operation.mailbox.rawValue
        let entries = try await end(
          appends,
          in: mailbox,
          reason: reason,
          of: account,
          on: connection
        )
        try await append(entries, to: account, on: connection)
      }
    }
  }

  /// Has a message that the server refused to take brought to it again: to the mailbox that it was meant for, or where it is now.
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
                order by c.mailbox_id <> (select r.mailbox_id from operation r
                  where r.account_id = c.account_id and r.id = \(id)), c.mailbox_id limit 1)
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
  /// One that has gone on from there to another mailbox is appended to that; all others stay here alone, until they are asked for
  /// where the server has such a mailbox again.
  func keepAppended(
    in mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let account = mailbox.accountID
    let appends = try await connection.query(
      """
      select id, message_id from operation where account_id = \(account.rawValue)
        and mailbox_id = \(mailbox.id.rawValue) and kind = 'append'
        and state in ('pending', 'running')
      """
    )
    guard !appends.isEmpty else { return [] }
    return try await end(
      appends,
      in: mailbox.id.rawValue,
      reason: "The server has no such mailbox any more: the message is kept here alone.",
      of: account,
      on: connection
    )
  }

  /// Ends intents to append to `mailbox`, which cannot be done; what the feed says of them.
  ///
  /// What was to bring their messages to other mailboxes from here is dropped: they are appended there (`EndedAppends`).
  private func end(
    _ appends: PostgresRows,
    in mailbox: Int64,
    reason: String,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    var intents: [Int64: Int64] = [:]
    for row in 0..<appends.count { intents[try appends.int64(row, 1)] = try appends.int64(row, 0) }
    let messages = intents.keys.sorted()
    let alone = try await thoseNowhereElse(messages, of: account, on: connection)
    let dropped = try await drop(intentsOf: alone, of: account, on: connection)
    let ended = EndedAppends(
      intents,
      in: mailbox,
      alone: Set(alone),
      places: try await placesToCome(of: alone, in: account, on: connection)
    )
    let fresh = try await ids.take(ended.missing.count, on: connection)
    // What is in a local mailbox has come where it was to go.
    let settled: SQL = """
      update placement p set origin = \(PlacementOrigin.local.rawValue) from mailbox b
      where p.account_id = \(account.rawValue) and p.message_id = any (\(messages))
        and p.uid is null and b.account_id = p.account_id and b.id = p.mailbox_id
        and (b.id = \(mailbox) or b.is_local)
      """
    let statements = ended.statements(reason: reason, fresh: fresh, account: account)
    _ = try await connection.pipeline(statements + [settled])
    // One that was deleted here meanwhile was only waited for.
    let destroyed = try await destroyUnplaced(messages, of: account, on: connection)
    let left = Set(messages).subtracting(destroyed).sorted()
    try await touch(left, of: account, on: connection)
    let changed = (ended.refused + ended.redirected.map(\.intent)).sorted()
    return [
      FeedEntry(.message, .updated, left), FeedEntry(.message, .destroyed, destroyed),
      FeedEntry(.operation, .created, fresh), FeedEntry(.operation, .updated, changed),
      FeedEntry(.operation, .destroyed, (dropped + ended.dropped).sorted()),
    ]
  }

  /// Those of `messages` that the server has nowhere, and that leave no mailbox of its.
  private func thoseNowhereElse(
    _ messages: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let rows = try await connection.query(
      """
      select m.id from unnest(\(messages)::bigint[]) as m (id)
      where not exists (select 1 from placement p where p.account_id = \(account.rawValue)
          and p.message_id = m.id
          and (p.uid is not null or p.origin = \(PlacementOrigin.unmatched.rawValue)))
        and not exists (select 1 from operation o where o.account_id = \(account.rawValue)
          and o.message_id = m.id and o.uid is not null and o.state in ('pending', 'running'))
      order by m.id
      """
    )
    return try (0..<rows.count).map { try rows.int64($0, 0) }
  }

  /// Where `messages` are shown without being there on the server; intents to append that go on get the keywords shown.
  private func placesToCome(
    of messages: [Int64],
    in account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64: [EndedAppends.Place]] {
    guard !messages.isEmpty else { return [:] }
    let results = try await connection.pipeline([
      """
      update operation o set add_keywords = p.keywords from placement p
      where o.account_id = \(account.rawValue) and o.message_id = any (\(messages))
        and o.kind = 'append' and o.state in ('pending', 'running')
        and p.account_id = o.account_id and p.message_id = o.message_id
        and p.mailbox_id = o.mailbox_id
      """,
      """
      select p.message_id, p.mailbox_id, p.keywords,
        p.origin = \(PlacementOrigin.pending.rawValue) and not b.is_local
          and not exists (select 1 from operation o where o.account_id = p.account_id
            and o.message_id = p.message_id and o.mailbox_id = p.mailbox_id
            and o.kind = 'append' and o.state in ('pending', 'running'))
      from placement p
      join mailbox b on b.account_id = p.account_id and b.id = p.mailbox_id
      where p.account_id = \(account.rawValue) and p.message_id = any (\(messages))
        and p.uid is null
      order by p.message_id, p.mailbox_id
      """,
    ])
    var places: [Int64: [EndedAppends.Place]] = [:]
    for row in 0..<results[1].count {
      let place = EndedAppends.Place(
        mailbox: try results[1].int64(row, 1),
        keywords: try results[1].stringArray(row, 2),
        isOpen: try results[1].bool(row, 3)
      )
      places[try results[1].int64(row, 0), default: []].append(place)
    }
    return places
  }

  /// Drops what was to be done on the server with messages that never came there, and are as they are shown; not what brings them.
  ///
  /// - Returns: The ids of the intents.
  private func drop(
    intentsOf messages: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let rows = try await connection.query(
      """
      select id from operation where account_id = \(account.rawValue)
        and message_id = any (\(messages)) and kind <> 'append'
        and state in ('pending', 'running')
      """
    )
    let ids = try (0..<rows.count).map { try rows.int64($0, 0) }
    try await dropReplacements(of: ids, account, on: connection)
    _ = try await connection.query(
      "delete from operation where account_id = \(account.rawValue) and id = any (\(ids))"
    )
    return ids
  }
}
