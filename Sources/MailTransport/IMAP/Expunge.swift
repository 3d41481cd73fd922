package import MailProtocols
package import Net

extension IMAPClient {
  /// Removes those messages of `uids` that carry `\Deleted`, and no others.
  ///
  /// Needs UIDPLUS (RFC 4315): without it EXPUNGE would remove what others flagged.
  package func expunge(_ uids: UIDSet, deadline: Deadline? = nil) async throws(IMAPError) {
    guard capabilities.contains(.uidPlus) else { throw .unsupported("UIDPLUS") }
    guard !uids.isEmpty else { return }
    try await perform(.expunge(uids), deadline: deadline)
  }

  /// Removes the messages `uids` by EXPUNGE if no other message carries `\Deleted`.
  ///
  /// For servers without UIDPLUS. Returns whether it was done; a message that somebody else flags
  /// between the look and the EXPUNGE is lost, which nothing in the protocol can prevent.
  package func expungeUnlessOthersDeleted(
    _ uids: UIDSet,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> Bool {
    let deleted = try await search(.flag(.deleted), deadline: deadline)
    for range in deleted.ranges {
      for uid in range where !uids.contains(UID(uid)) { return false }
    }
    guard !deleted.isEmpty else { return true }
    try await perform(.expungeAll, deadline: deadline)
    return true
  }
}
