import Net

/// A number of connections that a server's refusals lower, and that time raises again.
struct LoweredLimit: Sendable {
  /// How many there may be at present.
  private(set) var value: Int
  private var refusals = 0
  private var refusedAt: Deadline?
  /// When one more may be tried; nil where no refusal lowered it.
  private(set) var raiseAt: Deadline?

  init(_ most: Int) { value = most }

  /// Whether a refusal lowered it.
  var isLowered: Bool { raiseAt != nil }

  /// Whether what a refusal told is too old to be worth remembering: by then it would be tried again anyway.
  func isForgettable(_ limits: ConnectionLimits, at now: Deadline) -> Bool {
    raiseAt.map { $0 + limits.longestRecovery <= now } ?? true
  }

  /// The server refused one more than `established`.
  ///
  /// Of several refusals at once only the first counts: they tell the same.
  mutating func refuse(
    established: Int,
    _ limits: ConnectionLimits,
    now: Deadline,
    spread: Double
  ) {
    value = min(value, max(established, 1))
    if raiseAt != nil, let refusedAt, now - refusedAt < limits.firstRest { return }
    refusedAt = now
    refusals += 1
    raiseAt = now + recovery(limits) * (1 + 0.2 * spread)
  }

  /// So many were let in, which says more than a refusal that came just before.
  mutating func admit(established: Int) { value = max(value, established) }

  /// Raises it by a quarter, at least by one, where it has stood for long enough.
  mutating func recover(_ most: Int, _ limits: ConnectionLimits, now: Deadline) {
    guard let due = raiseAt, due <= now else { return }
    value = min(most, value + max(1, value / 4))
    if value < most {
      raiseAt = now + recovery(limits)
    } else {
      raiseAt = nil
      refusals = 0
    }
  }

  private func recovery(_ limits: ConnectionLimits) -> Duration {
    Backoff.delay(
      after: max(refusals - 1, 0),
      first: limits.firstRecovery,
      longest: limits.longestRecovery
    )
  }
}
