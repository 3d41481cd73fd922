package import Model
import Postgres

// What becomes of an intent that the server carried out or refused.

extension Store {
  /// The server did what the intents asked; `uids` has what it told of the messages' new places.
  ///
  /// `uidValidity` is what the server told with `uids`; nil where they are of the generation known
  /// here. UIDs of another generation than the mailbox's are not kept.
  package func completeOperations(
    _ operations: [OperationRecord],
    uids: [ID<Message>: Int64],
    uidValidity: Int64? = nil,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        _ = try await connection.query(
          """
          delete from operation where account_id = \(account.rawValue)
            and id = any (\(operations.map(\.id.rawValue)))
          """
        )
        var isKnown: [ID<Mailbox>: Bool] = [:]
        for operation in operations where operation.kind != "keywords" {
          guard let place = operation.newPlace else { continue }
          if isKnown[place] == nil {
            isKnown[place] = try await accepts(uidValidity, place, account, on: connection)
          }
          let uid = isKnown[place] == true ? uids[operation.message] : nil
          try await settle(after: operation, in: place, uid: uid, account, on: connection)
        }
        let messages = Set(operations.map(\.message.rawValue)).sorted()
        // What other clients took away meanwhile may have a copy, or come back.
        let destroyed = try await destroyUnplaced(
          messages,
          of: account,
          buries: !["delete", "release"].contains(operations.first?.kind),
          on: connection
        )
        let left = Set(messages).subtracting(destroyed)
        try await touch(left.sorted(), of: account, on: connection)
        // What was destroyed may have given its id, and so its thread, to a copy.
        if !destroyed.isEmpty { try await tellThreads(of: left, in: account, on: connection) }
        try await append(
          [
            FeedEntry(.message, .updated, left.sorted()),
            FeedEntry(.message, .destroyed, destroyed),
            FeedEntry(.operation, .destroyed, operations.map(\.id.rawValue)),
          ],
          to: account,
          on: connection
        )
      }
    }
  }

  /// Whether UIDs of the generation `uidValidity` belong to `mailbox`, of which a first one is kept.
  private func accepts(
    _ uidValidity: Int64?,
    _ mailbox: ID<Mailbox>,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Bool {
    guard let uidValidity else { return true }
    let rows = try await connection.pipeline([
      """
      update mailbox set uid_validity = \(uidValidity) where account_id = \(account.rawValue)
        and id = \(mailbox.rawValue) and uid_validity is null
      """,
      """
      select uid_validity from mailbox
      where account_id = \(account.rawValue) and id = \(mailbox.rawValue)
      """,
    ])
    return rows[1].count == 1 ? try rows[1].optionalInt64(0, 0) == uidValidity : false
  }

  /// Gives a message that arrived in `mailbox` the UID that the server told; without one it waits to be matched.
  ///
  /// Intents that take it from there get the UID too, up to the one that brings it there once more;
  /// where there is such an intent, the placement shown is of that later visit and still waits.
  func settle(
    after operation: OperationRecord,
    in mailbox: ID<Mailbox>,
    uid: Int64?,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let message = operation.message
    // A sync that came first may have stored the copy as a message of its own: ours keeps its id, and
    // gets the flags that the server told of it, which nobody tells again.
    var told: [ServerFlags] = []
    if let uid {
      let doubles = try await connection.query(
        """
        delete from placement where account_id = \(account.rawValue)
          and mailbox_id = \(mailbox.rawValue) and uid = \(uid)
          and message_id <> \(message.rawValue)
        returning message_id, is_seen, is_deleted, keywords
        """
      )
      if !doubles.isEmpty {
        told = [
          ServerFlags(
            uid: uid,
            keywords: try doubles.stringArray(0, 3),
            isDeleted: try doubles.bool(0, 2)
          )
        ]
        var counters = CounterChange()
        counters.count(
          isSeen: try doubles.bool(0, 1),
          isDeleted: try doubles.bool(0, 2),
          sign: -1
        )
        let double = try doubles.int64(0, 0)
        _ = try await destroyUnplaced([double], of: account, on: connection)
        _ = try await connection.query(
          """
          update mailbox set total_messages = total_messages + \(counters.total),
            unread_messages = unread_messages + \(counters.unread), version = version + 1
          where account_id = \(account.rawValue) and id = \(mailbox.rawValue)
          """
        )
        try await append(
          [FeedEntry(.message, .destroyed, [double])] + counterEntries(mailbox, counters),
          to: account,
          on: connection
        )
      }
    }
    let origin = uid == nil ? PlacementOrigin.unmatched : .server
    _ = try await connection.pipeline([
      """
      update placement set uid = \(uid), origin = \(origin.rawValue)
      where account_id = \(account.rawValue) and mailbox_id = \(mailbox.rawValue)
        and message_id = \(message.rawValue) and uid is null
        and not exists (select 1 from operation later
          where later.account_id = \(account.rawValue)
            and later.message_id = \(message.rawValue) and later.ordinal > \(operation.ordinal)
            and later.mailbox_id = \(mailbox.rawValue) and later.kind in \(Self.leavingKinds)
            and later.state in ('pending', 'running'))
      """,
      """
      update operation set uid = \(uid) where account_id = \(account.rawValue)
        and mailbox_id = \(mailbox.rawValue) and message_id = \(message.rawValue) and uid is null
        and ordinal > \(operation.ordinal)
        and ordinal <= coalesce((
          select min(next.ordinal) from operation next where next.account_id = \(account.rawValue)
            and next.message_id = \(message.rawValue) and next.ordinal > \(operation.ordinal)
            and next.target_mailbox_id = \(mailbox.rawValue)), 9223372036854775807)
      """,
    ])
    guard !told.isEmpty else { return }
    let merged = try await mergeFlags(told, in: mailbox, of: account, on: connection)
    try await store([mailbox.rawValue: merged.counters], of: account, on: connection)
    try await tellThreads(of: Set(merged.shown), in: account, on: connection)
    try await append(counterEntries(mailbox, merged.counters), to: account, on: connection)
  }

  /// The server refused: what was shown is taken back, and the intent stays with the reason until it is discarded.
  ///
  /// With `conflict` it was not asked, since the message has other flags there than it had when the intent was made: those show.
  /// With `ifPending` one of which the server may have been told stays as it is.
  ///
  /// - Returns: Whether it is refused.
  @discardableResult
  package func refuseOperation(
    _ operation: OperationRecord,
    reason: String,
    conflict: ServerFlags? = nil,
    ifPending: Bool = false,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await mailTransaction(account) { connection in
        let rows = try await connection.query(
          """
          update operation set state = \(conflict == nil ? "refused" : "conflict"),
            last_error = \(reason), server_keywords = \(conflict?.keywords)
          where account_id = \(account.rawValue) and id = \(operation.id.rawValue)
            and (not \(ifPending) or state = 'pending' and attempts = 0)
          """
        )
        guard rows.affected == 1 else { return false }
        try await dropReplacements(of: [operation.id.rawValue], account, on: connection)
        let touched = try await revert(operation, account, on: connection)
        if let conflict {
          let mailbox = operation.mailbox
          _ = try await mergeFlags([conflict], in: mailbox, of: account, on: connection)
        }
        try await recount(touched, of: account, on: connection)
        _ = try await destroyUnplaced(
          [operation.message.rawValue],
          of: account,
          buries: operation.kind != "append",
          on: connection
        )
        // What is destroyed is in no mailbox, and told of so.
        let message = operation.message.rawValue
        try await touch([message], of: account, on: connection)
        if ["move", "delete", "release"].contains(operation.kind) {
          // It is back, perhaps to a thread that was gone without it.
          try await tellThreads(of: [message], in: account, on: connection)
        }
        try await append(
          [
            FeedEntry(.message, .updated, [message]),
            FeedEntry(
              .mailbox,
              .updated,
              touched,
              properties: ["totalMessages", "unreadMessages"]
            ),
            FeedEntry(.operation, .updated, [operation.id.rawValue]),
          ],
          to: account,
          on: connection
        )
        return true
      }
    }
  }

  /// Puts back what an intent changed; the mailboxes whose counters are no longer right.
  func revert(
    _ operation: OperationRecord,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let message = operation.message.rawValue
    if let place = operation.newPlace {
      // What was here before it was to be appended stays here; what it came with goes.
      let stays: SQL = """
        exists (select 1 from operation o where o.account_id = \(account.rawValue)
          and o.id = \(operation.id.rawValue) and o.stays)
        """
      _ = try await connection.pipeline([
        """
        update placement set origin = \(PlacementOrigin.local.rawValue)
        where account_id = \(account.rawValue) and mailbox_id = \(place.rawValue)
          and message_id = \(message) and uid is null and \(stays)
        """,
        """
        delete from placement where account_id = \(account.rawValue)
          and mailbox_id = \(place.rawValue) and message_id = \(message) and uid is null
          and not (\(stays))
        """,
      ])
    }
    switch operation.kind {
    case "keywords":
      _ = try await connection.query(undoing(operation, account))
    case "move", "delete", "release":
      _ = try await connection.query(puttingBack(operation, account))
    default: break
    }
    // What other clients did to its flags meanwhile was told while the message was not here, or under the
    // intent: the next pass asks for all of them.
    _ = try await connection.query(
      """
      update mailbox set highest_mod_seq = null where account_id = \(account.rawValue)
        and id = \(operation.mailbox.rawValue) and highest_mod_seq is not null
      """
    )
    return [operation.mailbox.rawValue] + (operation.newPlace.map { [$0.rawValue] } ?? [])
  }

  /// Has a message in its mailbox again, where the server still has it.
  ///
  /// Without a UID it may never have come there: a pass over the mailbox finds it, or takes it away. A message that was to stay here
  /// alone may have been moved or deleted since: the server has it there all the same, and it is no other one.
  private func puttingBack(_ operation: OperationRecord, _ account: ID<Account>) -> SQL {
    let origin = operation.uid == nil ? PlacementOrigin.unmatched : .server
    let keywords = operation.previousKeywords
    let isRelease = operation.kind == "release"
    return """
      insert into placement as p (account_id, mailbox_id, message_id, uid, origin, keywords,
        is_seen, received_at)
      select m.account_id, \(operation.mailbox.rawValue), m.id, \(operation.uid),
        \(origin.rawValue), \(keywords), '$seen' = any (\(keywords)::text[]), m.received_at
      from message m
      where m.account_id = \(account.rawValue) and m.id = \(operation.message.rawValue)
      on conflict (account_id, mailbox_id, message_id) do update
        set uid = excluded.uid, origin = excluded.origin
        where \(isRelease) and p.uid is null and p.origin = \(PlacementOrigin.local.rawValue)
      """
  }

  /// Takes back what one intent added and removed, but for what a later one of the message decides.
  private func undoing(_ operation: OperationRecord, _ account: ID<Account>) -> SQL {
    """
    with previous as (
      select unnest(\(operation.previousKeywords)::text[])
    ), later as (
      select unnest(o.add_keywords || o.remove_keywords) as keyword from operation o
      where o.account_id = \(account.rawValue) and o.message_id = \(operation.message.rawValue)
        and o.mailbox_id = \(operation.mailbox.rawValue) and o.kind = 'keywords'
        and o.state in ('pending', 'running') and o.ordinal > \(operation.ordinal)
    ), undone as (
      select p.message_id, array(
        select keyword from (
          select keyword from (
            select unnest(p.keywords)
            except (select unnest(\(operation.addKeywords)::text[]) except select * from previous)
            union (select unnest(\(operation.removeKeywords)::text[])
              intersect select * from previous)
          ) as before (keyword) where keyword not in (select keyword from later)
          union
          select keyword from unnest(p.keywords) as now (keyword)
          where keyword in (select keyword from later)
        ) as kept order by keyword collate "C"
      ) as keywords
      from placement p
      where p.account_id = \(account.rawValue)
        and p.mailbox_id = \(operation.mailbox.rawValue)
        and p.message_id = \(operation.message.rawValue)
    )
    update placement p set keywords = undone.keywords,
      is_seen = '$seen' = any (undone.keywords)
    from undone
    where p.account_id = \(account.rawValue) and p.mailbox_id = \(operation.mailbox.rawValue)
      and p.message_id = undone.message_id
    """
  }

  /// Makes the counters of `mailboxes` what a count gives.
  func recount(
    _ mailboxes: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      update mailbox b set version = version + 1, total_messages = c.total,
        unread_messages = c.unread
      from (select box.id, count(p.message_id) as total,
          count(p.message_id) filter (where not p.is_seen) as unread
        from mailbox box left join placement p on p.account_id = box.account_id
          and p.mailbox_id = box.id and not p.is_deleted
        where box.account_id = \(account.rawValue) and box.id = any (\(mailboxes))
        group by box.id) as c
      where b.account_id = \(account.rawValue) and b.id = c.id
      """
    )
  }
}
