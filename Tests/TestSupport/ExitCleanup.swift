import Foundation
import Synchronization

/// What must be undone when the test process ends, last things first.
enum ExitCleanup {
  private static let actions = Mutex<[@Sendable () -> Void]>([])
  private static let isRegistered: Bool = atexit { ExitCleanup.run() } == 0

  /// Runs `action` when the process ends.
  static func add(_ action: @escaping @Sendable () -> Void) {
    _ = isRegistered
    actions.withLock { $0.append(action) }
  }

  private static func run() {
    let pending = actions.withLock { actions in
      defer { actions = [] }
      return actions
    }
    for action in pending.reversed() { action() }
  }
}
