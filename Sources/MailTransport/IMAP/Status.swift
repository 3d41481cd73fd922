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
  ///
  /// Of those it calls `whenRefused` with the server's NO or BAD.
  package func statuses(
    _ mailboxes: [MailboxName],
    _ items: [StatusItem],
    deadline: Deadline? = nil,
    whenRefused: (MailboxName, StatusResponse) -> Void = { _, _ in }
  ) async throws(IMAPError) -> [MailboxName: MailboxStatus] {
    var found: [MailboxName: MailboxStatus] = [:]
    let wanted = Set(mailboxes)
    let commands = mailboxes.map { IMAPCommand.status($0, items) }
    let ends = try await pipeline(commands, deadline: deadline) { response in
      guard case .status(let name, let status) = response, wanted.contains(name) else {
        return false
      }
      found[name] = status
      return true
    }
    for (name, end) in zip(mailboxes, ends) where end.condition != .ok { whenRefused(name, end) }
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

extension StatusResponse {
  /// Whether a command was refused since its mailbox does not exist (RFC 5530 §3).
  ///
  /// Leniency `missingInWords`: Dovecot 2.3 says it without a code.
  package var saysMissing: Bool {
    guard condition == .no else { return false }
    if let code {
      if case .other("NONEXISTENT", _) = code { return true }
      return false
    }
    let words = text.lowercased()
    return ["doesn't exist", "does not exist"].contains { words.contains($0) }
  }
  /// Whether a command was refused for what may pass, and says nothing of whether its mailbox exists (RFC 5530 §3).
  package var leavesMailboxOpen: Bool {
    guard condition == .no, let code else { return false }
    return ["UNAVAILABLE", "SERVERBUG", "INUSE", "CORRUPTION"].contains(code.name)
  }
}
