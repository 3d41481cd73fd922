import MailProtocols
import Synchronization

/// The lists of capabilities that servers told, each once: a thousand accounts of one server share one.
final class SharedCapabilities: Sendable {
  /// So many different lists are more than all servers have; then it begins anew.
  private static let limit = 200

  private let lists = Mutex<Set<IMAPCapabilities>>([])

  /// The list that is equal to `list`, in memory that others have as well.
  func shared(_ list: IMAPCapabilities) -> IMAPCapabilities {
    lists.withLock { lists in
      if lists.count >= Self.limit { lists = [] }
      return lists.insert(list).memberAfterInsert
    }
  }
}
