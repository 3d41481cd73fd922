import Synchronization

/// Passes on that a transaction which appended to a feed was committed here.
///
/// Whoever is told is told after the commit and outside of the transaction, so that what it reads then is there.
package final class CommitListener: Sendable {
  /// Holds the closure as a member: a closure that is itself the generic argument of `Mutex` is wrapped anew, in one
  /// more layer, by every access, and the layers stay.
  private struct Listener {
    var body: (@Sendable () -> Void)?
  }

  private let listener = Mutex(Listener())

  package init() {}

  /// Has `body` called after each such commit, on the committing task's thread; nil ends that.
  package func listen(_ body: (@Sendable () -> Void)?) {
    listener.withLock { $0.body = body }
  }

  /// Says that a commit was made.
  package func tell() {
    let body = listener.withLock { $0.body }
    body?()
  }
}
