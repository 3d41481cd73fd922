package import Net

/// The connections that one account has, and how many its server lets it have.
package struct AccountConnections {
  private var open: [ConnectionUse: Int] = [:]
  private var established = 0
  private var most: LoweredLimit
  /// What the server said when it refused one more.
  package private(set) var refusal: String?

  /// An account without a connection.
  package init(_ limits: ConnectionLimits) { most = LoweredLimit(limits.perAccount) }

  /// How many there may be at present.
  package var limit: Int { most.value }

  /// Whether the server allowed fewer than we would have.
  package var isLowered: Bool { most.isLowered }

  /// Whether nothing of the account is worth remembering.
  package func isForgettable(_ limits: ConnectionLimits, at now: Deadline) -> Bool {
    open.isEmpty && most.isForgettable(limits, at: now)
  }

  /// Counts one more, where there may be one more for this use.
  ///
  /// Of few connections the one for commands is the first and the one that watches the second: a place is
  /// kept for each. What is left is for bodies.
  package mutating func begin(_ use: ConnectionUse, _ limits: ConnectionLimits, now: Deadline)
    -> Bool
  {
    most.recover(limits.perAccount, limits, now: now)
    let kept: [ConnectionUse] =
      switch use {
      case .commands: []
      case .watching: [.commands]
      case .bodies, .sending: [.commands, .watching]
      }
    let total = open.values.reduce(0, +) + kept.count { open[$0] == nil }
    guard total < max(most.value, 1) else { return false }
    open[use, default: 0] += 1
    return true
  }

  /// A login succeeded.
  package mutating func establish() {
    established += 1
    most.admit(established: established)
  }

  /// The server refused one more connection to this account.
  package mutating func refuse(
    _ response: String?,
    _ limits: ConnectionLimits,
    now: Deadline,
    spread: Double
  ) {
    refusal = response
    most.refuse(established: established, limits, now: now, spread: spread)
  }

  /// A connection ended, or was never made.
  package mutating func end(_ use: ConnectionUse, wasEstablished: Bool) {
    if wasEstablished { established -= 1 }
    guard let count = open[use] else { return }
    open[use] = count > 1 ? count - 1 : nil
  }
}
