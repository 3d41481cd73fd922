package import Bytes
package import Model
import Postgres

/// A durable intent on its way to a server that changes a mailbox there.
package struct MailboxOperation: Sendable {
  /// What is to be done.
  package enum Kind: String, Sendable {
    case create = "createMailbox"
    case rename = "renameMailbox"
    case delete = "deleteMailbox"
    case subscribe = "subscribeMailbox"
    case unsubscribe = "unsubscribeMailbox"
  }

  package var id: ID<MailOperation>
  package var kind: Kind
  /// `pending`, `running`, `refused` or `conflict`.
  package var state: String
  package var mailbox: ID<Mailbox>
  /// What it is to be called, and below which mailbox it is to stand; of a deletion, what it was called.
  package var name: String?
  package var parent: ID<Mailbox>?
  package var previousName: String?
  package var previousParent: ID<Mailbox>?
  /// Of a deletion: the name on the server; nil where it never came there.
  package var encodedName: String?
  /// Of a deletion: from which UID on nothing was known, and of which UIDVALIDITY that UID is.
  package var uidNext: Int64?
  package var uidValidity: Int64?
  /// Of a deletion: whether its messages go with it.
  package var isPermanent: Bool
  package var attempts: Int
  package var lastError: String?
  package var createdAt: Timestamp
  /// The place in the order of the account's intents.
  package var ordinal: Int64

  /// Whether it was under way before, so that the server may have done it.
  package var wasTried: Bool { attempts > 0 || state == "running" }
}

/// An intent as a caller is told of it.
package enum QueuedOperation: Sendable {
  case message(OperationRecord)
  case mailbox(MailboxOperation)

  /// The id of the intent.
  package var id: ID<MailOperation> {
    switch self {
    case .message(let operation): operation.id
    case .mailbox(let operation): operation.id
    }
  }

  /// `pending`, `running`, `refused` or `conflict`.
  package var state: String {
    switch self {
    case .message(let operation): operation.state
    case .mailbox(let operation): operation.state
    }
  }

  /// The intent, where it is one of a message.
  package var message: OperationRecord? {
    if case .message(let operation) = self { operation } else { nil }
  }

  /// The intent, where it is one of a mailbox.
  package var mailbox: MailboxOperation? {
    if case .mailbox(let operation) = self { operation } else { nil }
  }
}

extension Store {
  /// What reads a mailbox's intents, in `mailboxOperation`'s order.
  private static let mailboxOperationColumns: SQL = """
    select id, kind, state, mailbox_id, mailbox_name, parent_id, previous_name,
      previous_parent_id, encoded_name, uid_next, is_permanent, attempts, last_error, created_at,
      ordinal, uid_validity
    from operation
    """

  /// What reads the account's intents of mailboxes that meet `condition`, in their order.
  func mailboxOperationsStatement(_ account: ID<Account>, where condition: SQL) -> SQL {
    Self.mailboxOperationColumns
      + """
       where account_id = \(account.rawValue) and message_id is null and \(condition)
       order by ordinal
      """
  }

  /// The intents in what `mailboxOperationsStatement` found.
  func mailboxOperations(_ rows: PostgresRows) throws -> [MailboxOperation] {
    try (0..<rows.count).map { row in
      guard let kind = MailboxOperation.Kind(rawValue: try rows.string(row, 1)) else {
        throw ServiceError(
          .internalError,
          "An internal error occurred.",
          cause: "an operation of an unknown kind"
        )
      }
      return MailboxOperation(
        id: ID(try rows.int64(row, 0)),
        kind: kind,
        state: try rows.string(row, 2),
        mailbox: ID(try rows.int64(row, 3)),
        name: try rows.optionalString(row, 4),
        parent: try rows.optionalInt64(row, 5).map { ID($0) },
        previousName: try rows.optionalString(row, 6),
        previousParent: try rows.optionalInt64(row, 7).map { ID($0) },
        encodedName: try rows.optionalString(row, 8),
        uidNext: try rows.optionalInt64(row, 9),
        uidValidity: try rows.optionalInt64(row, 15),
        isPermanent: try rows.bool(row, 10),
        attempts: Int(try rows.int32(row, 11)),
        lastError: try rows.optionalString(row, 12),
        createdAt: try rows.timestamp(row, 13),
        ordinal: try rows.int64(row, 14)
      )
    }
  }

  /// Intents of the account of both kinds by id after `after`, in their order.
  package func operations(
    of account: ID<Account>,
    after: ID<MailOperation>? = nil,
    limit: Int
  ) async throws(ServiceError) -> [QueuedOperation] {
    let later: SQL = """
      ordinal > coalesce((select a.ordinal from operation a
        where a.account_id = \(account.rawValue) and a.id = \(after?.rawValue ?? 0)), 0)
      """
    return try await queued(of: account, where: later, limit: limit)
  }

  /// One intent of either kind; nil where there is none.
  package func operation(
    _ id: ID<MailOperation>,
    of account: ID<Account>
  ) async throws(ServiceError) -> QueuedOperation? {
    try await queued(of: account, where: "id = \(id.rawValue)", limit: 1).first
  }

  private func queued(
    of account: ID<Account>,
    where condition: SQL,
    limit: Int
  ) async throws(ServiceError) -> [QueuedOperation] {
    try await attempt {
      let rows = try await pool.pipeline([
        operationsStatement(account, where: "o." + condition, limit: limit),
        mailboxOperationsStatement(account, where: condition) + " limit \(Int64(limit))",
      ])
      let messages = try operations(rows[0]).map { ($0.ordinal, QueuedOperation.message($0)) }
      let mailboxes = try mailboxOperations(rows[1]).map {
        ($0.ordinal, QueuedOperation.mailbox($0))
      }
      return (messages + mailboxes).sorted { $0.0 < $1.0 }.prefix(limit).map(\.1)
    }
  }

  /// What the server calls a mailbox that is to be deleted there; nil where none is, or it never came there.
  package func serverName(
    ofDoomed mailbox: ID<Mailbox>,
    in account: ID<Account>
  ) async throws(ServiceError) -> String? {
    let isIt: SQL = "mailbox_id = \(mailbox.rawValue)"
    return try await doomed(isIt, in: account).first?.encodedName
  }

  /// Whether a mailbox that the server calls so is to be deleted there.
  package func isDoomed(
    serverName: String,
    in account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await !doomed("encoded_name = \(serverName)", in: account).isEmpty
  }

  /// The intents on their way that delete the mailboxes for which `condition` holds.
  private func doomed(
    _ condition: SQL,
    in account: ID<Account>
  ) async throws(ServiceError) -> [MailboxOperation] {
    try await attempt {
      let isDeletion: SQL = "kind = 'deleteMailbox' and state in ('pending', 'running')"
      let rows = try await pool.query(
        mailboxOperationsStatement(account, where: isDeletion + " and " + condition)
      )
      return try mailboxOperations(rows)
    }
  }

  /// Whether a change of a mailbox is on its way to the account's server.
  package func changesMailboxes(of account: ID<Account>) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.query(
        """
        select exists (select 1 from operation where account_id = \(account.rawValue)
          and message_id is null and state in ('pending', 'running'))
        """
      ).bool(0, 0)
    }
  }

  /// What is replayed next: the intents of messages in their order, up to the first one of a mailbox; nil where there is none.
  ///
  /// None of the messages and mailboxes in `postponed`, and nothing that wants the name which one of those is to give up.
  package func dueOperations(
    of account: ID<Account>,
    except postponed: (messages: [ID<Message>], mailboxes: [ID<Mailbox>]) = ([], []),
    limit: Int
  ) async throws(ServiceError) -> (messages: [OperationRecord], mailbox: MailboxOperation?) {
    let waiting = postponed.mailboxes.map(\.rawValue)
    let isDue: SQL = """
      state in ('pending', 'running')
        and mailbox_id <> all (\(waiting))
        and not exists (select 1 from operation earlier
          where earlier.account_id = \(account.rawValue) and earlier.message_id is null
            and earlier.state in ('pending', 'running') and earlier.mailbox_id = any (\(waiting))
            and earlier.ordinal < operation.ordinal
            and earlier.previous_name = operation.mailbox_name
            and earlier.previous_parent_id is not distinct from operation.parent_id)
      """
    return try await attempt {
      let rows = try await pool.pipeline([
        mailboxOperationsStatement(account, where: isDue) + " limit 1",
        operationsStatement(
          account,
          where: """
            o.state in ('pending', 'running')
              and o.message_id <> all (\(postponed.messages.map(\.rawValue)))
              and o.ordinal < coalesce((select min(ordinal) from operation
                where account_id = \(account.rawValue) and message_id is null and \(isDue)),
                9223372036854775807)
            """,
          limit: limit
        ),
      ])
      return (try operations(rows[1]), try mailboxOperations(rows[0]).first)
    }
  }
}
