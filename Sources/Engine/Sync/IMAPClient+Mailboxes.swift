import MailProtocols
import MailTransport
import Model

extension IMAPClient {
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
