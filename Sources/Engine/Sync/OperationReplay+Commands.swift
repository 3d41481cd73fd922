import Bytes
import MailProtocols
import MailTransport
import Model
import Net
import Store

// What each kind of intent is on the wire.

extension OperationReplay {
  /// An intent and the UID that its message has on the server.
  struct Target {
    var operation: OperationRecord
    var uid: UID
  }

  /// Where messages are in a mailbox of a certain UIDVALIDITY.
  private struct Places {
    var uidValidity: Int64?
    var uids: [ID<Message>: Int64] = [:]
  }

  /// UID STORE, once to add and once to remove.
  func storeKeywords(_ group: [OperationRecord], _ mailbox: Mailbox) async throws {
    guard let first = group.first else { return }
    let targets = try await targets(of: group, in: mailbox, goneReason: "The message is gone.")
    guard !targets.isEmpty else { return }
    let uids = UIDSet(targets.map(\.uid))
    let added = KeywordMap.flags(of: first.addKeywords)
    let removed = KeywordMap.flags(of: first.removeKeywords)
    if !added.isEmpty { try await client.store(uids, .add, added) }
    if !removed.isEmpty { try await client.store(uids, .remove, removed) }
    try await store.completeOperations(targets.map(\.operation), uids: [:], of: account)
  }

  // MARK: - Move and copy

  /// UID MOVE or UID COPY.
  func transfer(
    _ group: [OperationRecord],
    from mailbox: Mailbox,
    to target: Mailbox
  ) async throws {
    let isCopy = group.first?.kind == "copy"
    let isOneCommand = !isCopy && client.capabilities.contains(.move)
    let made = isOneCommand ? Places() : try await copiesMade(group, target)
    let targets = try await targets(of: group, in: mailbox, goneReason: nil)
    guard !targets.isEmpty else { return }
    let copyUID: CopyUID?
    if isOneCommand {
      copyUID = try await client.move(UIDSet(targets.map(\.uid)), to: target.imapName).copyUID
    } else {
      let missing = targets.filter { made.uids[$0.operation.message] == nil }.map(\.uid)
      copyUID =
        missing.isEmpty ? nil : try await client.copy(UIDSet(missing), to: target.imapName)
      if let copyUID, let known = target.uidValidity, known != Int64(copyUID.uidValidity.value) {
        try await takeBack(
          UIDSet(copyUID.pairs.map(\.destination)),
          copyUID.uidValidity,
          from: target
        )
        throw StaleUIDs()
      }
      if !isCopy { try await removeForGood(targets.map(\.uid), in: mailbox) }
    }
    let places = Self.places(of: targets, copyUID, made)
    var done = targets.map(\.operation)
    // With UIDPLUS every copy is told: what is not was not made, since its source is gone.
    if isCopy, client.capabilities.contains(.uidPlus) {
      try await refuse(done.filter { places.uids[$0.message] == nil }, "The message is gone.")
      done.removeAll { places.uids[$0.message] == nil }
    }
    try await store.completeOperations(
      done,
      uids: places.uids,
      uidValidity: places.uidValidity,
      of: account
    )
  }

  /// Takes away what was copied, or is to be gone.
  ///
  /// Without UIDPLUS ours stay `\Deleted` and hidden while any other message carries `\Deleted`. What earlier intents left is
  /// ours as well, and goes along.
  ///
  /// - Returns: Whether they are gone.
  func removeSources(_ uids: [UID], in mailbox: Mailbox) async throws -> Bool {
    if try await client.removeCopied(UIDSet(uids)) { return true }
    let left = try await store.leftovers(in: mailbox)
    let ours = UIDSet(uids + left.uids.map { UID(UInt32(clamping: $0)) })
    guard try await client.expungeUnlessOthersDeleted(ours) else { return false }
    try await store.forgetLeftovers(in: mailbox)
    postponed.remove(left.waiting)
    return true
  }

  /// The same for intents that are over with it: what cannot go yet is remembered.
  private func removeForGood(_ uids: [UID], in mailbox: Mailbox) async throws {
    guard try await !removeSources(uids, in: mailbox) else { return }
    try await store.noteLeftovers(uids.map { Int64($0.value) }, in: mailbox)
  }

  private static func places(of targets: [Target], _ copyUID: CopyUID?, _ made: Places) -> Places {
    guard let copyUID else { return made }
    let uidValidity = Int64(copyUID.uidValidity.value)
    var places = made.uidValidity == uidValidity ? made : Places()
    places.uidValidity = uidValidity
    for target in targets {
      guard let uid = copyUID.destination(of: target.uid) else { continue }
      places.uids[target.operation.message] = Int64(uid.value)
    }
    return places
  }

  /// The copies that earlier attempts made before they broke off.
  private func copiesMade(_ group: [OperationRecord], _ target: Mailbox) async throws -> Places {
    var made = Places()
    for operation in group where operation.wasTried {
      guard let copy = try await findCopy(of: operation, in: target) else { continue }
      made.uidValidity = client.uidValidity
      made.uids[operation.message] = Int64(copy.value)
    }
    return made
  }

  // MARK: - Delete and append

  /// `\Deleted`, then UID EXPUNGE; without UIDPLUS only where nobody else's message would go with it.
  func delete(_ group: [OperationRecord], _ mailbox: Mailbox) async throws {
    var safe: [OperationRecord] = []
    for operation in group {
      if try await store.canExpunge(operation, of: account) {
        safe.append(operation)
      } else {
        try await refuse([operation], "Kept: the server has told of no other copy.")
      }
    }
    let targets = try await unchanged(targets(of: safe, in: mailbox, goneReason: nil))
    guard !targets.isEmpty else { return }
    try await removeForGood(targets.map(\.uid), in: mailbox)
    try await store.completeOperations(targets.map(\.operation), uids: [:], of: account)
  }

  /// The same of messages that stay here.
  ///
  /// Those that cannot be expunged yet keep their intent: what the server has of them would look like new mail.
  func release(_ group: [OperationRecord], _ mailbox: Mailbox) async throws {
    let targets = try await targets(of: group, in: mailbox, goneReason: nil)
    guard !targets.isEmpty else { return }
    let operations = targets.map(\.operation)
    if try await removeSources(targets.map(\.uid), in: mailbox) {
      postponed.resetWait()
      return try await store.completeOperations(operations, uids: [:], of: account)
    }
    let reason = "Others' deleted messages are in the mailbox, and the server has no UIDPLUS."
    try await store.putOff(operations.map(\.id), reason: reason, asTried: false, of: account)
    let until = Deadline.now + postponed.nextWait()
    for operation in operations { postponed.add(operation.message, until: until) }
  }

  /// Those of `targets` that are there as they were when the intent was made.
  ///
  /// One that is not there was deleted by somebody else, or moved, which makes it a conflict once it is found. Where changed messages
  /// are spared, one that has other flags is one too: what was done here before the deletion was replayed before it, so that any
  /// other flag is somebody else's. Whoever set `\Deleted` wants the same.
  private func unchanged(_ targets: [Target]) async throws -> [Target] {
    guard !targets.isEmpty else { return [] }
    let told = Dictionary(
      try await client.fetchFlags(UIDSet(targets.map(\.uid))).map { ($0.uid, $0.flags) }
    ) { first, _ in first }
    var left: [Target] = []
    for target in targets {
      guard let flags = told[target.uid] else {
        try await store.endDeletion(ofMissing: target.operation, of: account)
        continue
      }
      let keywords = KeywordMap.keywords(of: flags)
      guard sparesChanged, keywords != target.operation.previousKeywords.sorted() else {
        left.append(target)
        continue
      }
      try await store.refuseOperation(
        target.operation,
        reason: "Kept: the message changed on the server since.",
        conflict: ServerFlags(
          uid: Int64(target.uid.value),
          keywords: keywords,
          isDeleted: flags.contains(.deleted)
        ),
        of: account
      )
    }
    return left
  }

  /// APPEND of a message kept here.
  func append(_ operation: OperationRecord, _ mailbox: Mailbox) async throws {
    guard let blob = operation.blob,
      let size = try await store.blobSize(blob, of: account)
    else { return try await refuse([operation], "The message is no longer kept here.") }
    var places = Places()
    if operation.wasTried, let uid = try await findCopy(of: operation, in: mailbox) {
      places = Places(uidValidity: client.uidValidity, uids: [operation.message: Int64(uid.value)])
    } else if let told = try await append(operation, blob, size, mailbox) {
      places = Places(
        uidValidity: Int64(told.uidValidity.value),
        uids: [operation.message: Int64(told.uid.value)]
      )
      if places.uidValidity != mailbox.uidValidity ?? places.uidValidity {
        try await takeBack(UIDSet(told.uid), told.uidValidity, from: mailbox)
      }
    } else if let uid = try await findCopy(of: operation, in: mailbox) {
      places = Places(uidValidity: client.uidValidity, uids: [operation.message: Int64(uid.value)])
    }
    // It came into another mailbox of the name. Known by its bytes alone it would not be matched by what a pass reads of it:
    // once that has found where the mailbox is now, it is put there, or found there as what an attempt made.
    if let told = places.uidValidity, let known = mailbox.uidValidity, told != known {
      throw StaleUIDs()
    }
    told.insert(mailbox.imapName)
    try await store.completeOperations(
      [operation],
      uids: places.uids,
      uidValidity: places.uidValidity,
      of: account
    )
  }

  /// Takes away what was just put into a mailbox that has the name of `mailbox`, and is another one.
  private func takeBack(
    _ uids: UIDSet,
    _ uidValidity: UIDValidity,
    from mailbox: Mailbox
  ) async throws {
    try await client.select(mailbox.imapName)
    guard client.uidValidity == Int64(uidValidity.value) else { return }
    // A server that tells UIDs has UID EXPUNGE.
    _ = try await client.removeCopied(uids)
  }

  private func append(
    _ operation: OperationRecord,
    _ blob: ID<Blob>,
    _ size: Int64,
    _ mailbox: Mailbox
  ) async throws -> AppendUID? {
    var position = 0
    return try await client.append(
      count: Int(size),
      to: mailbox.imapName,
      flags: KeywordMap.flags(of: operation.addKeywords),
      internalDate: InternalDate(secondsSince1970: operation.receivedAt.seconds)
    ) {
      defer { position += 1 }
      return try await store.blobChunk(position, of: blob, of: account)
    }
  }

  // MARK: - Where a message is

  /// Opens `mailbox` and finds there what an APPEND or a COPY of `operation` made.
  ///
  /// A message that was known before the intent was made is not it, however equal it is.
  func findCopy(of operation: OperationRecord, in mailbox: Mailbox) async throws -> UID? {
    try await client.select(mailbox.imapName)
    let equal = try await search.matches(operation)
    guard !equal.isEmpty, client.uidValidity == mailbox.uidValidity else { return equal.first }
    let others = try await store.placedUIDs(
      equal.map { Int64($0.value) },
      in: mailbox,
      notOf: operation.message,
      before: operation.id
    )
    return equal.first { !others.contains(Int64($0.value)) }
  }

  private var search: MessageSearch {
    MessageSearch(
      client: client,
      store: store,
      account: account,
      limit: configuration.identityCandidates
    )
  }

  /// Opens the mailbox and finds each message's UID.
  ///
  /// An intent whose message is gone is refused with `goneReason`, or done where there is none: a
  /// move's message was moved by somebody else and is found where it is now by the next sync.
  func targets(
    of group: [OperationRecord],
    in mailbox: Mailbox,
    goneReason: String?
  ) async throws -> [Target] {
    guard !group.isEmpty else { return [] }
    if client.selected?.name != mailbox.imapName || client.selected?.isReadOnly != false {
      try await client.select(mailbox.imapName)
    }
    // The UIDs known are of messages that are elsewhere or gone; what has them now is not ours to touch.
    guard client.uidValidity == mailbox.uidValidity else { throw StaleUIDs() }
    var targets: [Target] = []
    for operation in group {
      let found = try await uids(of: operation, in: mailbox)
      if found.count == 1 {
        targets.append(Target(operation: operation, uid: found[0]))
      } else if found.count > 1 {
        try await refuse([operation], "The mailbox has several messages like this one.")
      } else if let goneReason {
        try await refuse([operation], goneReason)
      } else if operation.kind == "delete" {
        try await store.endDeletion(ofMissing: operation, of: account)
      } else {
        try await store.completeOperations([operation], uids: [:], of: account)
      }
    }
    return targets
  }

  /// The UID known of an intent's message, or all that it may be.
  private func uids(of operation: OperationRecord, in mailbox: Mailbox) async throws -> [UID] {
    if let uid = operation.uid { return [UID(UInt32(clamping: uid))] }
    let equal = try await search.matches(operation)
    guard !equal.isEmpty else { return [] }
    let others = try await store.placedUIDs(
      equal.map { Int64($0.value) },
      in: mailbox,
      notOf: operation.message
    )
    return equal.filter { !others.contains(Int64($0.value)) }
  }
}

extension OperationRecord {
  /// Whether it was under way before, so that the server may have done it.
  var wasTried: Bool { attempts > 0 || state == "running" }
}
