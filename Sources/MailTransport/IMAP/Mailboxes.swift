package import MailProtocols
package import Net

extension IMAPClient {
  /// Makes a mailbox.
  package func create(_ mailbox: MailboxName, deadline: Deadline? = nil) async throws(IMAPError) {
    try await perform(.create(mailbox), deadline: deadline)
  }

  /// Renames `mailbox` and all below it.
  package func rename(
    _ mailbox: MailboxName,
    to name: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    try await perform(.rename(mailbox, to: name), deadline: deadline)
  }

  /// Deletes `mailbox` with its messages.
  package func delete(_ mailbox: MailboxName, deadline: Deadline? = nil) async throws(IMAPError) {
    try await perform(.delete(mailbox), deadline: deadline)
  }

  /// Subscribes to a mailbox.
  package func subscribe(
    _ mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    try await perform(.subscribe(mailbox), deadline: deadline)
  }

  /// Ends the subscription of a mailbox.
  package func unsubscribe(
    _ mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    try await perform(.unsubscribe(mailbox), deadline: deadline)
  }
}
