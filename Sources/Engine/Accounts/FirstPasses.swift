package import Model
package import Net
import Synchronization

/// The first passes of accounts since they connected, which come all at once when the service starts.
///
/// A bounded number runs at a time, so that callers and the database are not behind a thousand of them;
/// and once a crowd of them is over, the memory that it needed goes back to the kernel. Each server has a
/// bound of its own, well below that of all, so that one that is slow holds up its own accounts only.
package final class FirstPasses: Sendable {
  private struct State {
    var underWay = 0
    var sinceQuiet = 0
    /// The servers that accounts are at, or wait for.
    var servers: [ConnectionGate.Server: Server] = [:]
  }

  private struct Server {
    var turns: TaskLock
    var users = 0
  }

  private let turns: TaskLock
  private let width: Int
  private let state = Mutex(State())
  private let group: EventLoopGroup
  /// So many passes are a crowd.
  private static let crowd = 50
  private static let quiet = Duration.seconds(5)

  /// Bounds of `width` passes at one server and `total` at all of them.
  package init(atOneServer width: Int, atOnce total: Int, _ group: EventLoopGroup) {
    turns = TaskLock(width: total)
    self.width = width
    self.group = group
  }

  /// Runs `body` when it is its turn; `isShort` where nothing of it may take long enough to hold up others.
  ///
  /// An account's very first sync waits for nobody, and nobody for it.
  package func run<R>(
    at settings: BackendSettings,
    isShort: Bool,
    _ body: () async throws -> R
  ) async throws -> R {
    state.withLock { state in
      state.underWay += 1
      state.sinceQuiet += 1
    }
    defer { end() }
    guard isShort else { return try await body() }
    let server = ConnectionGate.Server(settings)
    let own = join(server)
    defer { leave(server) }
    return try await own.withLock { try await turns.withLock(body) }
  }

  private func join(_ server: ConnectionGate.Server) -> TaskLock {
    state.withLock { state in
      var entry = state.servers[server] ?? Server(turns: TaskLock(width: width))
      entry.users += 1
      state.servers[server] = entry
      return entry.turns
    }
  }

  private func leave(_ server: ConnectionGate.Server) {
    state.withLock { state in
      guard var entry = state.servers[server] else { return }
      entry.users -= 1
      state.servers[server] = entry.users > 0 ? entry : nil
    }
  }

  private func end() {
    let isOver = state.withLock { state in
      state.underWay -= 1
      guard state.underWay == 0 else { return false }
      defer { state.sinceQuiet = 0 }
      return state.sinceQuiet >= Self.crowd
    }
    // Some time after, since the connections that watch follow.
    if isOver { Heap.releaseFreeMemory(after: Self.quiet, on: group.next()) }
  }
}
