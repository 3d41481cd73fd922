package import Model
import Postgres

/// A change of a server's mailbox that is shown at once, and that the server is told of when it is there.
package enum MailboxIntent: Sendable {
  /// A mailbox called `name` below `parent`; `id` is what it is known by, where it is known already.
  case create(
    name: String,
    parent: ID<Mailbox>?,
    path: String,
    delimiter: String?,
    id: ID<Mailbox>?
  )
  /// Another name, or another place in the tree.
  case rename(Mailbox, name: String, parent: ID<Mailbox>?, path: String)
  case subscribe(Mailbox, Bool)
  /// The mailbox goes, with `isPermanent` with all that it holds.
  case delete(Mailbox, isPermanent: Bool)
}

extension Store {
  /// Carries out here what `plan` makes of the account's mailboxes, and queues what the server has to be told: one transaction.
  ///
  /// The names on the server stay as they are known until it has agreed. Of a local mailbox nobody has to be told.
  ///
  /// - Returns: The mailbox that was changed last; nil where nothing was.
  package func changeMailboxes(
    of account: ID<Account>,
    _ plan: ([Mailbox]) throws -> [MailboxIntent]
  ) async throws(ServiceError) -> ID<Mailbox>? {
    try await attempt {
      try await mailTransaction(account, reading: [mailboxesStatement(account)]) {
        connection,
        rows in
        let intents = try plan(try mailboxes(rows[0]))
        let fresh = try await ids.take(intents.count * 2, on: connection)
        var last: ID<Mailbox>?
        for (number, intent) in intents.enumerated() {
          last = try await show(
            intent,
            as: fresh[number * 2],
            queuedAs: fresh[number * 2 + 1],
            account,
            on: connection
          )
        }
        return last
      }
    }
  }

  private func show(
    _ intent: MailboxIntent,
    as id: Int64,
    queuedAs operation: Int64,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> ID<Mailbox> {
    var queued = PlannedMailboxOperation(intent, id: operation, mailbox: id)
    var entries: [FeedEntry]
    switch intent {
    case .create(let name, let parent, let path, let delimiter, _):
      _ = try await connection.query(
        """
        insert into mailbox (account_id, id, parent_id, name, path, encoded_name, delimiter)
        values (\(account.rawValue), \(queued.mailbox), \(parent?.rawValue), \(name), \(path),
          chr(1) || \(queued.mailbox), \(delimiter))
        """
      )
      entries = [FeedEntry(.mailbox, .created, [queued.mailbox])]
    case .rename(let mailbox, let name, let parent, let path):
      let below = try await setName(name, parent, path: path, of: mailbox, on: connection)
      entries = [FeedEntry(.mailbox, .updated, [queued.mailbox] + below)]
    case .subscribe(let mailbox, let isSubscribed):
      entries = try await setSubscribed(isSubscribed, mailbox.id, account, on: connection)
    case .delete(let mailbox, _):
      try await requireNoneLeave(mailbox, of: account, on: connection)
      queued.uidNext = try await nextUnknownUID(of: mailbox, on: connection)
      entries = try await removeMailbox(
        mailbox.id,
        of: account,
        buries: !mailbox.isLocal,
        on: connection
      )
    }
    if !queued.isLocal {
      _ = try await connection.query(queued.insert(account))
      entries.append(FeedEntry(.operation, .created, [operation]))
    }
    try await append(entries, to: account, on: connection)
    return ID(queued.mailbox)
  }

  /// From which UID on nothing is known of `mailbox`: what our own moves brought there right after what was fetched is known.
  private func nextUnknownUID(
    of mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> Int64? {
    guard let fetched = mailbox.uidNext else { return nil }
    let rows = try await connection.query(
      """
      select \(fetched) + count(*) from (
        select uid, row_number() over (order by uid) as place from placement
        where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and uid >= \(fetched)) as p
      where uid = \(fetched) + place - 1
      """
    )
    return try rows.int64(0, 0)
  }

  /// Shows a mailbox under another name, and those below it by their new paths: the ids of those.
  func setName(
    _ name: String,
    _ parent: ID<Mailbox>?,
    path: String,
    of mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let account = mailbox.accountID.rawValue
    let delimiter = mailbox.delimiter ?? ""
    let oldPath = mailbox.path + delimiter
    let below = try await connection.query(
      """
      update mailbox set version = version + 1,
        path = \(path + delimiter) || substr(path, length(\(oldPath)) + 1)
      where account_id = \(account) and \(!delimiter.isEmpty) and starts_with(path, \(oldPath))
      returning id
      """
    )
    _ = try await connection.query(
      """
      update mailbox set name = \(name), path = \(path), version = version + 1,
        parent_id = \(parent?.rawValue)
      where account_id = \(account) and id = \(mailbox.id.rawValue)
      """
    )
    return try (0..<below.count).map { try below.int64($0, 0) }
  }
}

/// One intent of a mailbox to be queued.
private struct PlannedMailboxOperation {
  var id: Int64
  var kind: MailboxOperation.Kind
  var mailbox: Int64
  var name: String?
  var parent: Int64?
  var previousName: String?
  var previousParent: Int64?
  var encodedName: String?
  var uidNext: Int64?
  var uidValidity: Int64?
  var isPermanent = false
  /// Whether no server has to be told.
  var isLocal = false

  /// The intent of this id; a mailbox that is made gets the id `mailbox`, unless it has one.
  init(_ intent: MailboxIntent, id: Int64, mailbox new: Int64) {
    self.id = id
    switch intent {
    case .create(let name, let parent, _, _, let known):
      (kind, mailbox) = (.create, known?.rawValue ?? new)
      (self.name, self.parent) = (name, parent?.rawValue)
    case .rename(let changed, let name, let parent, _):
      (kind, mailbox, isLocal) = (.rename, changed.id.rawValue, changed.isLocal)
      (self.name, self.parent) = (name, parent?.rawValue)
      (previousName, previousParent) = (changed.name, changed.parentID?.rawValue)
    case .subscribe(let changed, let isSubscribed):
      kind = isSubscribed ? .subscribe : .unsubscribe
      (mailbox, isLocal) = (changed.id.rawValue, changed.isLocal)
    case .delete(let gone, let isPermanent):
      (kind, mailbox, isLocal) = (.delete, gone.id.rawValue, gone.isLocal)
      (previousName, previousParent) = (gone.name, gone.parentID?.rawValue)
      encodedName = gone.isAwaited ? nil : gone.encodedName
      (uidNext, uidValidity) = (gone.uidNext, gone.uidValidity)
      self.isPermanent = isPermanent
    }
  }

  func insert(_ account: ID<Account>) -> SQL {
    """
    insert into operation (account_id, id, kind, mailbox_id, mailbox_name, parent_id,
      previous_name, previous_parent_id, encoded_name, uid_next, uid_validity,
      is_permanent)
    values (\(account.rawValue), \(id), \(kind.rawValue), \(mailbox), \(name), \(parent),
      \(previousName), \(previousParent), \(encodedName), \(uidNext), \(uidValidity),
      \(isPermanent))
    """
  }
}
