package import MailProtocols
package import Net

extension IMAPClient {
  /// The counters of `mailbox`, which should not be the selected one.
  package func status(
    _ mailbox: MailboxName,
    _ items: [StatusItem],
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> MailboxStatus {
    var found = MailboxStatus()
    try await perform(.status(mailbox, items), deadline: deadline) { response in
      guard case .status(let name, let status) = response, name == mailbox else { return false }
      found = status
      return true
    }
    return found
  }

  /// The counters of many mailboxes, asked for in one write; those refused are not in the answer.
  package func statuses(
    _ mailboxes: [MailboxName],
    _ items: [StatusItem],
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [MailboxName: MailboxStatus] {
    var found: [MailboxName: MailboxStatus] = [:]
    let wanted = Set(mailboxes)
    let commands = mailboxes.map { IMAPCommand.status($0, items) }
    _ = try await pipeline(commands, deadline: deadline) { response in
      guard case .status(let name, let status) = response, wanted.contains(name) else {
        return false
      }
      found[name] = status
      return true
    }
    return found
  }

  /// The items of `wanted` that this server knows.
  package func supportedStatusItems(_ wanted: [StatusItem]) -> [StatusItem] {
    wanted.filter { item in
      switch item {
      case .highestModSeq: capabilities.contains(.condStore)
      case .size: capabilities.contains(.statusSize)
      case .mailboxID: capabilities.contains(.objectID)
      case .appendLimit: capabilities.contains(.appendLimit)
      case .deleted: capabilities.contains(.imap4rev2)
      default: true
      }
    }
  }
}
