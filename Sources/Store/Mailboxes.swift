package import Model
import Postgres

extension Store {
  private static let mailboxColumns: SQL = """
    select account_id, id, parent_id, name, path, encoded_name, delimiter, role, is_subscribed,
      is_selectable, total_messages, unread_messages, uid_validity, uid_next, highest_mod_seq,
      synced_down_to, version, object_id, is_unsure, is_local,
      (select bool_or(o.kind = 'createMailbox') from operation o
        where o.account_id = mailbox.account_id and o.mailbox_id = mailbox.id
          and o.message_id is null and o.state in ('pending', 'running'))
    from mailbox
    """

  /// What reads every mailbox of the account, by path.
  func mailboxesStatement(_ account: ID<Account>) -> SQL {
    Self.mailboxColumns + " where account_id = \(account.rawValue) order by path, id"
  }

  /// Every mailbox of the account, by path, and where the feed stood.
  package func mailboxes(
    of account: ID<Account>
  ) async throws(ServiceError) -> (mailboxes: [Mailbox], state: FeedState) {
    try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account),
        mailboxesStatement(account),
      ])
      return (try mailboxes(results[1]), try feedState(results[0]))
    }
  }

  /// The mailboxes in what `mailboxesStatement` found.
  func mailboxes(_ rows: PostgresRows) throws -> [Mailbox] {
    try (0..<rows.count).map { try mailbox(rows, $0) }
  }

  /// One mailbox; nil where the account has none such.
  package func mailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Mailbox? {
    try await attempt {
      let rows = try await pool.query(
        Self.mailboxColumns
          + " where account_id = \(account.rawValue) and id = \(id.rawValue)"
      )
      return rows.count == 1 ? try mailbox(rows, 0) : nil
    }
  }

  /// The mailbox with `role`; nil where the account has none.
  package func mailbox(
    role: String,
    of account: ID<Account>
  ) async throws(ServiceError) -> Mailbox? {
    try await attempt {
      let rows = try await pool.query(
        Self.mailboxColumns
          + " where account_id = \(account.rawValue) and role = \(role) order by id limit 1"
      )
      return rows.count == 1 ? try mailbox(rows, 0) : nil
    }
  }

  /// Removes a mailbox that the server has deleted, or that is local; with `ifEmpty` only one that holds nothing.
  package func deleteMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>,
    ifEmpty: Bool = false
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let rows = try await connection.query(
          """
          select total_messages, is_local from mailbox
          where account_id = \(account.rawValue) and id = \(id.rawValue)
          """
        )
        guard rows.count == 1 else { return }
        let count = try rows.int64(0, 0)
        guard !ifEmpty || count == 0 else { throw ServiceError.mailboxHolds(count) }
        let entries = try await removeMailbox(
          id,
          of: account,
          buries: try !rows.bool(0, 1),
          on: connection
        )
        try await append(entries, to: account, on: connection)
      }
    }
  }

  /// Follows a rename on the server: the mailbox keeps its id, and so do those below it.
  package func renameMailbox(
    _ mailbox: Mailbox,
    to listing: MailboxListing,
    parent: ID<Mailbox>?
  ) async throws(ServiceError) {
    try await attempt {
      let account = mailbox.accountID.rawValue
      let delimiter = mailbox.delimiter ?? ""
      let oldPrefix = mailbox.encodedName + delimiter
      let oldPath = mailbox.path + delimiter
      try await mailTransaction(mailbox.accountID) { connection in
        let below = try await connection.query(
          """
          update mailbox set
            encoded_name = \(listing.encodedName + delimiter)
              || substr(encoded_name, length(\(oldPrefix)) + 1),
            path = \(listing.path + delimiter) || substr(path, length(\(oldPath)) + 1),
            version = version + 1
          where account_id = \(account) and \(!delimiter.isEmpty)
            and starts_with(encoded_name, \(oldPrefix))
          returning id
          """
        )
        _ = try await connection.query(
          """
          update mailbox set name = \(listing.name), path = \(listing.path),
            encoded_name = \(listing.encodedName), parent_id = \(parent?.rawValue),
            version = version + 1
          where account_id = \(account) and id = \(mailbox.id.rawValue)
          """
        )
        let changed = try (0..<below.count).map { try below.int64($0, 0) }
        try await append(
          [FeedEntry(.mailbox, .updated, [mailbox.id.rawValue] + changed)],
          to: mailbox.accountID,
          on: connection
        )
      }
    }
  }

  /// Records whether the user is subscribed.
  package func setSubscribed(
    _ isSubscribed: Bool,
    _ id: ID<Mailbox>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let entries = try await setSubscribed(isSubscribed, id, account, on: connection)
        try await append(entries, to: account, on: connection)
      }
    }
  }

  /// The same in the transaction of `connection`; what the feed says of it.
  func setSubscribed(
    _ isSubscribed: Bool,
    _ id: ID<Mailbox>,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    _ = try await connection.query(
      """
      update mailbox set is_subscribed = \(isSubscribed), version = version + 1
      where account_id = \(account.rawValue) and id = \(id.rawValue)
      """
    )
    return [FeedEntry(.mailbox, .updated, [id.rawValue], properties: ["isSubscribed"])]
  }

  private func mailbox(_ rows: PostgresRows, _ row: Int) throws -> Mailbox {
    let awaits = try rows.optionalBool(row, 20)
    return Mailbox(
      id: ID(try rows.int64(row, 1)),
      accountID: ID(try rows.int64(row, 0)),
      parentID: try rows.optionalInt64(row, 2).map { ID($0) },
      name: try rows.string(row, 3),
      path: try rows.string(row, 4),
      encodedName: try rows.string(row, 5),
      delimiter: try rows.optionalString(row, 6),
      role: try rows.optionalString(row, 7),
      isSubscribed: try rows.bool(row, 8),
      isSelectable: try rows.bool(row, 9),
      totalMessages: try rows.int64(row, 10),
      unreadMessages: try rows.int64(row, 11),
      uidValidity: try rows.optionalInt64(row, 12),
      uidNext: try rows.optionalInt64(row, 13),
      highestModSeq: try rows.optionalInt64(row, 14),
      syncedDownTo: try rows.optionalInt64(row, 15),
      objectID: try rows.optionalString(row, 17),
      isUnsure: try rows.bool(row, 18),
      isLocal: try rows.bool(row, 19),
      isPending: awaits != nil,
      isAwaited: awaits == true,
      version: try rows.int64(row, 16)
    )
  }
}

extension ServiceError {
  /// The mailbox is not deleted, since it holds `count` messages.
  package static func mailboxHolds(_ count: Int64) -> ServiceError {
    ServiceError(
      .conflict,
      "The mailbox holds \(count) messages; permanent=true deletes them with it."
    )
  }
}
