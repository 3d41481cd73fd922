import MailProtocols
import Synchronization

/// The mailboxes in which something happened, as the server told on the connection that watches, or as intents of ours did it.
final class ToldMailboxes: Sendable {
  private let names = Mutex<Set<MailboxName>>([])

  /// Something happened in the mailbox of this name.
  func insert(_ name: MailboxName) { names.withLock { _ = $0.insert(name) } }

  /// Those that gathered.
  func take() -> Set<MailboxName> {
    names.withLock { names in
      defer { names = [] }
      return names
    }
  }
}
