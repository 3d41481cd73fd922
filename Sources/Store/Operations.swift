package import Bytes
package import Model
import Postgres

/// A durable intent on its way to a server.
package struct OperationRecord: Sendable {
  package var id: ID<MailOperation>
  /// `keywords`, `move`, `copy`, `delete` or `append`.
  package var kind: String
  /// `pending`, `running`, `refused` or `conflict`.
  package var state: String
  package var message: ID<Message>
  package var mailbox: ID<Mailbox>
  package var uid: Int64?
  package var targetMailbox: ID<Mailbox>?
  package var addKeywords: [String]
  package var removeKeywords: [String]
  package var blob: ID<Blob>?
  package var attempts: Int
  package var lastError: String?
  package var createdAt: Timestamp
  /// The Message-ID, by which a message whose UID is not known is found on the server.
  package var messageID: String?
  /// The place in the order of the account's intents.
  package var ordinal: Int64
}

extension Store {
  private static let operationColumns: SQL = """
    select o.id, o.kind, o.state, o.message_id, o.mailbox_id,
      coalesce(o.uid, (select p.uid from placement p where p.account_id = o.account_id
        and p.mailbox_id = o.mailbox_id and p.message_id = o.message_id)),
      o.target_mailbox_id, o.add_keywords, o.remove_keywords, o.blob_id, o.attempts,
      o.last_error, o.created_at,
      (select m.message_id from message m where m.account_id = o.account_id
        and m.id = o.message_id),
      o.ordinal
    from operation o
    """

  /// Intents of the account by id after `after`.
  package func operations(
    of account: ID<Account>,
    after: ID<MailOperation>? = nil,
    limit: Int
  ) async throws(ServiceError) -> [OperationRecord] {
    try await operations(
      of: account,
      where: """
        o.ordinal > coalesce((select a.ordinal from operation a
          where a.account_id = \(account.rawValue) and a.id = \(after?.rawValue ?? 0)), 0)
        """,
      limit: limit
    )
  }

  /// One intent; nil where there is none.
  package func operation(
    _ id: ID<MailOperation>,
    of account: ID<Account>
  ) async throws(ServiceError) -> OperationRecord? {
    try await operations(of: account, where: "o.id = \(id.rawValue)", limit: 1).first
  }

  /// The intents to replay next, in the order in which they were meant.
  package func dueOperations(
    of account: ID<Account>,
    limit: Int
  ) async throws(ServiceError) -> [OperationRecord] {
    try await operations(of: account, where: "o.state in ('pending', 'running')", limit: limit)
  }

  private func operations(
    of account: ID<Account>,
    where condition: SQL,
    limit: Int
  ) async throws(ServiceError) -> [OperationRecord] {
    try await attempt {
      let rows = try await pool.query(
        Self.operationColumns
          + """
           where o.account_id = \(account.rawValue) and \(condition)
           order by o.ordinal limit \(Int64(limit))
          """
      )
      return try (0..<rows.count).map { try operation(rows, $0) }
    }
  }

  private func operation(_ rows: PostgresRows, _ row: Int) throws -> OperationRecord {
    OperationRecord(
      id: ID(try rows.int64(row, 0)),
      kind: try rows.string(row, 1),
      state: try rows.string(row, 2),
      message: ID(try rows.int64(row, 3)),
      mailbox: ID(try rows.int64(row, 4)),
      uid: try rows.optionalInt64(row, 5),
      targetMailbox: try rows.optionalInt64(row, 6).map { ID($0) },
      addKeywords: try rows.stringArray(row, 7),
      removeKeywords: try rows.stringArray(row, 8),
      blob: try rows.optionalInt64(row, 9).map { ID($0) },
      attempts: Int(try rows.int32(row, 10)),
      lastError: try rows.optionalString(row, 11),
      createdAt: try rows.timestamp(row, 12),
      messageID: try rows.optionalString(row, 13),
      ordinal: try rows.int64(row, 14)
    )
  }

  /// Says that the intents are being replayed, so that a crash in between is seen.
  package func markRunning(
    _ operations: [ID<MailOperation>],
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update operation set state = 'running', attempts = attempts + 1
        where account_id = \(account.rawValue) and id = any (\(operations.map(\.rawValue)))
        """
      )
    }
  }

  /// The server did what the intents asked; `uids` has what it told of the messages' new places.
  package func completeOperations(
    _ operations: [OperationRecord],
    uids: [ID<Message>: Int64],
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
        for operation in operations where operation.kind != "keywords" {
          guard let place = operation.newPlace else { continue }
          try await settle(
            after: operation,
            in: place,
            uid: uids[operation.message],
            account,
            on: connection
          )
        }
        let messages = Set(operations.map(\.message.rawValue)).sorted()
        let destroyed = try await destroyUnplaced(messages, of: account, on: connection)
        let left = Set(messages).subtracting(destroyed).sorted()
        try await touch(left, of: account, on: connection)
        try await append(
          [
            FeedEntry(.message, .updated, left),
            FeedEntry(.operation, .destroyed, operations.map(\.id.rawValue)),
          ],
          to: account,
          on: connection
        )
      }
    }
  }

  /// Gives a message that arrived in `mailbox` the UID that the server told; without one it waits to be matched.
  ///
  /// Intents that take it from there get the UID too, up to the one that brings it there once more;
  /// where there is such an intent, the placement shown is of that later visit and still waits.
  private func settle(
    after operation: OperationRecord,
    in mailbox: ID<Mailbox>,
    uid: Int64?,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let message = operation.message
    // A sync that came first may have stored the copy as a message of its own: ours keeps its id.
    if let uid {
      let doubles = try await connection.query(
        """
        delete from placement where account_id = \(account.rawValue)
          and mailbox_id = \(mailbox.rawValue) and uid = \(uid)
          and message_id <> \(message.rawValue)
        returning message_id, is_seen, is_deleted
        """
      )
      if !doubles.isEmpty {
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
            and later.mailbox_id = \(mailbox.rawValue) and later.kind in ('move', 'delete')
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
  }

  /// The server refused: what was shown is taken back, and the intent stays with the reason until it is discarded.
  package func refuseOperation(
    _ operation: OperationRecord,
    reason: String,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let rows = try await connection.query(
          """
          update operation set state = 'refused', last_error = \(reason)
          where account_id = \(account.rawValue) and id = \(operation.id.rawValue)
          returning previous_keywords
          """
        )
        guard rows.count == 1 else { return }
        let previous = try rows.optionalStringArray(0, 0) ?? []
        let touched = try await revert(operation, previous, account, on: connection)
        try await recount(touched, of: account, on: connection)
        let destroyed = try await destroyUnplaced(
          [operation.message.rawValue],
          of: account,
          on: connection
        )
        try await touch([operation.message.rawValue], of: account, on: connection)
        try await append(
          [
            FeedEntry(
              .message,
              destroyed.isEmpty ? .updated : .destroyed,
              [operation.message.rawValue]
            ),
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
      }
    }
  }

  /// Puts back what an intent changed; the mailboxes whose counters are no longer right.
  private func revert(
    _ operation: OperationRecord,
    _ previous: [String],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let message = operation.message.rawValue
    if let place = operation.newPlace {
      _ = try await connection.query(
        """
        delete from placement where account_id = \(account.rawValue)
          and mailbox_id = \(place.rawValue) and message_id = \(message) and uid is null
        """
      )
    }
    switch operation.kind {
    case "keywords":
      _ = try await connection.query(
        """
        update placement set keywords = \(previous), is_seen = '$seen' = any (\(previous)::text[])
        where account_id = \(account.rawValue) and mailbox_id = \(operation.mailbox.rawValue)
          and message_id = \(message)
        """
      )
    case "move", "delete":
      _ = try await connection.query(
        """
        insert into placement (account_id, mailbox_id, message_id, uid, keywords, is_seen,
          received_at)
        select m.account_id, \(operation.mailbox.rawValue), m.id, \(operation.uid),
          \(previous), '$seen' = any (\(previous)::text[]), m.received_at
        from message m where m.account_id = \(account.rawValue) and m.id = \(message)
        on conflict do nothing
        """
      )
    default: break
    }
    return [operation.mailbox.rawValue] + (operation.newPlace.map { [$0.rawValue] } ?? [])
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

  /// Drops a refused intent; false where there is none, or where it is still on its way.
  package func forgetOperation(
    _ id: ID<MailOperation>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await mailTransaction(account) { connection in
        let rows = try await connection.query(
          """
          delete from operation where account_id = \(account.rawValue) and id = \(id.rawValue)
            and state in ('refused', 'conflict') returning id
          """
        )
        guard rows.count == 1 else { return false }
        try await append(
          [FeedEntry(.operation, .destroyed, [id.rawValue])],
          to: account,
          on: connection
        )
        return true
      }
    }
  }
}

extension OperationRecord {
  /// The mailbox in which the intent makes the message appear.
  var newPlace: ID<Mailbox>? {
    switch kind {
    case "move", "copy": targetMailbox
    case "append": mailbox
    default: nil
    }
  }
}

extension Store {
  /// Whether expunging a message from a mailbox leaves it where it is meant to stay.
  ///
  /// It does where nothing is meant to stay, or where the server has told a UID of it in another
  /// mailbox. The last copy of a message is never expunged on the strength of an intent alone.
  package func canExpunge(
    _ operation: OperationRecord,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.query(
        """
        select not exists (select 1 from placement where account_id = \(account.rawValue)
            and message_id = \(operation.message.rawValue) and not is_deleted)
          or exists (select 1 from placement where account_id = \(account.rawValue)
            and message_id = \(operation.message.rawValue) and uid is not null
            and mailbox_id <> \(operation.mailbox.rawValue))
          or exists (select 1 from operation where account_id = \(account.rawValue)
            and message_id = \(operation.message.rawValue) and kind in ('move', 'copy')
            and state in ('pending', 'running') and ordinal > \(operation.ordinal)
            and uid is not null and mailbox_id <> \(operation.mailbox.rawValue))
        """
      ).bool(0, 0)
    }
  }
}
