import MailProtocols
import MailTransport
package import Model
import Store

// Mailboxes are made, renamed and deleted on the server first: only it can say whether a name is good.

extension Engine {
  /// Creates a mailbox below `parent`, or at the top.
  package func createMailbox(
    _ account: ID<Account>,
    name: String,
    parent: ID<Mailbox>?
  ) async throws(ServiceError) -> Mailbox {
    try await changingMailboxes(of: account) { try await create(account, name, parent) }
  }

  private func create(
    _ account: ID<Account>,
    _ name: String,
    _ parent: ID<Mailbox>?
  ) async throws -> Mailbox {
    let all = try await store.mailboxes(of: account).mailboxes
    let top = parent == nil ? try await personalPrefix(account, all) : ""
    let path = try wirePath(name, parent, all, top: top)
    let wire = MailboxName(path)
    if all.contains(where: { Array($0.encodedName.utf8) == wire.encoded }) {
      throw ServiceError(.conflict, "There is a mailbox of this name already.")
    }
    let listings = try await onServer(account) { client in
      try await client.create(wire)
      try await client.subscribe(wire)
      var listed = try await client.list()
      // Dovecot leaves out of a list what another client renames, or what stands beside it, meanwhile. Its
      // OK says that the mailbox is there.
      if !listed.contains(where: { $0.name == wire }) {
        listed.append(ListedMailbox(name: wire, delimiter: listed.first?.delimiter))
      }
      return MailboxListing.listings(listed)
    }
    // What else the listing tells a sync takes note of: it finds out what was renamed.
    guard let listing = listings.first(where: { Array($0.encodedName.utf8) == wire.encoded }),
      let made = try await store.addMailbox(listing, of: account)
    else {
      throw ServiceError(.backendRefused, "The server did not list the mailbox it created.")
    }
    return made
  }

  /// Renames, moves or subscribes a mailbox; nil leaves.
  ///
  /// Its id and its messages' ids stay.
  package func updateMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>,
    name: String?,
    parent: ID<Mailbox>??,
    isSubscribed: Bool?
  ) async throws(ServiceError) -> Mailbox {
    try await changingMailboxes(of: account) {
      try await update(id, account, name, parent, isSubscribed)
    }
  }

  private func update(
    _ id: ID<Mailbox>,
    _ account: ID<Account>,
    _ name: String?,
    _ parent: ID<Mailbox>??,
    _ isSubscribed: Bool?
  ) async throws -> Mailbox {
    let all = try await store.mailboxes(of: account).mailboxes
    guard let mailbox = all.first(where: { $0.id == id }) else {
      throw ServiceError.notFound("mailbox")
    }
    if let isSubscribed, isSubscribed != mailbox.isSubscribed {
      let wire = MailboxName(encoded: Array(mailbox.encodedName.utf8))
      try await onServer(account) { client in
        if isSubscribed {
          try await client.subscribe(wire)
        } else {
          try await client.unsubscribe(wire)
        }
      }
      try await store.setSubscribed(isSubscribed, id, of: account)
    }
    let newParent = parent ?? mailbox.parentID
    if (name ?? mailbox.name) != mailbox.name || newParent != mailbox.parentID {
      try await rename(mailbox, to: name ?? mailbox.name, parent: newParent, all)
    }
    guard let updated = try await store.mailbox(id, of: account) else {
      throw ServiceError.notFound("mailbox")
    }
    return updated
  }

  private func rename(
    _ mailbox: Mailbox,
    to name: String,
    parent: ID<Mailbox>?,
    _ all: [Mailbox]
  ) async throws {
    guard mailbox.role != "inbox" else {
      throw ServiceError(.conflict, "The inbox cannot be renamed or moved.")
    }
    let top = parent == nil ? try await personalPrefix(mailbox.accountID, all) : ""
    let path = try wirePath(name, parent, all, top: top)
    let old = MailboxName(encoded: Array(mailbox.encodedName.utf8))
    let new = MailboxName(path)
    if let delimiter = mailbox.delimiter, path.hasPrefix(mailbox.path + delimiter) {
      throw ServiceError(.conflict, "A mailbox cannot be moved below itself.")
    }
    if all.contains(where: { Array($0.encodedName.utf8) == new.encoded }) {
      throw ServiceError(.conflict, "There is a mailbox of this name already.")
    }
    try await onServer(mailbox.accountID) { client in
      try await client.rename(old, to: new)
      if mailbox.isSubscribed {
        try await client.subscribe(new)
        try await client.unsubscribe(old)
      }
    }
    let listing = MailboxListing(
      encodedName: String(decoding: new.encoded, as: UTF8.self),
      path: path,
      name: name,
      parentEncodedName: nil,
      delimiter: mailbox.delimiter,
      role: mailbox.role,
      isSubscribed: mailbox.isSubscribed,
      isSelectable: mailbox.isSelectable
    )
    try await store.renameMailbox(mailbox, to: listing, parent: parent)
  }

  /// Deletes a mailbox: an empty one, or with `isPermanent` one with all that it holds.
  package func deleteMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>,
    isPermanent: Bool
  ) async throws(ServiceError) {
    try await changingMailboxes(of: account) { try await delete(id, account, isPermanent) }
  }

  private func delete(
    _ id: ID<Mailbox>,
    _ account: ID<Account>,
    _ isPermanent: Bool
  ) async throws {
    let all = try await store.mailboxes(of: account).mailboxes
    guard let mailbox = all.first(where: { $0.id == id }) else {
      throw ServiceError.notFound("mailbox")
    }
    guard mailbox.role != "inbox" else {
      throw ServiceError(.conflict, "The inbox cannot be deleted.")
    }
    guard !all.contains(where: { $0.parentID == id }) else {
      throw ServiceError(.conflict, "The mailbox has mailboxes below it; delete those first.")
    }
    if !isPermanent { try requireEmpty(mailbox.totalMessages) }
    let wire = MailboxName(encoded: Array(mailbox.encodedName.utf8))
    let countsMessages = !isPermanent && mailbox.isSelectable
    let left = try await onServer(account) { client in
      // A mailbox that is selected cannot be deleted on some servers.
      try await client.examine(.inbox)
      if countsMessages {
        // What has not been synced is in no counter of ours. A server that does not say is not trusted to hold none.
        let left = try await client.status(wire, [.messages]).messages ?? 1
        if left > 0 { return Int64(left) }
      }
      try await client.delete(wire)
      if mailbox.isSubscribed { try await client.unsubscribe(wire) }
      return 0
    }
    try requireEmpty(left)
    try await store.deleteMailbox(id, of: account)
  }

  private func requireEmpty(_ count: Int64) throws(ServiceError) {
    guard count > 0 else { return }
    throw ServiceError(
      .conflict,
      "The mailbox holds \(count) messages; permanent=true deletes them with it."
    )
  }

  /// The decoded name of a mailbox called `name` below `parent`.
  private func wirePath(
    _ name: String,
    _ parent: ID<Mailbox>?,
    _ all: [Mailbox],
    top: String
  ) throws(ServiceError) -> String {
    let delimiter = all.lazy.compactMap(\.delimiter).first
    let isLegal =
      !name.isEmpty && name.utf8.count <= 200
      && !name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
      && !(delimiter.map { name.contains($0) } ?? false)
    guard isLegal else {
      throw ServiceError(
        .invalidRequest,
        "This is no name for a mailbox.",
        fields: [
          FieldError(
            pointer: "/name",
            code: "format",
            detail: "1 to 200 bytes without control characters"
              + (delimiter.map { " and without the delimiter \($0)" } ?? "") + "."
          )
        ]
      )
    }
    guard let parent else { return top + name }
    guard let above = all.first(where: { $0.id == parent }) else {
      throw ServiceError(
        .invalidRequest,
        "The parent is no mailbox of this account.",
        fields: [
          FieldError(
            pointer: "/parentId",
            code: "not_found",
            detail: "An id of a mailbox of this account."
          )
        ]
      )
    }
    guard let delimiter else {
      throw ServiceError(.backendUnsupported, "The server has no mailboxes below others.")
    }
    return above.path + delimiter + name
  }

  /// What the names of the user's own mailboxes begin with (RFC 2342), as far as the server says so.
  private func personalPrefix(_ account: ID<Account>, _ all: [Mailbox]) async throws -> String {
    do {
      let namespaces = try await onServer(account) { try await $0.namespaces() }
      if let own = namespaces.personal.first { return own.prefix.decoded }
    } catch let error as IMAPError {
      guard case .refused = error else { throw error }
    }
    return topLevelPrefix(all)
  }

  /// Leniency `inboxPrefix`: where every mailbox stands under `INBOX.` (Courier), a new one has to as well.
  private func topLevelPrefix(_ all: [Mailbox]) -> String {
    let others = all.filter { $0.role != "inbox" }
    guard let delimiter = all.lazy.compactMap(\.delimiter).first, !others.isEmpty,
      others.allSatisfy({ $0.path.uppercased().hasPrefix("INBOX\(delimiter)") })
    else { return "" }
    return "INBOX\(delimiter)"
  }

  /// Runs `body` while nobody else lists or changes the mailboxes of the account.
  private func changingMailboxes<R>(
    of account: ID<Account>,
    _ body: () async throws -> R
  ) async throws(ServiceError) -> R {
    try await serviceErrors(account) {
      try await services.mailboxLocks[account].withLock(body)
    }
  }

  /// Runs commands on a connection of the account that nobody else uses meanwhile.
  private func onServer<R: Sendable>(
    _ account: ID<Account>,
    _ body: @escaping @Sendable (IMAPClient) async throws -> R
  ) async throws -> R {
    try await onAccountLoop(account) { pool in
      try await pool.withClient(body)
    }
  }
}
