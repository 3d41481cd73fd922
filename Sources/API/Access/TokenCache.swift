import Bytes
import Model
import Store
import Synchronization

/// The tokens seen a moment ago, so that a busy caller costs no statement a request.
///
/// One small table under a lock that is held for nanoseconds serves all loops, so that a revocation here
/// holds at once on all of them; on another node it holds when the entry's lifetime ends.
final class TokenCache: Sendable {
  private struct Entry {
    var access: Access
    /// When the entry, or the token if that is sooner, ends.
    var deadline: ContinuousClock.Instant
  }

  private let entries = Mutex<[[UInt8]: Entry]>([:])
  private let lifetime: Duration
  private let capacity: Int

  /// A cache that believes an entry for `lifetime` and holds `capacity` of them at most.
  init(lifetime: Duration = .seconds(5), capacity: Int = 10_000) {
    self.lifetime = lifetime
    self.capacity = capacity
  }

  /// What the token with `digest` allows, if that was found out less than a lifetime before `now`.
  func access(for digest: [UInt8], now: ContinuousClock.Instant) -> Access? {
    entries.withLock { entries in
      guard let entry = entries[digest], entry.deadline > now else { return nil }
      return entry.access
    }
  }

  /// Remembers what the token with `digest` allows, for the lifetime or until it ends.
  func insert(
    _ access: Access,
    for digest: [UInt8],
    endsIn remaining: Duration?,
    now: ContinuousClock.Instant
  ) {
    let deadline = now.advanced(by: min(lifetime, remaining ?? lifetime))
    entries.withLock { entries in
      if entries.count >= capacity { entries = entries.filter { $0.value.deadline > now } }
      if entries.count >= capacity { entries.removeAll() }
      entries[digest] = Entry(access: access, deadline: deadline)
    }
  }

  /// Forgets the token `id`, which was revoked.
  func remove(_ id: ID<Token>) {
    entries.withLock { entries in
      entries = entries.filter { $0.value.access.tokenID != id }
    }
  }
}
