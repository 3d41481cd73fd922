import Synchronization

/// Passes on that a transaction which appended to a feed was committed here.
///
/// Whoever is told is told after the commit and outside of the transaction, so that what it reads then is there.
package final class CommitListener: Sendable {
  private let listener = Mutex<(@Sendable () -> Void)?>(nil)

  init() {}

  /// Has `body` called after each such commit, on the committing task's thread; nil ends that.
  package func listen(_ body: (@Sendable () -> Void)?) {
    listener.withLock { $0 = body }
  }

  func tell() {
    let body = listener.withLock { $0 }
    body?()
  }
}
