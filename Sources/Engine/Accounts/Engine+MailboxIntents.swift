import MailProtocols
import Model
import Store

// An account that has a full copy here works with its server away, and so do its mailboxes: what is made of them is shown at once
// and queued like what is made of messages, in one order with that. An account that is online has the server agree first.

extension Engine {
  /// Whether changes of the account's mailboxes are queued.
  ///
  /// While one waits, others come after it, whatever the mode has become.
  func queuesMailboxes(of id: ID<Account>) async throws(ServiceError) -> Bool {
    guard let account = try await store.account(id) else { throw .notFound("account") }
    guard account.incoming.kind == .imap else { return false }
    if account.mode != .online { return true }
    return try await store.changesMailboxes(of: id)
  }

  /// Queues that a mailbox is made; with `id` one that was made before, and refused.
  func queueMailbox(
    of account: ID<Account>,
    name: String,
    parent: ID<Mailbox>?,
    id: ID<Mailbox>? = nil
  ) async throws(ServiceError) -> Mailbox {
    try await queue(account) { tree in
      let path = try tree.path(name, parent, top: tree.inboxPrefix)
      try tree.requireFree(path)
      guard !tree.all.contains(where: { $0.id == id }) else {
        throw ServiceError(
          .conflict,
          "The mailbox is kept here alone since the server refused it. Make another one, and move its messages there."
        )
      }
      return [
        .create(name: name, parent: parent, path: path, delimiter: tree.delimiter, id: id)
      ]
    }
  }

  /// Queues another name or place, or a subscription; nil leaves.
  func queueUpdate(
    of id: ID<Mailbox>,
    of account: ID<Account>,
    name: String?,
    parent: ID<Mailbox>??,
    isSubscribed: Bool?
  ) async throws(ServiceError) -> Mailbox {
    let changed = try await store.changeMailboxes(of: account) { all in
      let tree = MailboxTree(all)
      let mailbox = try tree.require(id)
      let (newName, newParent) = (name ?? mailbox.name, parent ?? mailbox.parentID)
      var intents: [MailboxIntent] = []
      if let isSubscribed, isSubscribed != mailbox.isSubscribed {
        intents.append(.subscribe(mailbox, isSubscribed))
      }
      if newName != mailbox.name || newParent != mailbox.parentID {
        let path = try tree.path(newName, newParent, top: tree.inboxPrefix)
        try tree.requireMovable(mailbox, to: path)
        intents.append(.rename(mailbox, name: newName, parent: newParent, path: path))
      }
      return intents
    }
    if changed != nil { wake(account, .operations) }
    guard let mailbox = try await store.mailbox(id, of: account) else {
      throw .notFound("mailbox")
    }
    return mailbox
  }

  /// Queues that a mailbox goes.
  func queueDeletion(
    of id: ID<Mailbox>,
    of account: ID<Account>,
    isPermanent: Bool
  ) async throws(ServiceError) {
    _ = try await store.changeMailboxes(of: account) { all in
      let tree = MailboxTree(all)
      let mailbox = try tree.require(id)
      try tree.requireDeletable(mailbox, isPermanent: isPermanent)
      return [.delete(mailbox, isPermanent: isPermanent)]
    }
    wake(account, .operations)
  }

  /// How the server listed a mailbox before the intent to delete it; nil where it never did, or where it is no such intent.
  func formerPlace(of operation: MailboxOperation, _ all: [Mailbox]) -> MailboxListing? {
    guard operation.kind == .delete, let encodedName = operation.encodedName,
      let name = operation.previousName
    else { return nil }
    return MailboxListing(
      encodedName: encodedName,
      path: MailboxName(stored: encodedName).decoded,
      name: name,
      parentEncodedName: nil,
      delimiter: all.lazy.compactMap(\.delimiter).first,
      role: nil,
      isSubscribed: false,
      isSelectable: true
    )
  }

  /// Queues once more what was refused.
  func requeue(
    _ operation: MailboxOperation,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let id = operation.mailbox
    switch operation.kind {
    case .create:
      _ = try await queueMailbox(
        of: account,
        name: operation.name ?? "",
        parent: operation.parent,
        id: id
      )
    case .rename:
      _ = try await queueUpdate(
        of: id,
        of: account,
        name: operation.name,
        parent: .some(operation.parent),
        isSubscribed: nil
      )
    case .subscribe, .unsubscribe:
      _ = try await queueUpdate(
        of: id,
        of: account,
        name: nil,
        parent: nil,
        isSubscribed: operation.kind == .subscribe
      )
    case .delete:
      try await queueDeletion(of: id, of: account, isPermanent: operation.isPermanent)
    }
  }

  private func queue(
    _ account: ID<Account>,
    _ plan: (MailboxTree) throws -> [MailboxIntent]
  ) async throws(ServiceError) -> Mailbox {
    let id = try await store.changeMailboxes(of: account) { try plan(MailboxTree($0)) }
    wake(account, .operations)
    guard let id, let mailbox = try await store.mailbox(id, of: account) else {
      throw .notFound("mailbox")
    }
    return mailbox
  }
}
