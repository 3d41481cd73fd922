package import MailProtocols
package import Net

extension IMAPClient {
  /// The quotas that `mailbox` counts against (RFC 9208); none where the server has no such thing.
  package func quotas(
    of mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [Quota] {
    guard capabilities.contains(.quota) else { return [] }
    var found: [Quota] = []
    try await perform(.quotas(of: mailbox), deadline: deadline) { response in
      switch response {
      case .quota(let quota): found.append(quota)
      case .quotaRoots: break
      default: return false
      }
      return true
    }
    return found
  }
}
