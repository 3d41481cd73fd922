package import MailProtocols
package import Net

/// What became of messages that were moved.
package struct MoveOutcome: Hashable, Sendable {
  /// Where they went, where the server says so (UIDPLUS).
  package var copyUID: CopyUID?
  /// Whether they are gone from where they were; else they carry `\Deleted` there.
  package var isSourceRemoved: Bool
}

extension IMAPClient {
  /// Copies the messages `uids` to `mailbox`; nil where the server does not say where they went.
  @discardableResult
  package func copy(
    _ uids: UIDSet,
    to mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> CopyUID? {
    try await copying(.copy(uids, to: mailbox), deadline)
  }

  /// Moves the messages `uids` to `mailbox`.
  ///
  /// Without MOVE (RFC 6851) they are copied, flagged `\Deleted`, and removed by UID EXPUNGE;
  /// without UIDPLUS, too, they stay as they are, flagged `\Deleted`: a plain EXPUNGE would remove
  /// what others flagged.
  @discardableResult
  package func move(
    _ uids: UIDSet,
    to mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> MoveOutcome {
    if capabilities.contains(.move) {
      let copyUID = try await copying(.move(uids, to: mailbox), deadline)
      return MoveOutcome(copyUID: copyUID, isSourceRemoved: true)
    }
    let copyUID = try await copying(.copy(uids, to: mailbox), deadline)
    let isSourceRemoved = try await removeCopied(uids, deadline: deadline)
    return MoveOutcome(copyUID: copyUID, isSourceRemoved: isSourceRemoved)
  }

  /// The second half of a move without MOVE: flags the messages `uids` `\Deleted` and removes them.
  ///
  /// Returns whether they are gone; without UIDPLUS they stay, flagged.
  package func removeCopied(
    _ uids: UIDSet,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> Bool {
    try await store(uids, .add, [.deleted], deadline: deadline)
    guard capabilities.contains(.uidPlus) else { return false }
    try await expunge(uids, deadline: deadline)
    return true
  }

  /// COPYUID stands in the tagged OK of COPY and in an untagged one of MOVE (RFC 6851 §4.3).
  private func copying(
    _ command: IMAPCommand,
    _ deadline: Deadline?
  ) async throws(IMAPError) -> CopyUID? {
    var found: CopyUID?
    let status = try await perform(command, deadline: deadline) { response in
      guard case .condition(let status) = response, case .copyUID(let copyUID)? = status.code else {
        return false
      }
      found = copyUID
      return true
    }
    if case .copyUID(let copyUID)? = status.code { found = copyUID }
    return found
  }
}
