package import Model
import Postgres

/// One mailbox as a server lists it, to be stored.
package struct MailboxListing: Sendable, Equatable {
  package var encodedName: String
  package var path: String
  package var name: String
  package var parentEncodedName: String?
  package var delimiter: String?
  package var role: String?
  package var isSubscribed: Bool
  package var isSelectable: Bool

  package init(
    encodedName: String,
    path: String,
    name: String,
    parentEncodedName: String?,
    delimiter: String?,
    role: String?,
    isSubscribed: Bool,
    isSelectable: Bool
  ) {
    self.encodedName = encodedName
    self.path = path
    self.name = name
    self.parentEncodedName = parentEncodedName
    self.delimiter = delimiter
    self.role = role
    self.isSubscribed = isSubscribed
    self.isSelectable = isSelectable
  }
}

extension Store {
  private static let mailboxColumns: SQL = """
    select account_id, id, parent_id, name, path, encoded_name, delimiter, role, is_subscribed,
      is_selectable, total_messages, unread_messages, uid_validity, uid_next, highest_mod_seq,
      synced_down_to, version
    from mailbox
    """

  /// Every mailbox of the account, by path, and where the feed stood.
  package func mailboxes(
    of account: ID<Account>
  ) async throws(ServiceError) -> (mailboxes: [Mailbox], state: FeedState) {
    try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account),
        Self.mailboxColumns + " where account_id = \(account.rawValue) order by path, id",
      ])
      let state = try feedState(results[0])
      let rows = results[1]
      return (try (0..<rows.count).map { try mailbox(rows, $0) }, state)
    }
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

  /// Makes the stored mailboxes those that the server lists, and returns them; writes nothing where they are.
  ///
  /// A mailbox that the server no longer lists goes, with its placements and the messages that only it held.
  package func storeListing(
    _ listing: [MailboxListing],
    of account: ID<Account>
  ) async throws(ServiceError) -> [Mailbox] {
    let known = try await mailboxes(of: account).mailboxes
    let byName = Dictionary(known.map { ($0.encodedName, $0) }) { first, _ in first }
    let listed = Set(listing.map(\.encodedName))
    let gone = known.filter { !listed.contains($0.encodedName) }
    let isCurrent =
      gone.isEmpty && listing.allSatisfy { item in byName[item.encodedName]?.shows(item) == true }
    if !isCurrent {
      try await attempt { try await replaceListing(listing, known: byName, gone: gone, account) }
      return try await mailboxes(of: account).mailboxes
    }
    return known
  }

  private func replaceListing(
    _ listing: [MailboxListing],
    known: [String: Mailbox],
    gone: [Mailbox],
    _ account: ID<Account>
  ) async throws {
    let fresh = try await ids.take(listing.count { known[$0.encodedName] == nil }, from: pool)
    try await mailTransaction(account) { connection in
      var unused = fresh[...]
      var created: [Int64] = []
      var updated: [Int64] = []
      for item in listing {
        if let mailbox = known[item.encodedName] {
          guard !mailbox.shows(item) else { continue }
          updated.append(mailbox.id.rawValue)
          _ = try await connection.query(
            """
            update mailbox set name = \(item.name), path = \(item.path),
              delimiter = \(item.delimiter), role = \(item.role),
              is_subscribed = \(item.isSubscribed), is_selectable = \(item.isSelectable),
              version = version + 1
            where account_id = \(account.rawValue) and id = \(mailbox.id.rawValue)
            """
          )
        } else if let id = unused.popFirst() {
          created.append(id)
          _ = try await connection.query(
            """
            insert into mailbox (account_id, id, name, path, encoded_name, delimiter, role,
              is_subscribed, is_selectable)
            values (\(account.rawValue), \(id), \(item.name), \(item.path), \(item.encodedName),
              \(item.delimiter), \(item.role), \(item.isSubscribed), \(item.isSelectable))
            """
          )
        }
      }
      try await linkParents(listing, account, on: connection)
      var entries = [
        FeedEntry(.mailbox, .created, created), FeedEntry(.mailbox, .updated, updated),
      ]
      for mailbox in gone {
        entries += try await removeMailbox(mailbox.id, of: account, on: connection)
      }
      try await append(entries, to: account, on: connection)
    }
  }

  private func linkParents(
    _ listing: [MailboxListing],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let children = listing.map(\.encodedName)
    let parents = listing.map { $0.parentEncodedName ?? "" }
    _ = try await connection.query(
      """
      update mailbox child set parent_id = link.parent_id
      from (
        select child.id, parent.id as parent_id
        from unnest(\(children)::text[], \(parents)::text[]) as pair (child_name, parent_name)
        join mailbox child on child.account_id = \(account.rawValue)
          and child.encoded_name = pair.child_name
        left join mailbox parent on parent.account_id = \(account.rawValue)
          and parent.encoded_name = pair.parent_name
      ) as link
      where child.account_id = \(account.rawValue) and child.id = link.id
        and child.parent_id is distinct from link.parent_id
      """
    )
  }

  /// Removes a mailbox and what only it held; what the feed must say of it.
  func removeMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    _ = try await connection.query(
      """
      delete from operation
      where account_id = \(account.rawValue) and (mailbox_id = \(id.rawValue) or target_mailbox_id = \(id.rawValue))
      """
    )
    let removed = try await connection.query(
      """
      with gone as (
        delete from placement where account_id = \(account.rawValue) and mailbox_id = \(id.rawValue)
        returning message_id)
      delete from message m using gone
      where m.account_id = \(account.rawValue) and m.id = gone.message_id
        and not exists (
          select 1 from placement p
          where p.account_id = m.account_id and p.message_id = m.id
            and p.mailbox_id <> \(id.rawValue))
      returning m.id, m.thread_id
      """
    )
    let threads = Set(try (0..<removed.count).map { try removed.int64($0, 1) })
    try await tellThreads(leftBy: threads, of: account, on: connection)
    _ = try await connection.query(
      "delete from mailbox where account_id = \(account.rawValue) and id = \(id.rawValue)"
    )
    return [
      FeedEntry(
        .message,
        .destroyed,
        try (0..<removed.count).map { try removed.int64($0, 0) }
      ),
      FeedEntry(.mailbox, .destroyed, [id.rawValue]),
    ]
  }

  /// Removes a mailbox that the server has deleted.
  package func deleteMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let entries = try await removeMailbox(id, of: account, on: connection)
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
        _ = try await connection.query(
          """
          update mailbox set is_subscribed = \(isSubscribed), version = version + 1
          where account_id = \(account.rawValue) and id = \(id.rawValue)
          """
        )
        try await append(
          [FeedEntry(.mailbox, .updated, [id.rawValue], properties: ["isSubscribed"])],
          to: account,
          on: connection
        )
      }
    }
  }

  private func mailbox(_ rows: PostgresRows, _ row: Int) throws -> Mailbox {
    Mailbox(
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
      version: try rows.int64(row, 16)
    )
  }
}

extension Mailbox {
  /// Whether what the server lists is what is stored.
  fileprivate func shows(_ item: MailboxListing) -> Bool {
    name == item.name && path == item.path && delimiter == item.delimiter && role == item.role
      && isSubscribed == item.isSubscribed && isSelectable == item.isSelectable
  }
}
