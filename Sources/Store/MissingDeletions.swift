package import Model
import Postgres

// A message that was to be deleted, and that the server has no more where that was to be done: another client deleted it too, or moved
// it. Which of the two, only a sync of the other mailboxes can tell. One that is found has changed since, so it is not deleted: it is
// there again under its id, and the deletion is a conflict that whoever asked for it decides.

extension Store {
  private static let movedReason = "Kept: the message was moved on the server since."

  /// Ends the deletion of a message that the server does not have any more in the intent's mailbox.
  package func endDeletion(
    ofMissing operation: OperationRecord,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let message = operation.message.rawValue
        let wasElsewhere = try await isPlaced(message, account, on: connection)
        // As a conflict, so that it does not hold up the message's end.
        let ended = try await connection.query(
          """
          update operation set state = 'conflict', last_error = \(Self.movedReason)
          where account_id = \(account.rawValue) and id = \(operation.id.rawValue)
          """
        )
        guard ended.affected == 1 else { return }
        let destroyed = try await destroyUnplaced(
          [message],
          of: account,
          buries: true,
          on: connection
        )
        var entries = [FeedEntry(.message, .destroyed, destroyed)]
        if !wasElsewhere, try await isPlaced(message, account, on: connection) {
          // What had appeared elsewhere before has taken over its id.
          try await follow(operation, account, on: connection)
          try await touch([message], of: account, on: connection)
          try await tellThreads(of: [message], in: account, on: connection)
          entries += [
            FeedEntry(.message, .updated, [message]),
            FeedEntry(.operation, .updated, [operation.id.rawValue]),
          ]
        } else {
          // One that is here all the same, or goes on elsewhere, was not to be gone for good.
          let isGone = !wasElsewhere || destroyed.contains(message)
          try await forget(operation, remembering: isGone, account, on: connection)
          entries.append(FeedEntry(.operation, .destroyed, [operation.id.rawValue]))
        }
        try await append(entries, to: account, on: connection)
      }
    }
  }

  private func isPlaced(
    _ message: Int64,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Bool {
    try await connection.query(
      """
      select exists (select 1 from placement
        where account_id = \(account.rawValue) and message_id = \(message))
      """
    ).bool(0, 0)
  }

  /// Makes a conflict of the deletion, in the mailbox where its message is now.
  private func follow(
    _ operation: OperationRecord,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      update operation o set mailbox_id = p.mailbox_id, uid = p.uid, server_keywords = p.keywords
      from (select mailbox_id, uid, keywords from placement
        where account_id = \(account.rawValue) and message_id = \(operation.message.rawValue)
        order by mailbox_id limit 1) as p
      where o.account_id = \(account.rawValue) and o.id = \(operation.id.rawValue)
      """
    )
  }

  /// Forgets the deletion, but for a tombstone by which the message is known if it appears elsewhere.
  private func forget(
    _ operation: OperationRecord,
    remembering isGone: Bool,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      delete from operation
      where account_id = \(account.rawValue) and id = \(operation.id.rawValue)
      """
    )
    guard isGone else { return }
    _ = try await connection.query(
      """
      insert into tombstone (account_id, identity, message_id, received_at, is_deletion)
      values (\(account.rawValue), \(operation.identity), \(operation.message.rawValue),
        \(operation.receivedAt), true)
      on conflict (account_id, identity, message_id) do update set is_deletion = true
      """
    )
  }

  /// Makes conflicts of the deletions of messages that turned up in `mailbox`; what the feed says of it.
  func tellOfReturned(
    _ returned: [(id: Int64, message: NewMessage)],
    in mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    guard !returned.isEmpty else { return [] }
    let fresh = try await ids.take(returned.count, on: connection)
    let account = mailbox.accountID.rawValue
    _ = try await connection.pipeline(
      zip(fresh, returned).map { id, returned in
        """
        insert into operation (account_id, id, kind, state, message_id, mailbox_id, uid,
          last_error, previous_keywords, server_keywords)
        values (\(account), \(id), 'delete', 'conflict', \(returned.id), \(mailbox.id.rawValue),
          \(returned.message.uid), \(Self.movedReason), \(returned.message.keywords),
          \(returned.message.keywords))
        """
      }
    )
    return [FeedEntry(.operation, .created, fresh)]
  }
}
