import Model
import Net

/// When jobs that cannot go on are tried again: after waits that grow, in which new mail of their accounts has its turn.
///
/// A job that came further since it was tried before waits as if for the first time.
struct RuleJobWaits {
  private struct Wait {
    var done: Int64
    var failures: Int
    var until: Deadline
  }

  private let first: Duration
  private let longest: Duration
  private var waits: [ID<Job>: Wait] = [:]

  init(first: Duration, longest: Duration) {
    self.first = first
    self.longest = longest
  }

  /// Has a job, of which so much was `done` when it was tried, wait from `now` on.
  mutating func putOff(_ job: ID<Job>, done: Int64, at now: Deadline) {
    // A job that was cancelled, or whose account is gone, never comes to its turn again.
    waits = waits.filter { $0.key == job || $0.value.until + longest > now }
    var failures = 0
    if let before = waits[job], before.done == done { failures = before.failures + 1 }
    let delay = Backoff.delay(after: failures, first: first, longest: longest)
    waits[job] = Wait(done: done, failures: failures, until: now + delay)
  }

  /// Forgets a job that has ended.
  mutating func forget(_ job: ID<Job>) { waits[job] = nil }

  /// The jobs whose turn has not come yet.
  func waiting(at now: Deadline) -> [ID<Job>] {
    waits.filter { $0.value.until > now }.map(\.key)
  }

  /// When the next of them comes to its turn.
  func next(after now: Deadline) -> Deadline? {
    waits.values.lazy.map(\.until).filter { $0 > now }.min()
  }
}
