package import Bytes
package import Model
import Postgres

// A message whose header a rule or a script changes is another message, of which the one that was here keeps the id, the thread, the
// mailboxes and the keywords. Where it is kept here alone the new bytes take the place of the old in one transaction. Where a server
// has it nothing can be changed there (RFC 9051 §2.3.1.1): an intent appends the new one first, and only when the server has told where
// that is does the old one go; the row of the message, which is what the server has, changes with that.

/// What a stored message becomes.
package struct MessageRewrite: Sendable {
  package var message: NewMessage
  package var blob: RawBlob
  /// What is noted, and with which of the rules that matched, where it cannot become that.
  package var refusals: [(match: Int, refusal: JSONValue)] = []

  /// A rewrite to a raw message that was parsed and compressed.
  package init(_ delivery: Delivery) {
    message = delivery.message
    blob = delivery.blob
  }
}

extension Store {
  /// Makes a message another, here or by an intent, with three fresh ids; false where its server has it in several mailboxes.
  func rewrite(
    _ message: ID<Message>,
    _ rewrite: MessageRewrite,
    _ fresh: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Bool {
    let places = try await placesToRewrite(message, account, on: connection)
    // It is gone: then there is nothing to be done.
    guard !places.isEmpty else { return true }
    if places.allSatisfy(\.isLocal) {
      try await insertBlobs([(fresh[0], rewrite.blob)], of: account, on: connection)
      try await adopt(
        rewrite.message,
        kept: (fresh[0], rewrite.blob.size),
        by: message,
        scratch: fresh[1],
        of: account,
        on: connection
      )
      return true
    }
    guard places.count == 1 else { return false }
    try await insertBlobs([(fresh[0], rewrite.blob)], of: account, on: connection)
    let intent = PlannedOperation(
      kind: "replace",
      message: message.rawValue,
      mailbox: places[0].mailbox,
      uid: places[0].uid,
      blob: fresh[0]
    )
    _ = try await connection.query(intent.insert(fresh[1], account))
    try await touch([message.rawValue], of: account, on: connection)
    let changes = [
      FeedEntry(.message, .updated, [message.rawValue]),
      FeedEntry(.operation, .created, [fresh[1]]),
    ]
    try await append(changes, to: account, keptBytes: rewrite.blob.size, on: connection)
    return true
  }

  /// Where a message is that is to be another; none where it is gone.
  private func placesToRewrite(
    _ message: ID<Message>,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [(mailbox: Int64, uid: Int64?, isLocal: Bool)] {
    let found = try await connection.pipeline([
      """
      select id from message where account_id = \(account.rawValue)
        and id = \(message.rawValue) for update
      """,
      """
      select p.mailbox_id, p.uid, p.origin = \(PlacementOrigin.local.rawValue) or b.is_local
      from placement p
      join mailbox b on b.account_id = p.account_id and b.id = p.mailbox_id
      where p.account_id = \(account.rawValue) and p.message_id = \(message.rawValue)
        and not p.is_deleted
      for update of p
      """,
      """
      select 1 from operation where account_id = \(account.rawValue)
        and message_id = \(message.rawValue) and kind = 'replace'
        and state in ('pending', 'running')
      """,
    ])
    guard found[2].isEmpty else {
      // What is read of it is what it was: this change would undo the one before it.
      throw ServiceError(
        .unavailable,
        "The message is being changed at its server.",
        isRetryable: true
      )
    }
    let places = found[1]
    guard !found[0].isEmpty else { return [] }
    return try (0..<places.count).map { row in
      (try places.int64(row, 0), try places.optionalInt64(row, 1), try places.bool(row, 2))
    }
  }

  /// Those of `messages` that wait for their server to take a change.
  package func messagesInReplacement(
    _ messages: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) -> Set<ID<Message>> {
    try await attempt {
      let rows = try await pool.query(
        """
        select message_id from operation where account_id = \(account.rawValue)
          and message_id = any (\(messages.map(\.rawValue))) and kind = 'replace'
          and state in ('pending', 'running')
        """
      )
      return Set(try (0..<rows.count).map { ID(try rows.int64($0, 0)) })
    }
  }

  /// The server has the message of a `replace` under `uid` now, and has it under `oldUID` no more.
  ///
  /// What was meant for it after that is meant for the new one.
  package func completeReplacement(
    _ operation: OperationRecord,
    by content: NewMessage,
    from oldUID: Int64,
    to uid: Int64,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      let scratch = try await ids.take(from: pool)
      try await mailTransaction(account) { connection in
        guard try await endReplacement(operation, oldUID, account, on: connection),
          let blob = operation.blob
        else { return }
        try await settle(after: operation, in: operation.mailbox, uid: uid, account, on: connection)
        try await adopt(
          content,
          kept: (blob.rawValue, 0),
          by: operation.message,
          scratch: scratch,
          isAppended: true,
          of: account,
          on: connection
        )
        let destroyed = try await destroyUnplaced(
          [operation.message.rawValue],
          of: account,
          on: connection
        )
        try await append(
          [
            FeedEntry(.message, .destroyed, destroyed),
            FeedEntry(.operation, .destroyed, [operation.id.rawValue]),
          ],
          to: account,
          on: connection
        )
      }
    }
  }

  /// Has an intent be of the mailbox where its message is by now; false where that is none other, or not one alone.
  package func followMessage(
    of operation: OperationRecord,
    in account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.query(
        """
        update operation o set mailbox_id = p.mailbox_id, uid = p.uid, state = 'pending'
        from placement p
        where o.account_id = \(account.rawValue) and o.id = \(operation.id.rawValue)
          and o.state in ('pending', 'running') and p.account_id = o.account_id
          and p.message_id = o.message_id and p.uid is not null
          and p.mailbox_id <> o.mailbox_id
          and not exists (select 1 from placement other where other.account_id = p.account_id
            and other.message_id = p.message_id and other.mailbox_id <> p.mailbox_id)
        """
      ).affected == 1
    }
  }

  /// Takes away a `replace` that is carried out, and what is known of the message that the server has no more; false where the
  /// intent is gone.
  private func endReplacement(
    _ operation: OperationRecord,
    _ oldUID: Int64,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Bool {
    let (id, message) = (account.rawValue, operation.message.rawValue)
    let done = try await connection.pipeline([
      """
      delete from operation where account_id = \(id) and id = \(operation.id.rawValue)
        and state in ('pending', 'running')
      """,
      """
      update placement set uid = null, origin = \(PlacementOrigin.unmatched.rawValue)
      where account_id = \(id) and mailbox_id = \(operation.mailbox.rawValue)
        and message_id = \(message) and uid = \(oldUID)
      """,
      """
      update operation set uid = null
      where account_id = \(id) and mailbox_id = \(operation.mailbox.rawValue)
        and message_id = \(message) and uid = \(oldUID) and ordinal > \(operation.ordinal)
        and state in ('pending', 'running')
      """,
    ])
    return done[0].affected == 1
  }

  /// Gives a message the contents of another, whose bytes are in the blob `kept`, of which so many are not counted yet.
  ///
  /// It keeps its id, its thread and when it was received. One that is here alone keeps what it is known by, so that what
  /// it was comes no second time; one that was `isAppended` is known by what it is now.
  private func adopt(
    _ content: NewMessage,
    kept: (blob: Int64, uncounted: Int64),
    by message: ID<Message>,
    scratch: Int64,
    isAppended: Bool = false,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var content = content
    content.blob = kept.blob
    // All columns go through a row of its own, which the message then copies.
    var rows = NewMessage.messageRows(1)
    content.write(id: scratch, of: account, to: &rows)
    _ = try await BulkRows.store(
      [rows],
      then: adoption(of: scratch, by: message.rawValue, kept.blob, isAppended, account),
      on: connection
    )
    try await append(
      [FeedEntry(.message, .updated, [message.rawValue])],
      to: account,
      keptBytes: kept.uncounted,
      on: connection
    )
  }

  /// Copies the row `scratch` into that of the message `number`, whose bytes are in `blob` from then on, and those of before go.
  private func adoption(
    of scratch: Int64,
    by number: Int64,
    _ blob: Int64,
    _ isAppended: Bool,
    _ account: ID<Account>
  ) -> [SQL] {
    let columns = MessageColumns.Column.allCases.map { "\($0.name) = n.\($0.name)" }
    let columnList = SQL(unsafeSQL: columns.joined(separator: ", "))
    let id = account.rawValue
    return [
      """
      with old as (
        select blob_id from message where account_id = \(id) and id = \(number)
      ), dropped as (
        delete from blob where account_id = \(id) and id = (select blob_id from old)
          and id <> \(blob)
        returning size
      )
      update account set kept_bytes = greatest(kept_bytes
        - coalesce((select sum(size) from dropped), 0), 0)
      where id = \(id) and exists (select 1 from dropped)
      """,
      """
      update message m set size = n.size, sent_at = n.sent_at, blob_id = n.blob_id,
        has_attachment = n.has_attachment, version = m.version + 1,
        identity = case when \(isAppended) then n.identity else m.identity end,
        email_id = case when \(isAppended) then null else m.email_id end,
        \(columnList)
      from message n where m.account_id = \(id) and m.id = \(number)
        and n.account_id = \(id) and n.id = \(scratch)
      """,
      "delete from message where account_id = \(id) and id = \(scratch)",
      reindexStatement([number], of: account),
    ]
  }

  /// Forgets the bytes that intents, which are not carried out, wanted to put in the place of messages.
  func dropReplacements(
    of operations: [Int64],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      with dropped as (
        delete from blob b using operation o
        where o.account_id = \(account.rawValue) and o.id = any (\(operations))
          and o.kind = 'replace' and b.account_id = o.account_id and b.id = o.blob_id
        returning b.size
      )
      update account set kept_bytes = greatest(kept_bytes
        - coalesce((select sum(size) from dropped), 0), 0)
      where id = \(account.rawValue) and exists (select 1 from dropped)
      """
    )
  }
}
