import MailProtocols
package import Model
import Store

// Mailboxes of a server are made, renamed and deleted there first: only it can say whether a name is good.

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
    let backend = try await backend(of: account)
    let top = parent == nil ? try await backend.topLevelPrefix(all) : ""
    let path = try wirePath(name, parent, all, top: top)
    let wire = MailboxName(path)
    if all.contains(where: { $0.imapName == wire }) {
      throw ServiceError(.conflict, "There is a mailbox of this name already.")
    }
    let listing = try await backend.create(
      MailboxListing(
        encodedName: String(decoding: wire.encoded, as: UTF8.self),
        path: path,
        name: name,
        parentEncodedName: all.first { $0.id == parent }?.encodedName,
        delimiter: all.lazy.compactMap(\.delimiter).first,
        role: nil,
        isSubscribed: true,
        isSelectable: true
      )
    )
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
    guard mailbox.role != "inbox" else {
      throw ServiceError(.conflict, "The inbox cannot be renamed or moved.")
    }
    let backend = try await backend(of: mailbox.accountID)
    let top = parent == nil ? try await backend.topLevelPrefix(all) : ""
    let path = try wirePath(name, parent, all, top: top)
    let new = MailboxName(path)
    if let delimiter = mailbox.delimiter, path.hasPrefix(mailbox.path + delimiter) {
      throw ServiceError(.conflict, "A mailbox cannot be moved below itself.")
    }
    if all.contains(where: { $0.imapName == new }) {
      throw ServiceError(.conflict, "There is a mailbox of this name already.")
    }
    if !mailbox.isLocal { try await backend.rename(mailbox, to: new) }
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
    if !isPermanent, mailbox.totalMessages > 0 {
      throw ServiceError.mailboxHolds(mailbox.totalMessages)
    }
    if !mailbox.isLocal {
      try await backend(of: account).delete(mailbox, ifEmpty: !isPermanent)
    }
    // What is delivered at this moment is counted under the lock of the transaction.
    try await store.deleteMailbox(id, of: account, ifEmpty: mailbox.isLocal && !isPermanent)
  }

  /// The decoded name of a mailbox called `name` below `parent`.
  private func wirePath(
    _ name: String,
    _ parent: ID<Mailbox>?,
    _ all: [Mailbox],
    top: String
  ) throws(ServiceError) -> String {
    let delimiter = all.lazy.compactMap(\.delimiter).first
    guard Mailbox.isName(name, delimiter: delimiter) else {
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
