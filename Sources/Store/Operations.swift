package import Bytes
package import Model
import Postgres

/// A durable intent on its way to a server that changes a message there.
package struct OperationRecord: Sendable {
  package var id: ID<MailOperation>
  /// `keywords`, `move`, `copy`, `delete`, `append`, `release` or `replace`.
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
  /// The Message-ID, which narrows the search for a message whose UID is not known.
  package var messageID: String?
  /// The place in the order of the account's intents.
  package var ordinal: Int64
  /// What the message is known by; empty where it is gone here.
  package var identity: [UInt8]
  /// The message's size, and when it was received.
  package var size: Int64
  package var receivedAt: Timestamp
  /// The keywords that the message had; what to put back where the server refuses.
  package var previousKeywords: [String]
  /// Those that the server has for the message of a conflict.
  package var serverKeywords: [String]?
}

extension Store {
  /// The kinds of intents that take a message away from a mailbox of the server.
  static let leavingKinds: SQL = "('move', 'delete', 'release')"

  private static let operationColumns: SQL = """
    select o.id, o.kind, o.state, o.message_id, o.mailbox_id,
      coalesce(o.uid, (select p.uid from placement p where p.account_id = o.account_id
        and p.mailbox_id = o.mailbox_id and p.message_id = o.message_id)),
      o.target_mailbox_id, o.add_keywords, o.remove_keywords, coalesce(o.blob_id, m.blob_id),
      o.attempts, o.last_error, o.created_at, m.message_id, o.ordinal,
      coalesce(m.identity, ''), coalesce(m.size, 0), coalesce(m.received_at, o.created_at),
      o.previous_keywords, o.server_keywords
    from operation o
    left join message m on m.account_id = o.account_id and m.id = o.message_id
    """

  /// The intents of messages of `account` that meet `condition`, in their order.
  func operations(
    of account: ID<Account>,
    where condition: SQL,
    on connection: PostgresConnection
  ) async throws -> [OperationRecord] {
    try operations(await connection.query(operationsStatement(account, where: condition)))
  }

  /// What reads the account's intents of messages that meet `condition` of `operation o`, in their order.
  func operationsStatement(
    _ account: ID<Account>,
    where condition: SQL,
    limit: Int = .max
  ) -> SQL {
    Self.operationColumns
      + """
       where o.account_id = \(account.rawValue) and o.message_id is not null and \(condition)
       order by o.ordinal limit \(Int64(limit))
      """
  }

  /// The intents in what `operationsStatement` found.
  func operations(_ rows: PostgresRows) throws -> [OperationRecord] {
    try (0..<rows.count).map { try operation(rows, $0) }
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
      ordinal: try rows.int64(row, 14),
      identity: try rows.byteArray(row, 15),
      size: try rows.int64(row, 16),
      receivedAt: try rows.timestamp(row, 17),
      previousKeywords: try rows.optionalStringArray(row, 18) ?? [],
      serverKeywords: try rows.optionalStringArray(row, 19)
    )
  }

  /// Says that the intents are being replayed, so that a crash in between is seen; those that were not discarded meanwhile.
  package func markRunning(
    _ operations: [ID<MailOperation>],
    of account: ID<Account>
  ) async throws(ServiceError) -> Set<ID<MailOperation>> {
    try await attempt {
      let rows = try await pool.query(
        """
        update operation set state = 'running', attempts = attempts + 1
        where account_id = \(account.rawValue) and id = any (\(operations.map(\.rawValue)))
          and state in ('pending', 'running')
        returning id
        """
      )
      return Set(try (0..<rows.count).map { ID(try rows.int64($0, 0)) })
    }
  }

  /// Says that the server would not do it now and may later, in its words.
  ///
  /// What only waits, for others, was not tried: with `asTried` false it may wait however long.
  package func putOff(
    _ operations: [ID<MailOperation>],
    reason: String,
    asTried: Bool = true,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update operation set state = 'pending', last_error = \(reason),
          attempts = case when \(asTried) then attempts else greatest(attempts - 1, 0) end
        where account_id = \(account.rawValue) and id = any (\(operations.map(\.rawValue)))
          and state in ('pending', 'running')
        """
      )
    }
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
  /// It does where nothing is meant to stay, where it is kept here alone in another mailbox, or where the
  /// server has told a UID of it there. The last copy of a message is never expunged on the strength of an intent alone.
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
            and message_id = \(operation.message.rawValue)
            and (uid is not null or origin = \(PlacementOrigin.local.rawValue))
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
