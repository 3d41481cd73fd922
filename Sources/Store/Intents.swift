package import Model
import Postgres

extension Store {
  /// Carries out a patch here and queues what the server has to be told: visible at once, durable, in one transaction.
  ///
  /// Of what is done in local mailboxes nobody has to be told: it is final. A message that is put from one into a mailbox of the
  /// server is appended to that.
  ///
  /// - Returns: The messages that there are none of; the rest were changed.
  package func changeMessages(
    _ messages: [ID<Message>],
    of account: ID<Account>,
    _ patch: MessagePatch,
    ifVersion: Int64? = nil
  ) async throws(ServiceError) -> Set<ID<Message>> {
    try await intend(messages, of: account, ifVersion: ifVersion) { intents in
      try intents.apply(patch)
    }
  }

  /// Takes messages out of every mailbox for good.
  package func destroyMessages(
    _ messages: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) -> Set<ID<Message>> {
    try await intend(messages, of: account, ifVersion: nil) { intents in intents.destroy() }
  }

  /// Takes messages out of one mailbox for good, where they are in it.
  package func destroyMessages(
    _ messages: [ID<Message>],
    in mailbox: ID<Mailbox>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    _ = try await intend(messages, of: account, ifVersion: nil) { intents in
      intents.destroy(in: mailbox)
    }
  }

  private func intend(
    _ messages: [ID<Message>],
    of account: ID<Account>,
    ifVersion: Int64?,
    _ body: (inout IntentPlan) throws -> Void
  ) async throws(ServiceError) -> Set<ID<Message>> {
    try await attempt {
      try await mailTransaction(account) { connection in
        try await intend(messages, of: account, ifVersion: ifVersion, on: connection, body)
      }
    }
  }

  /// Plans by `body` what becomes of the messages, and does it, in the mail transaction of `connection`.
  @discardableResult
  func intend(
    _ messages: [ID<Message>],
    of account: ID<Account>,
    ifVersion: Int64? = nil,
    on connection: PostgresConnection,
    _ body: (inout IntentPlan) throws -> Void
  ) async throws -> Set<ID<Message>> {
    let numbers = messages.map(\.rawValue)
    let rows = try await connection.pipeline([
      """
      select id, version, blob_id is not null and (select mode <> 'offline' from account
          where id = \(account.rawValue))
      from message where account_id = \(account.rawValue) and id = any (\(numbers))
      order by id for update
      """,
      """
      select message_id, mailbox_id, uid, keywords, is_seen, received_at, origin from placement
      where account_id = \(account.rawValue) and message_id = any (\(numbers))
        and not is_deleted
      order by message_id, mailbox_id for update
      """,
      "select id, is_local from mailbox where account_id = \(account.rawValue)",
    ])
    var plan = try IntentPlan(messages: rows[0], placements: rows[1], mailboxes: rows[2])
    if let ifVersion, rows[0].count == 1, try rows[0].int64(0, 1) != ifVersion {
      throw ServiceError(.preconditionFailed, "The message changed meanwhile.")
    }
    try body(&plan)
    try await store(plan, of: account, on: connection)
    return Set(messages.filter { !plan.contains($0) })
  }

  private func store(
    _ plan: IntentPlan,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !plan.isEmpty else { return }
    let operationIDs = try await ids.take(plan.operations.count, on: connection)
    var statements = plan.statements(account)
    for (id, operation) in zip(operationIDs, plan.operations) {
      statements.append(operation.insert(id, account))
    }
    for batch in stride(from: 0, to: statements.count, by: 200) {
      _ = try await connection.pipeline(
        Array(statements[batch..<min(batch + 200, statements.count)])
      )
    }
    let ended = try await dropRefusedAppends(of: plan.brought, account, on: connection)
    // Elsewhere a message goes when its server has expunged it.
    _ = try await destroyUnplaced(plan.expungedHere, of: account, on: connection)
    try await touch(plan.changed, of: account, on: connection)
    try await append(plan.entries(operationIDs, ended: ended), to: account, on: connection)
  }

  /// Drops refused intents to append messages that are brought to the server by others now; their ids.
  private func dropRefusedAppends(
    of messages: [Int64],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let rows = try await connection.query(
      """
      delete from operation o where o.account_id = \(account.rawValue)
        and o.message_id = any (\(messages)) and o.kind = 'append' and o.state = 'refused'
        and not exists (select 1 from placement p where p.account_id = o.account_id
          and p.message_id = o.message_id and p.mailbox_id = o.mailbox_id
          and p.origin = \(PlacementOrigin.local.rawValue))
      returning o.id
      """
    )
    return try (0..<rows.count).map { try rows.int64($0, 0) }
  }
}

/// One intent to be queued.
struct PlannedOperation {
  var kind: String
  var message: Int64
  var mailbox: Int64
  var uid: Int64?
  var target: Int64?
  var add: [String] = []
  var remove: [String] = []
  /// The keywords before.
  var previous: [String]?
  /// Of an append, whether the message was here before, and stays here alone where the intent is taken back.
  var stays = false
  /// What an append hands over.
  var blob: Int64?

  func insert(_ id: Int64, _ account: ID<Account>) -> SQL {
    """
    insert into operation (account_id, id, kind, message_id, mailbox_id, uid, target_mailbox_id,
      add_keywords, remove_keywords, previous_keywords, stays, blob_id)
    values (\(account.rawValue), \(id), \(kind), \(message), \(mailbox), \(uid), \(target),
      \(add), \(remove), \(previous), \(stays), \(blob))
    """
  }
}

extension PlannedOperation {
  /// Brings a message that is kept here alone to a mailbox of the server.
  init(appending message: Int64, to mailbox: Int64, keywords: [String]) {
    self.init(kind: "append", message: message, mailbox: mailbox, add: keywords, stays: true)
  }
}
