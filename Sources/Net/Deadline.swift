/// The instant after which a wait is given up.
package typealias Deadline = ContinuousClock.Instant

extension ContinuousClock.Instant {
  /// The instant that lies `duration` after now.
  package static func after(_ duration: Duration) -> Deadline {
    ContinuousClock.now + duration
  }
}

extension Duration {
  /// The duration as epoll takes it: whole milliseconds, never early, never negative.
  var millisecondsRoundedUp: Int32 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    guard seconds < 1_000_000 else { return 1_000_000_000 }
    let fraction = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    return Int32(seconds * 1000 + fraction)
  }
}
