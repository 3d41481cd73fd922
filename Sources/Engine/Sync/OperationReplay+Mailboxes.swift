import Bytes
import MailProtocols
import MailTransport
import Model
import Store

// Mailboxes that were made, renamed, deleted or subscribed to here while the server could not be asked.
//
// Another client may have done the same, or something else, in the meantime. What is wanted and is there already is done: a mailbox of
// the name, one that is gone, one that has the new name and is the same. What contradicts is a conflict: the server's state is
// shown again, and whoever asked decides.

extension OperationReplay {
  /// Replays one intent of a mailbox; a pass over all of them learns what came of it.
  func replay(_ operation: MailboxOperation) async throws {
    guard try await !store.markRunning([operation.id], of: account).isEmpty else { return }
    do {
      try await perform(operation)
      postponed.needPass()
    } catch let error as IMAPError {
      try await note(error, operation)
    }
  }

  private func perform(_ operation: MailboxOperation) async throws {
    let all = try await store.mailboxes(of: account).mailboxes
    let mailbox = all.first { $0.id == operation.mailbox }
    guard !all.contains(where: { $0.id == operation.parent && $0.isAwaited }) else {
      return try await putOff(operation, "The mailbox above it is not on the server yet.")
    }
    // What is known to the session by its name is another one under another name.
    try await leave()
    switch (operation.kind, mailbox) {
    case (.delete, _): try await delete(operation)
    // It is to be deleted by now, or the server has it no more.
    case (_, nil): try await completeDeleted(operation, all)
    case (.create, let mailbox?): try await create(operation, mailbox, all)
    case (.rename, let mailbox?): try await rename(operation, mailbox, all)
    case (.subscribe, let mailbox?):
      try await client.subscribe(mailbox.imapName)
      try await store.completeMailboxOperation(operation, of: account)
    case (.unsubscribe, let mailbox?):
      try await client.unsubscribe(mailbox.imapName)
      try await store.completeMailboxOperation(operation, of: account)
    }
  }

  /// Ends what was wanted of a mailbox that is not here any more.
  ///
  /// Where it was tried, and the answer lost, the server may have done it: what deletes the mailbox there is told the name.
  private func completeDeleted(_ operation: MailboxOperation, _ all: [Mailbox]) async throws {
    let hasParent = operation.parent.map { parent in all.contains { $0.id == parent } } ?? true
    guard hasParent, [.create, .rename].contains(operation.kind),
      let wire = try await name(of: operation, all)
    else { return try await store.completeMailboxOperation(operation, of: account) }
    if operation.wasTried, try await listing(of: wire) != nil,
      !all.contains(where: { $0.imapName == wire })
    {
      try await complete(operation, wire)
    } else if operation.kind == .rename {
      try await renameDoomed(operation, wire, all)
    } else {
      try await store.completeMailboxOperation(operation, of: account)
    }
  }

  /// Renames a mailbox that is to be deleted later: by then its old name may be that of another one.
  private func renameDoomed(
    _ operation: MailboxOperation,
    _ wire: MailboxName,
    _ all: [Mailbox]
  ) async throws {
    guard let old = try await store.serverName(ofDoomed: operation.mailbox, in: account) else {
      return try await store.completeMailboxOperation(operation, of: account)
    }
    do throws(IMAPError) {
      try await client.rename(MailboxName(stored: old), to: wire)
    } catch {
      guard case .refused = error else { throw error }
      return try await store.completeMailboxOperation(operation, of: account)
    }
    let delimiter = all.lazy.compactMap(\.delimiter).first
    try await store.completeMailboxOperation(
      operation,
      encodedName: wire.stored,
      before: (old, delimiter),
      of: account
    )
  }

  private func create(
    _ operation: MailboxOperation,
    _ mailbox: Mailbox,
    _ all: [Mailbox]
  ) async throws {
    guard let wire = try await name(of: operation, all) else { return }
    do throws(IMAPError) {
      try await client.create(wire)
    } catch {
      guard case .refused = error, try await listing(of: wire) != nil else { throw error }
      // Somebody has made one of this name, or we did and were cut off; or it is one that is to be deleted.
      let isOther = all.contains { $0.imapName == wire && $0.id != mailbox.id }
      let encodedName = wire.stored
      let isDoomed = try await store.isDoomed(serverName: encodedName, in: account)
      if isOther || isDoomed {
        return try await conflict(operation, "There is a mailbox of this name on the server.", wire)
      }
    }
    if mailbox.isSubscribed {
      try await ifAllowed { () throws(IMAPError) in try await client.subscribe(wire) }
    }
    try await complete(operation, wire)
  }

  private func rename(
    _ operation: MailboxOperation,
    _ mailbox: Mailbox,
    _ all: [Mailbox]
  ) async throws {
    guard let wire = try await name(of: operation, all) else { return }
    let old = mailbox.imapName
    if wire != old {
      do throws(IMAPError) {
        try await client.rename(old, to: wire)
      } catch {
        guard case .refused = error else { throw error }
        return try await settle(operation, mailbox, wire, after: error)
      }
      for (from, to) in all.subscriptions(renaming: mailbox, to: wire) {
        try await ifAllowed { () throws(IMAPError) in try await client.subscribe(to) }
        try await ifAllowed { () throws(IMAPError) in try await client.unsubscribe(from) }
      }
    }
    try await complete(operation, wire)
  }

  /// Finds out what a refused renaming found on the server.
  private func settle(
    _ operation: MailboxOperation,
    _ mailbox: Mailbox,
    _ wire: MailboxName,
    after refusal: IMAPError
  ) async throws {
    let old = mailbox.imapName
    let isOld = try await listing(of: old) != nil
    let isNew = try await listing(of: wire) != nil
    if isNew, !isOld, try await isSame(wire, mailbox) {
      try await complete(operation, wire)
    } else if !isOld {
      let reason = "The mailbox was renamed or deleted on the server since."
      try await conflict(operation, reason, old)
    } else if isNew {
      try await conflict(operation, "There is a mailbox of this name on the server.", old)
    } else {
      throw refusal
    }
  }

  private func delete(_ operation: MailboxOperation) async throws {
    guard let encodedName = operation.encodedName else {
      return try await store.completeMailboxOperation(operation, of: account)
    }
    let wire = MailboxName(stored: encodedName)
    guard let listing = try await listing(of: wire) else {
      return try await store.completeMailboxOperation(operation, of: account)
    }
    // One that cannot be opened holds nothing.
    if listing.isSelectable, let left = try await reasonToKeep(wire, operation) {
      return try await conflict(operation, left, wire)
    }
    try await client.delete(wire)
    try await ifAllowed { () throws(IMAPError) in try await client.unsubscribe(wire) }
    try await store.completeMailboxOperation(operation, of: account)
  }

  /// Does what may be refused without harm to what was asked for.
  private func ifAllowed(_ body: () async throws(IMAPError) -> Void) async throws(IMAPError) {
    do throws(IMAPError) {
      try await body()
    } catch {
      guard !error.hasBrokenConnection else { throw error }
    }
  }

  /// Why a mailbox is not deleted: it holds what whoever asked did not know of; nil where nothing is against it.
  private func reasonToKeep(
    _ wire: MailboxName,
    _ operation: MailboxOperation
  ) async throws(IMAPError) -> String? {
    let status = try await client.status(wire, [.messages, .uidNext, .uidValidity])
    guard let count = status.messages, count > 0 else { return nil }
    guard operation.isPermanent else { return "The mailbox holds \(count) messages by now." }
    let isSame = status.uidValidity.map { Int64($0.value) } == operation.uidValidity
    let isAsKnown = status.uidNext.map { Int64($0.value) } == operation.uidNext
    return isSame && isAsKnown ? nil : "The mailbox has new messages on the server."
  }

  // MARK: - Names

  /// The name that a mailbox is to have on the server; nil where the one above it is gone, which is a conflict.
  private func name(of operation: MailboxOperation, _ all: [Mailbox]) async throws -> MailboxName? {
    let name = operation.name ?? ""
    guard let parent = operation.parent else {
      return MailboxName(try await client.topLevelPrefix(all) + name)
    }
    guard let above = all.first(where: { $0.id == parent }),
      let delimiter = above.delimiter ?? all.lazy.compactMap(\.delimiter).first
    else {
      try await conflict(operation, "The mailbox above it is not there.", nil)
      return nil
    }
    return MailboxName(above.imapName.decoded + delimiter + name)
  }

  private func listing(of name: MailboxName) async throws(IMAPError) -> ListedMailbox? {
    try await client.list().first { $0.name == name }
  }

  /// Whether the server has under `name` what is known of `mailbox`: where its UIDVALIDITY says so.
  private func isSame(_ name: MailboxName, _ mailbox: Mailbox) async throws(IMAPError) -> Bool {
    guard let known = mailbox.uidValidity else { return true }
    return try await client.status(name, [.uidValidity]).uidValidity.map { Int64($0.value) }
      == known
  }

  /// Leaves the selected mailbox, which some servers neither rename nor delete.
  private func leave() async throws(IMAPError) {
    do throws(IMAPError) {
      try await client.unselect()
    } catch {
      guard !error.hasBrokenConnection else { throw error }
      try await client.examine(.inbox)
    }
  }

  // MARK: - Outcomes

  private func complete(_ operation: MailboxOperation, _ wire: MailboxName) async throws {
    try await store.completeMailboxOperation(
      operation,
      encodedName: wire.stored,
      of: account
    )
  }

  /// Keeps the intent for whoever asked to decide; `place` is what the server calls the mailbox.
  private func conflict(
    _ operation: MailboxOperation,
    _ reason: String,
    _ place: MailboxName?
  ) async throws {
    try await refuse(operation, reason, isConflict: true, place)
  }

  private func refuse(
    _ operation: MailboxOperation,
    _ reason: String,
    isConflict: Bool = false,
    _ place: MailboxName? = nil
  ) async throws {
    let all = try await store.mailboxes(of: account).mailboxes
    let name =
      place
      ?? operation.encodedName.map { MailboxName(stored: $0) }
      ?? all.first { $0.id == operation.mailbox }.map {
        $0.isAwaited ? MailboxName($0.path) : $0.imapName
      }
    let delimiter = all.lazy.compactMap(\.delimiter).first?.utf8.first
    let listed = name.map { [ListedMailbox(name: $0, delimiter: delimiter)] } ?? []
    try await store.refuseMailboxOperation(
      operation,
      reason: reason,
      isConflict: isConflict,
      place: MailboxListing.listings(listed).first,
      of: account
    )
    postponed.needPass()
  }

  /// As for messages: what the server put off is put off, and what it refused, or was tried too often, is refused.
  private func note(_ error: IMAPError, _ operation: MailboxOperation) async throws {
    guard error != .cancelled else { throw error }
    if case .refused(_, let response, let code) = error, !Self.passes(code) {
      return try await refuse(operation, response)
    }
    let reason = error.response ?? "The connection broke off."
    let isLast = operation.attempts + 1 >= configuration.operationAttempts
    if isLast {
      let tries = "Tried \(configuration.operationAttempts) times."
      try await refuse(operation, "\(tries) \(reason)")
    } else {
      try await store.putOff([operation.id], reason: reason, of: account)
    }
    guard case .refused = error else { throw error }
    if !isLast { postpone(operation) }
  }

  private func putOff(_ operation: MailboxOperation, _ reason: String) async throws {
    try await store.putOff([operation.id], reason: reason, asTried: false, of: account)
    postpone(operation)
  }

  private func postpone(_ operation: MailboxOperation) {
    let wait = Backoff.delay(
      after: operation.attempts,
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    postponed.add(operation.mailbox, until: .now + wait)
  }
}
