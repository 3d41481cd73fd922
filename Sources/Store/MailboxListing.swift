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
  /// MAILBOXID (RFC 8474); nil where the server told none.
  package var objectID: String?
  /// UIDVALIDITY as STATUS told it, kept of a new mailbox: it may be renamed before it is opened.
  package var uidValidity: Int64?
  /// Whether it is kept here and nowhere else.
  package var isLocal = false
  /// Whether a server fills it, and has not been looked at yet.
  package var awaitsMail = false

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
  /// Makes the `known` mailboxes those that the server lists, and returns them; writes nothing where they are.
  ///
  /// Those that are `renamed`, to the wire's names given, keep their ids and all that is known of them.
  /// A mailbox that the server no longer lists goes, with its placements and the messages that only it held; where some of
  /// them are kept here alone it becomes a local one, which goes when it is empty or is the server's again.
  package func storeListing(
    _ listing: [MailboxListing],
    known: [Mailbox]? = nil,
    renamed: [ID<Mailbox>: String] = [:],
    of account: ID<Account>
  ) async throws(ServiceError) -> [Mailbox] {
    let stored = known == nil ? try await mailboxes(of: account).mailboxes : []
    let known = known ?? stored
    guard !ListingPlan(listing, known: known, renamed: renamed).isCurrent else { return known }
    let listed = Set(known.map(\.id))
    try await attempt {
      try await mailTransaction(
        account,
        reading: [
          mailboxesStatement(account),
          mailboxOperationsStatement(account, where: "state in ('pending', 'running')"),
        ]
      ) { connection, rows in
        // What callers changed meanwhile stays as they have it, until the server was told.
        let mailboxes = try mailboxes(rows[0])
        let intents = try mailboxOperations(rows[1])
        var plan = ListingPlan(
          listing.shown(under: intents, known: mailboxes),
          known: mailboxes,
          renamed: renamed
        )
        plan.gone.removeAll { !listed.contains($0.id) }
        guard !plan.isCurrent else { return }
        let fresh = try await ids.take(plan.created.count, on: connection)
        try await store(plan, fresh, account, on: connection)
      }
    }
    return try await mailboxes(of: account).mailboxes
  }

  /// Stores a mailbox that was made just now, and returns it; the others stay as they are known.
  package func addMailbox(
    _ item: MailboxListing,
    of account: ID<Account>
  ) async throws(ServiceError) -> Mailbox? {
    let known = try await mailboxes(of: account).mailboxes
    var plan = ListingPlan([item], known: known, renamed: [:])
    plan.gone = []
    try await attempt {
      let fresh = try await ids.take(plan.created.count, from: pool)
      try await mailTransaction(account) { connection in
        try await store(plan, fresh, account, on: connection)
      }
    }
    return try await mailboxes(of: account).mailboxes.first {
      $0.encodedName == item.encodedName
    }
  }

  /// Stores what a listing makes of the mailboxes, with fresh ids for those that are new.
  func store(
    _ plan: ListingPlan,
    _ fresh: [Int64],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    // Names are unique, and two mailboxes may have changed theirs with one another.
    _ = try await connection.query(
      """
      update mailbox set encoded_name = chr(1) || id where account_id = \(account.rawValue)
        and id = any (\((plan.renamed + plan.gone.map(\.id)).map(\.rawValue)))
      """
    )
    for (mailbox, item) in plan.updated {
      _ = try await connection.query(
        """
        update mailbox set name = \(item.name), path = \(item.path),
          encoded_name = \(item.encodedName), delimiter = \(item.delimiter), role = \(item.role),
          is_subscribed = \(item.isSubscribed), is_selectable = \(item.isSelectable),
          object_id = coalesce(\(item.objectID), object_id), version = version + 1,
          is_local = \(item.isLocal),
          synced_down_to = case when is_local and not \(item.isLocal) then null
            else synced_down_to end
        where account_id = \(account.rawValue) and id = \(mailbox.rawValue)
        """
      )
    }
    for (id, item) in zip(fresh, plan.created) {
      _ = try await connection.query(
        """
        insert into mailbox (account_id, id, name, path, encoded_name, delimiter, role,
          is_subscribed, is_selectable, object_id, uid_validity, is_local, synced_down_to)
        values (\(account.rawValue), \(id), \(item.name), \(item.path), \(item.encodedName),
          \(item.delimiter), \(item.role), \(item.isSubscribed), \(item.isSelectable),
          \(item.objectID), \(item.uidValidity), \(item.isLocal),
          case when \(item.isLocal && !item.awaitsMail) then 1 end)
        """
      )
    }
    try await linkParents(plan.listing, account, on: connection)
    var entries = [
      FeedEntry(.mailbox, .created, fresh),
      FeedEntry(.mailbox, .updated, plan.updated.map(\.mailbox.rawValue)),
    ]
    for mailbox in plan.gone {
      // What was on its way there is nowhere else: it stays, in a mailbox that is local then.
      entries += try await keepAppended(in: mailbox, on: connection)
      if let detached = try await detachMailbox(mailbox, of: account, on: connection) {
        entries += detached
      } else {
        entries += try await removeMailbox(mailbox.id, of: account, on: connection)
      }
    }
    try await append(entries, to: account, on: connection)
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
}

/// What a listing makes of each mailbox: known, known under another name, new, or gone.
struct ListingPlan {
  let listing: [MailboxListing]
  /// Mailboxes of which the server tells something else than is stored, and what.
  private(set) var updated: [(mailbox: ID<Mailbox>, item: MailboxListing)] = []
  private(set) var created: [MailboxListing] = []
  /// Mailboxes that have another name on the server.
  private(set) var renamed: [ID<Mailbox>] = []
  var gone: [Mailbox] = []

  /// Whether there is nothing to store.
  var isCurrent: Bool { updated.isEmpty && created.isEmpty && gone.isEmpty }

  init(_ listing: [MailboxListing], known: [Mailbox], renamed names: [ID<Mailbox>: String]) {
    self.listing = listing
    // A name that a mailbox takes over is no longer that of the one that had it.
    let taken = Set(names.values)
    var byName: [String: Mailbox] = [:]
    for mailbox in known {
      if let name = names[mailbox.id] {
        byName[name] = mailbox
        renamed.append(mailbox.id)
      } else if !taken.contains(mailbox.encodedName) {
        byName[mailbox.encodedName] = mailbox
      }
    }
    var left = Set(known.map(\.id))
    for item in listing {
      guard let mailbox = byName[item.encodedName] else {
        created.append(item)
        continue
      }
      left.remove(mailbox.id)
      if !mailbox.shows(item) { updated.append((mailbox.id, item)) }
    }
    gone = known.filter { mailbox in
      left.contains(mailbox.id) && !mailbox.isAwaited
        && !(mailbox.isLocal && mailbox.totalMessages > 0)
    }
  }
}

extension [MailboxListing] {
  /// What the server lists as it is shown while `intents` are on their way there.
  fileprivate func shown(
    under intents: [MailboxOperation],
    known: [Mailbox]
  ) -> [MailboxListing] {
    guard !intents.isEmpty else { return self }
    let deleted = Set(intents.compactMap(\.encodedName))
    let kinds = Dictionary(grouping: intents, by: \.mailbox).mapValues { Set($0.map(\.kind)) }
    let isRenaming = intents.contains { $0.kind == .rename }
    let byName = Dictionary(known.map { ($0.encodedName, $0) }) { first, _ in first }
    let byID = Dictionary(known.map { ($0.id, $0) }) { first, _ in first }
    return filter { byName[$0.encodedName] != nil || !deleted.contains($0.encodedName) }.map {
      item in
      guard let mailbox = byName[item.encodedName] else { return item }
      var item = item
      let changes = kinds[mailbox.id] ?? []
      // The paths of those below a mailbox that is being renamed are other ones too.
      if isRenaming { item.path = mailbox.path }
      if changes.contains(.rename) {
        item.name = mailbox.name
        item.parentEncodedName = mailbox.parentID.flatMap { byID[$0]?.encodedName }
      }
      if !changes.isDisjoint(with: [.subscribe, .unsubscribe]) {
        item.isSubscribed = mailbox.isSubscribed
      }
      return item
    }
  }
}

extension Mailbox {
  /// Whether what the server lists is what is stored.
  fileprivate func shows(_ item: MailboxListing) -> Bool {
    name == item.name && path == item.path && encodedName == item.encodedName
      && delimiter == item.delimiter && role == item.role
      && isSubscribed == item.isSubscribed && isSelectable == item.isSelectable
      && isLocal == item.isLocal
      && (item.objectID == nil || objectID == item.objectID)
  }
}
