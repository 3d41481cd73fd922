import MailProtocols
import MailTransport
import Model

extension IMAPClient {
  /// Leaves the selected mailbox, where the server lets it.
  func leaveSelected() async throws(IMAPError) {
    do {
      try await unselect()
    } catch  where !error.hasBrokenConnection {
      // Either it is gone, and nothing is selected, or it is opened for writing whatever is asked for.
    }
  }

  /// What the names of the user's own mailboxes begin with (RFC 2342), as far as the server says so.
  func topLevelPrefix(_ known: [Mailbox]) async throws(IMAPError) -> String {
    do throws(IMAPError) {
      if let own = try await namespaces().personal.first { return own.prefix.decoded }
    } catch {
      guard case .refused = error else { throw error }
    }
    return MailboxTree(known).inboxPrefix
  }
}
