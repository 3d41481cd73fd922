import Model
import Net
import Synchronization

/// What servers found a moment ago, for those who go through the pages of it.
///
/// Bounded by number and by size: what does not fit is asked again.
final class RecentSearches: Sendable {
  /// What was asked, and where.
  struct Key: Hashable {
    var account: ID<Account>
    var mailbox: ID<Mailbox>?
    var role: String?
    var terms: [SearchTerm]
  }

  /// Bounds on what is kept.
  struct Limits {
    var searches = 64
    /// Messages of all of them: 8 MB.
    var messages = 1_000_000
    var age: Duration = .seconds(300)
  }

  private struct Entry {
    var findings: SearchFindings
    var since: Deadline
    var size: Int
  }

  private let entries = Mutex<[Key: Entry]>([:])
  private let limits = Limits()

  subscript(key: Key) -> SearchFindings? {
    get {
      entries.withLock { entries in
        guard let entry = entries[key], entry.since + limits.age > .now else { return nil }
        return entry.findings
      }
    }
    set {
      entries.withLock { entries in
        entries[key] = newValue.map { findings in
          let size = findings.messages.values.reduce(0) { $0 + $1.count }
          return Entry(findings: findings, since: .now, size: size)
        }
        while entries.count > limits.searches
          || entries.values.reduce(0, { $0 + $1.size }) > limits.messages,
          let oldest = entries.min(by: { $0.value.since < $1.value.since })
        {
          entries[oldest.key] = nil
        }
      }
    }
  }
}
