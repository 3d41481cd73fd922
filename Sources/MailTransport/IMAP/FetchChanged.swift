package import MailProtocols

extension IMAPClient {
  /// The flags of the messages that changed since `modSeq` (RFC 7162 §3.1.4.1), ascending by UID.
  ///
  /// Needs CONDSTORE and a mailbox that was selected with it.
  package func fetchFlags(
    changedSince modSeq: ModSeq
  ) async throws(IMAPError) -> [(uid: UID, flags: [Flag])] {
    var found: [UID: [Flag]] = [:]
    try await perform(.fetchFlags(changedSince: modSeq)) { response in
      guard case .fetch(let message) = response, let uid = message.uid, let flags = message.flags
      else { return false }
      found[uid] = flags
      return true
    }
    return found.sorted { $0.key < $1.key }.map { (uid: $0.key, flags: $0.value) }
  }
}
