package import Model
import Postgres

extension Store {
  /// Removes a mailbox and what only it held; what the feed must say of it.
  ///
  /// Intents that it was part of go too. What they showed is taken back first, the last one first: a
  /// message on its way into the mailbox is where the server still has it. One on its way out of it is nowhere else any more: where
  /// it is kept here whole it is appended to where it was going. Without `buries` no message can come back.
  func removeMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>,
    buries: Bool = true,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let diverted = try await divertLeaving(id, of: account, on: connection)
    let taken = try await takeBackIntents(on: id, of: account, isGone: true, on: connection)
    let (others, intents) = (taken.mailboxes, taken.intents)
    let results = try await connection.pipeline([
      """
      delete from placement where account_id = \(account.rawValue)
        and mailbox_id = \(id.rawValue)
      returning message_id
      """,
      "delete from mailbox where account_id = \(account.rawValue) and id = \(id.rawValue)",
    ])
    var messages = taken.messages
    for row in 0..<results[0].count { messages.insert(try results[0].int64(row, 0)) }
    let destroyed = try await destroyUnplaced(
      messages.sorted(),
      of: account,
      buries: buries,
      on: connection
    )
    let left = messages.subtracting(destroyed).sorted()
    try await touch(left, of: account, on: connection)
    try await tellThreads(of: Set(left), in: account, on: connection)
    if !others.isEmpty { try await recount(others.sorted(), of: account, on: connection) }
    return [
      FeedEntry(.message, .destroyed, destroyed), FeedEntry(.message, .updated, left),
      FeedEntry(.operation, .destroyed, intents), FeedEntry(.operation, .updated, diverted),
      FeedEntry(
        .mailbox,
        .updated,
        others.sorted(),
        properties: ["totalMessages", "unreadMessages"]
      ),
      FeedEntry(.mailbox, .destroyed, [id.rawValue]),
    ]
  }

  /// Throws `conflict` while messages are on their way out of a mailbox: on the server they are still in it, and would go with it.
  package func requireNoneLeave(
    _ mailbox: Mailbox,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await pool.withConnection { connection in
        try await requireNoneLeave(mailbox, of: account, on: connection)
      }
    }
  }

  func requireNoneLeave(
    _ mailbox: Mailbox,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let leaving = try await connection.query(
      """
      select count(*) from operation where account_id = \(account.rawValue)
        and mailbox_id = \(mailbox.id.rawValue) and target_mailbox_id <> \(mailbox.id.rawValue)
        and message_id is not null and state in ('pending', 'running')
      """
    ).int64(0, 0)
    guard leaving > 0 else { return }
    throw ServiceError(
      .conflict,
      "\(leaving) messages are on their way out of the mailbox. It can be deleted when they have arrived."
    )
  }

  /// Has messages that are kept here whole appended to where they were going from a mailbox that is no more; the intents.
  private func divertLeaving(
    _ mailbox: ID<Mailbox>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let rows = try await connection.query(
      """
      update operation o set kind = 'append', mailbox_id = t.id, target_mailbox_id = null, uid = null,
        add_keywords = coalesce(o.previous_keywords, (select p.keywords from placement p
          where p.account_id = o.account_id and p.mailbox_id = o.mailbox_id
            and p.message_id = o.message_id), '{}'),
        previous_keywords = null, blob_id = m.blob_id, state = 'pending',
        -- As one that was tried: a move whose answer was lost may have brought it there.
        attempts = greatest(o.attempts, 1)
      from message m, mailbox t
      where o.account_id = \(account.rawValue) and o.mailbox_id = \(mailbox.rawValue)
        and o.kind in ('move', 'copy') and o.state in ('pending', 'running')
        and m.account_id = o.account_id and m.id = o.message_id and m.blob_id is not null
        and t.account_id = o.account_id and t.id = o.target_mailbox_id and not t.is_local
        and t.id <> o.mailbox_id
        -- What an earlier intent has yet to bring into the mailbox is where that takes it from.
        and not exists (select 1 from operation e where e.account_id = o.account_id
          and e.message_id = o.message_id and e.state in ('pending', 'running')
          and e.target_mailbox_id = o.mailbox_id and e.ordinal < o.ordinal)
      returning o.id
      """
    )
    return try (0..<rows.count).map { try rows.int64($0, 0) }
  }

  /// Takes back what the intents on a mailbox showed, the last one first, and drops them: their messages, the other mailboxes
  /// whose counters are no longer right, and the intents.
  ///
  /// What was refused of a message that is kept here, in another mailbox or in this one if it is not gone, can be asked for again:
  /// it stays.
  private func takeBackIntents(
    on mailbox: ID<Mailbox>,
    of account: ID<Account>,
    isGone: Bool,
    on connection: PostgresConnection
  ) async throws -> (messages: Set<Int64>, mailboxes: Set<Int64>, intents: [Int64]) {
    let intents = try await operations(
      of: account,
      where: """
        (o.mailbox_id = \(mailbox.rawValue) or o.target_mailbox_id = \(mailbox.rawValue))
          and not (o.kind = 'append' and o.state = 'refused' and exists (
            select 1 from placement p where p.account_id = o.account_id
              and p.message_id = o.message_id and p.origin = \(PlacementOrigin.local.rawValue)
              and not (\(isGone) and p.mailbox_id = \(mailbox.rawValue))))
        """,
      on: connection
    )
    let underWay = intents.filter { $0.state == "pending" || $0.state == "running" }
    var others: Set<Int64> = []
    // A release asks for what has happened.
    for intent in underWay.reversed() where intent.kind != "release" {
      others.formUnion(try await revert(intent, account, on: connection))
    }
    others.remove(mailbox.rawValue)
    let ids = intents.map(\.id.rawValue)
    try await dropReplacements(of: ids, account, on: connection)
    _ = try await connection.query(
      "delete from operation where account_id = \(account.rawValue) and id = any (\(ids))"
    )
    return (Set(underWay.map(\.message.rawValue)), others, ids)
  }

  /// Whether messages in a mailbox are kept here alone, or are to be where their server has them no more.
  private func keepsAlone(
    _ mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> Bool {
    try await connection.query(
      """
      select exists (select 1 from placement p where p.account_id = \(mailbox.accountID.rawValue)
        and p.mailbox_id = \(mailbox.id.rawValue)
        and (p.origin = \(PlacementOrigin.local.rawValue)
          or (select mode = 'offline' from account where id = p.account_id)
            and exists (select 1 from message m where m.account_id = p.account_id
              and m.id = p.message_id and m.blob_id is not null)))
      """
    ).bool(0, 0)
  }

  /// What tells a mailbox that is kept here alone from others with its path; empty where there is none.
  private func keptMark(
    _ mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> String {
    let rows = try await connection.query(
      """
      select path from mailbox where account_id = \(mailbox.accountID.rawValue)
        and id <> \(mailbox.id.rawValue) and starts_with(path, \(mailbox.path))
      """
    )
    let taken = Set(try (0..<rows.count).map { try rows.string($0, 0) })
    guard taken.contains(mailbox.path) else { return "" }
    var (mark, number) = (" (kept here)", 1)
    while taken.contains(mailbox.path + mark) {
      number += 1
      mark = " (kept here \(number))"
    }
    return mark
  }

  /// Makes a mailbox that its server no longer has a local one, where messages in it are kept here alone; nil where none is.
  ///
  /// What the server had is held: it may be in another mailbox.
  func detachMailbox(
    _ mailbox: Mailbox,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry]? {
    guard !mailbox.isLocal, try await keepsAlone(mailbox, on: connection) else { return nil }
    let diverted = try await divertLeaving(mailbox.id, of: account, on: connection)
    let taken = try await takeBackIntents(
      on: mailbox.id,
      of: account,
      isGone: false,
      on: connection
    )
    let mark = try await keptMark(mailbox, on: connection)
    _ = try await connection.pipeline([
      """
      update mailbox set is_local = true, uid_validity = null, uid_next = null,
        highest_mod_seq = null, synced_down_to = 1, object_id = null, role = null,
        is_selectable = true, version = version + 1,
        -- Another mailbox may have its name on the server by now, and its path.
        path = path || \(mark), name = name || \(mark),
        encoded_name = case when exists (select 1 from mailbox o
            where o.account_id = mailbox.account_id and o.encoded_name = \(mailbox.encodedName)
              and o.id <> mailbox.id)
          then encoded_name else \(mailbox.encodedName) end
      where account_id = \(account.rawValue) and id = \(mailbox.id.rawValue)
      """,
      """
      update placement set uid = null, origin = \(PlacementOrigin.vanished.rawValue)
      where account_id = \(account.rawValue) and mailbox_id = \(mailbox.id.rawValue)
        and origin <> \(PlacementOrigin.local.rawValue)
      """,
    ])
    let touched = taken.mailboxes.union([mailbox.id.rawValue]).sorted()
    let destroyed = try await destroyUnplaced(
      taken.messages.sorted(),
      of: account,
      on: connection
    )
    let left = taken.messages.subtracting(destroyed).sorted()
    try await touch(left, of: account, on: connection)
    try await tellThreads(of: Set(left), in: account, on: connection)
    try await recount(touched, of: account, on: connection)
    return [
      FeedEntry(.message, .destroyed, destroyed), FeedEntry(.message, .updated, left),
      FeedEntry(.operation, .destroyed, taken.intents), FeedEntry(.operation, .updated, diverted),
      FeedEntry(.mailbox, .updated, touched),
    ]
  }
}
