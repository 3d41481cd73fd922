import Net
import Synchronization

/// The first passes of accounts since they connected, which come all at once when the service starts.
///
/// A bounded number runs at a time, so that callers and the database are not behind a thousand of them;
/// and once a crowd of them is over, the memory that it needed goes back to the kernel.
final class FirstPasses: Sendable {
  private struct Counts {
    var underWay = 0
    var sinceQuiet = 0
  }

  private let turns: TaskLock
  private let counts = Mutex(Counts())
  private let group: EventLoopGroup
  /// So many passes are a crowd.
  private static let crowd = 50
  private static let quiet = Duration.seconds(5)

  init(atOnce width: Int, _ group: EventLoopGroup) {
    turns = TaskLock(width: width)
    self.group = group
  }

  /// Runs `body` when it is its turn; `isShort` where nothing of it may take long enough to hold up others.
  ///
  /// An account's very first sync waits for nobody, and nobody for it.
  func run<R>(isShort: Bool, _ body: () async throws -> R) async throws -> R {
    counts.withLock { counts in
      counts.underWay += 1
      counts.sinceQuiet += 1
    }
    defer { end() }
    guard isShort else { return try await body() }
    return try await turns.withLock(body)
  }

  private func end() {
    let isOver = counts.withLock { counts in
      counts.underWay -= 1
      guard counts.underWay == 0 else { return false }
      defer { counts.sinceQuiet = 0 }
      return counts.sinceQuiet >= Self.crowd
    }
    // Some time after, since the connections that watch follow.
    if isOver { Heap.releaseFreeMemory(after: Self.quiet, on: group.next()) }
  }
}
