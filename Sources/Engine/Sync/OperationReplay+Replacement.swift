import Bytes
import Crypto
import Logging
import MailProtocols
import MailTransport
import Model
import Store

extension OperationReplay {
  /// APPEND of the message as it is to be, with the flags that the old one has; then the old one goes.
  ///
  /// Not before the server has told where the new one is: with UIDPLUS it does (RFC 4315 §3). What an attempt before this one
  /// appended is found again by its bytes.
  func replace(_ operation: OperationRecord, _ mailbox: Mailbox) async throws {
    guard client.capabilities.contains(.uidPlus) else {
      let reason = "The server does not tell where it puts a message (UIDPLUS)."
      return try await refuse([operation], reason)
    }
    let goneReason = "The message is gone."
    guard
      let old = try await targets(of: [operation], in: mailbox, goneReason: goneReason).first?.uid
    else { return }
    guard client.selected?.allowsDeletion == true else {
      let reason = "The server lets nothing be deleted in this mailbox: the old message would stay."
      return try await refuse([operation], reason)
    }
    guard let blob = operation.blob, let raw = try await bytes(of: blob) else {
      return try await refuse([operation], "The changed message is no longer kept here.")
    }
    let message = NewMessage(
      raw: raw,
      digest: Digest.sha256(raw),
      keywords: [],
      receivedAt: operation.receivedAt
    )
    var made: UID?
    if operation.wasTried {
      made = try await findCopy(of: operation.appending(message), in: mailbox)
    }
    if made == nil {
      let flags = try await client.fetchFlags(UIDSet(old)).first { $0.uid == old }?.flags
      guard let flags, !flags.contains(.deleted) else {
        return try await follow(operation, goneReason)
      }
      made = try await append(raw, flags, operation, mailbox)
      if made == nil { made = try await findCopy(of: operation.appending(message), in: mailbox) }
    }
    guard let made, made != old else {
      let reason = "The server did not tell where it put the changed message: the old one stays."
      return try await refuse([operation], reason)
    }
    try await removeReplaced(old)
    try await store.completeReplacement(
      operation,
      by: message,
      from: Int64(old.value),
      to: Int64(made.value),
      of: account
    )
  }

  /// Looks for a message that another client took elsewhere: a pass over all mailboxes tells where it is, if anywhere.
  private func follow(_ operation: OperationRecord, _ goneReason: String) async throws {
    if try await store.followMessage(of: operation, in: account) { return }
    guard operation.attempts < configuration.sharedAttempts else {
      return try await refuse([operation], goneReason)
    }
    try await store.putOff([operation.id], reason: goneReason, of: account)
    postponed.addUntilPass(operation.message, until: .now + configuration.firstBackoff)
  }

  /// Takes away what was replaced; what the server only marks `\Deleted` is hidden, as other clients hide it.
  private func removeReplaced(_ old: UID) async throws(IMAPError) {
    try await client.store(UIDSet(old), .add, [.deleted])
    do throws(IMAPError) {
      try await client.expunge(UIDSet(old))
    } catch {
      guard case .refused(_, let response, let code) = error, !Self.passes(code) else {
        throw error
      }
      logger.info("replaced message not expunged", metadata: ["response": "\(response)"])
    }
  }

  /// The UID that the server tells of what it took.
  private func append(
    _ raw: [UInt8],
    _ flags: [Flag],
    _ operation: OperationRecord,
    _ mailbox: Mailbox
  ) async throws -> UID? {
    let told = try await client.append(
      raw,
      to: mailbox.imapName,
      flags: flags.filter { $0 != .recent },
      internalDate: InternalDate(secondsSince1970: operation.receivedAt.seconds)
    )
    guard let told else { return nil }
    // It is another mailbox of the name: what is known of the old message is of the one before.
    guard Int64(told.uidValidity.value) == mailbox.uidValidity else { throw StaleUIDs() }
    return told.uid
  }

  private func bytes(of blob: ID<Blob>) async throws -> [UInt8]? {
    guard try await store.blobSize(blob, of: account) != nil else { return nil }
    return try await store.blob(blob, of: account)
  }
}

extension OperationRecord {
  /// The same, by which its message is looked for as it is to be and not as it was.
  fileprivate func appending(_ message: NewMessage) -> OperationRecord {
    var operation = self
    operation.messageID = message.messageID
    operation.identity = []
    operation.size = message.size
    return operation
  }
}
