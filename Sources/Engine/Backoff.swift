/// A wait that doubles with each failure, up to a bound.
struct Backoff: Sendable {
  let first: Duration
  let longest: Duration
  private(set) var failures = 0

  init(first: Duration, longest: Duration) {
    self.first = first
    self.longest = longest
  }

  /// The wait after one more failure, spread by up to a fifth so that accounts do not march in step.
  mutating func next(spread: Double) -> Duration {
    defer { failures += 1 }
    return Self.delay(after: failures, first: first, longest: longest) * (1 + 0.2 * spread)
  }

  /// A success: the next wait is the first one again.
  mutating func reset() { failures = 0 }

  /// The wait after `failures` failures before this one.
  static func delay(after failures: Int, first: Duration, longest: Duration) -> Duration {
    guard failures < 30 else { return longest }
    return min(first * (1 << failures), longest)
  }
}
