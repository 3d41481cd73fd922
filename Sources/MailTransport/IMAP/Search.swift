package import MailProtocols
package import Net

extension IMAPClient {
  /// The messages of the selected mailbox that match `criteria`.
  package func search(
    _ criteria: SearchCriteria,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> UIDSet {
    var found = UIDSet()
    let command = IMAPCommand.search(criteria, extended: capabilities.contains(.esearch))
    try await perform(command, deadline: deadline) { response in
      guard case .search(let uids) = response else { return false }
      found = uids
      return true
    }
    return found
  }
}
