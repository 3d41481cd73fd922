import MailProtocols
import MailTransport
package import Model
import Store

// Mailboxes of a server are made, renamed and deleted there first, since only it can say whether a name is good; but for those of
// accounts that have all of their mail here (`queuesMailboxes`).

extension Engine {
  /// Creates a mailbox below `parent`, or at the top.
  package func createMailbox(
    _ account: ID<Account>,
    name: String,
    parent: ID<Mailbox>?
  ) async throws(ServiceError) -> Mailbox {
    if try await queuesMailboxes(of: account) {
      return try await queueMailbox(of: account, name: name, parent: parent)
    }
    return try await changingMailboxes(of: account) { try await create(account, name, parent) }
  }

  private func create(
    _ account: ID<Account>,
    _ name: String,
    _ parent: ID<Mailbox>?
  ) async throws -> Mailbox {
    let all = try await store.mailboxes(of: account).mailboxes
    let tree = MailboxTree(all)
    let backend = try await backend(of: account)
    let top = parent == nil ? try await backend.topLevelPrefix(all) : ""
    let path = try tree.path(name, parent, top: top)
    try tree.requireFree(path)
    let wanted = MailboxListing(
      encodedName: MailboxName(path).stored,
      path: path,
      name: name,
      parentEncodedName: all.first { $0.id == parent }?.encodedName,
      delimiter: tree.delimiter,
      role: nil,
      isSubscribed: true,
      isSelectable: true
    )
    let listing = try await judging("/name", of: account) { try await backend.create(wanted) }
    guard let made = try await store.addMailbox(listing, of: account) else {
      throw ServiceError.notFound("mailbox")
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
    if try await queuesMailboxes(of: account) {
      return try await queueUpdate(
        of: id,
        of: account,
        name: name,
        parent: parent,
        isSubscribed: isSubscribed
      )
    }
    return try await changingMailboxes(of: account) {
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
    let mailbox = try MailboxTree(all).require(id)
    if let isSubscribed, isSubscribed != mailbox.isSubscribed {
      if !mailbox.isLocal {
        try await backend(of: account).setSubscribed(isSubscribed, mailbox)
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
    let tree = MailboxTree(all)
    let backend = try await backend(of: mailbox.accountID)
    let top = parent == nil ? try await backend.topLevelPrefix(all) : ""
    let path = try tree.path(name, parent, top: top)
    try tree.requireMovable(mailbox, to: path)
    let new = MailboxName(path)
    if !mailbox.isLocal {
      let pointer = name == mailbox.name ? "/parentId" : "/name"
      try await judging(pointer, of: mailbox.accountID) {
        try await backend.rename(mailbox, to: new, among: all)
      }
    }
    let listing = MailboxListing(
      encodedName: new.stored,
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
    if try await queuesMailboxes(of: account) {
      return try await queueDeletion(of: id, of: account, isPermanent: isPermanent)
    }
    try await changingMailboxes(of: account) { try await delete(id, account, isPermanent) }
  }

  private func delete(
    _ id: ID<Mailbox>,
    _ account: ID<Account>,
    _ isPermanent: Bool
  ) async throws {
    let tree = MailboxTree(try await store.mailboxes(of: account).mailboxes)
    let mailbox = try tree.require(id)
    try tree.requireDeletable(mailbox, isPermanent: isPermanent)
    if !mailbox.isLocal {
      try await store.requireNoneLeave(mailbox, of: account)
      try await backend(of: account).delete(mailbox, ifEmpty: !isPermanent)
    }
    // What is delivered at this moment is counted under the lock of the transaction.
    try await store.deleteMailbox(id, of: account, ifEmpty: mailbox.isLocal && !isPermanent)
  }

  /// Runs `body`; a name that the server can never have is a fault of the member at `pointer`.
  private func judging<R>(
    _ pointer: String,
    of account: ID<Account>,
    _ body: () async throws -> R
  ) async throws -> R {
    do {
      return try await body()
    } catch let error as IMAPError {
      let host = services.host(of: account)
      if let fault = ServiceError(error, host: host, namedAt: pointer) { throw fault }
      throw error
    }
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
}
