package import Model
import Postgres

// What becomes of an intent of a mailbox that the server carried out or refused.

extension Store {
  /// The server did what the intent asked; `encodedName` is what the mailbox is called there from then on, nil where that did not change.
  ///
  /// Of one that is not here any more, `before` says what it was called until then, and the delimiter.
  package func completeMailboxOperation(
    _ operation: MailboxOperation,
    encodedName: String? = nil,
    before: (encodedName: String, delimiter: String?)? = nil,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account, reading: [mailboxesStatement(account)]) {
        connection,
        rows in
        let known = try mailboxes(rows[0]).first { $0.id == operation.mailbox }
        _ = try await connection.query(
          """
          delete from operation
          where account_id = \(account.rawValue) and id = \(operation.id.rawValue)
          """
        )
        if let encodedName {
          let last = known.flatMap { $0.isAwaited ? nil : ($0.encodedName, $0.delimiter) } ?? before
          try await setEncodedName(encodedName, operation, known, last, account, on: connection)
        }
        var entries = [FeedEntry(.operation, .destroyed, [operation.id.rawValue])]
        if known != nil {
          try await touchMailbox(operation.mailbox, account, on: connection)
          entries.append(FeedEntry(.mailbox, .updated, [operation.mailbox.rawValue]))
        }
        try await append(entries, to: account, on: connection)
      }
    }
  }

  /// Notes what a mailbox and those below it are called on the server now.
  private func setEncodedName(
    _ name: String,
    _ operation: MailboxOperation,
    _ known: Mailbox?,
    _ before: (encodedName: String, delimiter: String?)?,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var statements: [SQL] = [
      // It may be meant to go by now.
      """
      update operation set encoded_name = \(name) where account_id = \(account.rawValue)
        and mailbox_id = \(operation.mailbox.rawValue) and kind = 'deleteMailbox'
      """
    ]
    if let known {
      statements += [
        // Whatever had the name before is not on the server any more: the next list takes it away.
        """
        update mailbox set encoded_name = chr(1) || id where account_id = \(account.rawValue)
          and encoded_name = \(name) and id <> \(known.id.rawValue)
        """,
        """
        update mailbox set encoded_name = \(name)
        where account_id = \(account.rawValue) and id = \(known.id.rawValue)
        """,
      ]
    }
    if let before, let delimiter = before.delimiter {
      let old = before.encodedName + delimiter
      let renamed: SQL =
        "encoded_name = \(name + delimiter) || substr(encoded_name, length(\(old)) + 1)"
      statements += [
        "update mailbox set " + renamed
          + " where account_id = \(account.rawValue) and starts_with(encoded_name, \(old))",
        // So are those that are to be deleted by now, of which there is nothing but the intent.
        "update operation set " + renamed
          + """
           where account_id = \(account.rawValue) and kind = 'deleteMailbox'
            and state in ('pending', 'running') and starts_with(encoded_name, \(old))
          """,
      ]
    }
    _ = try await connection.pipeline(statements)
  }

  /// The server refused, or was not asked since it has something else there: what was shown is taken back, and the intent stays with the reason.
  ///
  /// `place` is how the server lists the mailbox: it is shown so again, unless a later intent decides. With `ifPending` one that is
  /// on its way stays as it is.
  ///
  /// - Returns: Whether it is refused.
  @discardableResult
  package func refuseMailboxOperation(
    _ operation: MailboxOperation,
    reason: String,
    isConflict: Bool,
    place: MailboxListing?,
    ifPending: Bool = false,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await mailTransaction(account, reading: [mailboxesStatement(account)]) {
        connection,
        rows in
        let changed = try await connection.query(
          """
          update operation set state = \(isConflict ? "conflict" : "refused"),
            last_error = \(reason)
          where account_id = \(account.rawValue) and id = \(operation.id.rawValue)
            and (not \(ifPending) or state = 'pending' and attempts = 0)
          """
        )
        guard changed.affected == 1 else { return false }
        let entries = try await revert(
          operation,
          try mailboxes(rows[0]),
          place,
          account,
          on: connection
        )
        try await append(
          entries + [FeedEntry(.operation, .updated, [operation.id.rawValue])],
          to: account,
          on: connection
        )
        return true
      }
    }
  }

  /// Puts back what an intent of a mailbox changed; what the feed says of it.
  private func revert(
    _ operation: MailboxOperation,
    _ all: [Mailbox],
    _ place: MailboxListing?,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let known = all.first { $0.id == operation.mailbox }
    switch operation.kind {
    case .create:
      guard var known else { return [] }
      // What was put into it and is nowhere else stays: it is a local mailbox then.
      known.encodedName = place?.encodedName ?? known.encodedName
      let appended = try await keepAppended(in: known, on: connection)
      if let detached = try await detachMailbox(known, of: account, on: connection) {
        return appended + detached
      }
      return try await appended + removeMailbox(known.id, of: account, on: connection)
    case .rename:
      guard let known else { return [] }
      return try await revertName(operation, known, all, place, account, on: connection)
    case .subscribe, .unsubscribe:
      guard let known, try await !isDecidedLater(operation, account, on: connection) else {
        return []
      }
      let before = operation.kind == .unsubscribe
      return try await setSubscribed(before, known.id, account, on: connection)
    case .delete:
      return try await restore(operation, all, place, account, on: connection)
    }
  }

  /// Shows a mailbox under the name that it has on the server, unless a later intent gives it another.
  private func revertName(
    _ operation: MailboxOperation,
    _ known: Mailbox,
    _ all: [Mailbox],
    _ place: MailboxListing?,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let later = try await connection.query(
      """
      update operation set previous_name = \(operation.previousName),
        previous_parent_id = \(operation.previousParent?.rawValue)
      where account_id = \(account.rawValue) and id = (select id from operation
        where account_id = \(account.rawValue) and mailbox_id = \(known.id.rawValue)
          and kind = 'renameMailbox' and state in ('pending', 'running')
          and ordinal > \(operation.ordinal)
        order by ordinal limit 1)
      """
    )
    guard later.affected == 0, let name = operation.previousName else { return [] }
    let parent = all.first { $0.id == operation.previousParent }
    let path = place?.path ?? parent.map { $0.path + (known.delimiter ?? "") + name } ?? name
    let below = try await setName(name, parent?.id, path: path, of: known, on: connection)
    return [FeedEntry(.mailbox, .updated, [known.id.rawValue] + below)]
  }

  /// Whether a later intent says whether the mailbox is subscribed to.
  private func isDecidedLater(
    _ operation: MailboxOperation,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Bool {
    try await connection.query(
      """
      select exists (select 1 from operation where account_id = \(account.rawValue)
        and mailbox_id = \(operation.mailbox.rawValue)
        and kind in ('subscribeMailbox', 'unsubscribeMailbox')
        and state in ('pending', 'running') and ordinal > \(operation.ordinal))
      """
    ).bool(0, 0)
  }

  /// Has a mailbox that was to be deleted back under its id; its messages get theirs when they are read again.
  private func restore(
    _ operation: MailboxOperation,
    _ all: [Mailbox],
    _ place: MailboxListing?,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    guard let place, let name = operation.previousName else { return [] }
    let parent = all.first { $0.id == operation.previousParent }
    let made = try await connection.query(
      """
      insert into mailbox (account_id, id, parent_id, name, path, encoded_name, delimiter)
      values (\(account.rawValue), \(operation.mailbox.rawValue), \(parent?.id.rawValue), \(name),
        \(place.path), \(place.encodedName), \(place.delimiter))
      on conflict do nothing
      """
    )
    guard made.affected == 1 else { return [] }
    return [FeedEntry(.mailbox, .created, [operation.mailbox.rawValue])]
  }

  private func touchMailbox(
    _ mailbox: ID<Mailbox>,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      update mailbox set version = version + 1
      where account_id = \(account.rawValue) and id = \(mailbox.rawValue)
      """
    )
  }
}
