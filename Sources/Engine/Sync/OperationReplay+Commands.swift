import Bytes
import MailProtocols
import MailTransport
import Model
import Store

// What each kind of intent is on the wire.

extension OperationReplay {
  /// An intent and the UID that its message has on the server.
  private struct Target {
    var operation: OperationRecord
    var uid: UID
  }

  func refuse(_ group: [OperationRecord], _ reason: String) async throws {
    for operation in group {
      try await store.refuseOperation(operation, reason: reason, of: account)
    }
  }

  /// UID STORE, once to add and once to remove.
  func storeKeywords(_ group: [OperationRecord], _ mailbox: MailboxName) async throws {
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

  /// UID MOVE or UID COPY.
  func transfer(
    _ group: [OperationRecord],
    from mailbox: MailboxName,
    to target: MailboxName
  ) async throws {
    let targets = try await targets(of: group, in: mailbox, goneReason: nil)
    guard !targets.isEmpty else { return }
    let uids = UIDSet(targets.map(\.uid))
    let copyUID: CopyUID?
    if group.first?.kind == "move" {
      let outcome = try await client.move(uids, to: target)
      copyUID = outcome.copyUID
      // Without UIDPLUS ours stay \Deleted and hidden while any other message carries \Deleted.
      if !outcome.isSourceRemoved { _ = try await client.expungeUnlessOthersDeleted(uids) }
    } else {
      copyUID = try await client.copy(uids, to: target)
    }
    var known: [ID<Message>: Int64] = [:]
    for item in targets {
      if let uid = copyUID?.destination(of: item.uid) {
        known[item.operation.message] = Int64(uid.value)
      }
    }
    var done = targets.map(\.operation)
    // With UIDPLUS every copy is told: what is not was not made, since its source is gone.
    if group.first?.kind == "copy", client.capabilities.contains(.uidPlus) {
      try await refuse(done.filter { known[$0.message] == nil }, "The message is gone.")
      done.removeAll { known[$0.message] == nil }
    }
    try await store.completeOperations(done, uids: known, of: account)
  }

  /// `\Deleted`, then UID EXPUNGE; without UIDPLUS only where nobody else's message would go with it.
  func delete(_ group: [OperationRecord], _ mailbox: MailboxName) async throws {
    var safe: [OperationRecord] = []
    for operation in group {
      if try await store.canExpunge(operation, of: account) {
        safe.append(operation)
      } else {
        try await refuse([operation], "Kept: the server has told of no other copy.")
      }
    }
    let targets = try await targets(of: safe, in: mailbox, goneReason: nil)
    guard !targets.isEmpty else { return }
    let uids = UIDSet(targets.map(\.uid))
    try await client.store(uids, .add, [.deleted])
    if client.capabilities.contains(.uidPlus) {
      try await client.expunge(uids)
    } else {
      _ = try await client.expungeUnlessOthersDeleted(uids)
    }
    try await store.completeOperations(targets.map(\.operation), uids: [:], of: account)
  }

  /// APPEND of a message kept here.
  func append(_ operation: OperationRecord, _ mailbox: MailboxName) async throws {
    guard let blob = operation.blob,
      let size = try await store.blobSize(blob, of: account)
    else { return try await refuse([operation], "The message is no longer kept here.") }
    var uid: Int64?
    // It was under way when the service stopped: it may be there already.
    if operation.attempts > 0 || operation.state == "running" {
      uid = try await findAppended(operation, mailbox)
    }
    if uid == nil {
      var position = 0
      let date = InternalDate(secondsSince1970: operation.createdAt.seconds)
      let told = try await client.append(
        count: Int(size),
        to: mailbox,
        flags: KeywordMap.flags(of: operation.addKeywords),
        internalDate: date
      ) {
        defer { position += 1 }
        return try await store.blobChunk(position, of: blob, of: account)
      }
      uid = told.map { Int64($0.uid.value) }
    }
    if uid == nil { uid = try await findAppended(operation, mailbox) }
    let uids = uid.map { [operation.message: $0] } ?? [:]
    try await store.completeOperations([operation], uids: uids, of: account)
  }

  private func findAppended(
    _ operation: OperationRecord,
    _ mailbox: MailboxName
  ) async throws -> Int64? {
    guard let messageID = operation.messageID else { return nil }
    try await client.select(mailbox)
    return try await find(messageID).map { Int64($0.value) }
  }

  private func find(_ messageID: String) async throws -> UID? {
    try await client.search(.header(name: "Message-ID", value: "<\(messageID)>"))
      .bounds?.upperBound
  }

  /// Opens the mailbox and finds each message's UID.
  ///
  /// An intent whose message is gone is refused with `goneReason`, or done where there is none: a
  /// move's message was moved by somebody else and is found where it is now by the next sync.
  private func targets(
    of group: [OperationRecord],
    in mailbox: MailboxName,
    goneReason: String?
  ) async throws -> [Target] {
    if client.selected?.name != mailbox || client.selected?.isReadOnly != false {
      try await client.select(mailbox)
    }
    var targets: [Target] = []
    for operation in group {
      if let uid = operation.uid {
        targets.append(Target(operation: operation, uid: UID(UInt32(clamping: uid))))
      } else if let messageID = operation.messageID, let uid = try await find(messageID) {
        targets.append(Target(operation: operation, uid: uid))
      } else if let goneReason {
        try await refuse([operation], goneReason)
      } else {
        try await store.completeOperations([operation], uids: [:], of: account)
      }
    }
    return targets
  }
}
