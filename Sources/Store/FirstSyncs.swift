import Synchronization

/// Counts the first syncs, and the imports, under way in this process, so that what can wait leaves them the machine.
package final class FirstSyncs: Sendable {
  private let count = Atomic(0)

  package init() {}

  /// Whether any is under way.
  package var areRunning: Bool { count.load(ordering: .relaxed) > 0 }

  /// Counts one for as long as `body` runs.
  package func during<R, E: Error>(_ body: () async throws(E) -> R) async throws(E) -> R {
    _ = count.wrappingAdd(1, ordering: .relaxed)
    defer { _ = count.wrappingSubtract(1, ordering: .relaxed) }
    return try await body()
  }
}
