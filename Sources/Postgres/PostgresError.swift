/// Why PostgreSQL did not do what it was asked; never holds a bound value.
package enum PostgresError: Error, Equatable, Sendable {
  /// The server refused a statement; the connection is still good.
  case server(sqlState: String, message: String, constraint: String?)
  /// The connection broke; whether the statement took effect is unknown.
  case connectionLost(reason: String)
  /// No connection can be made now.
  case unavailable(reason: String)
  /// The deadline passed first; the statement was cancelled and its connection closed.
  case timedOut
  /// The calling task was cancelled; the statement too, and its connection closed.
  case cancelled
  /// A column holds something else than was asked for.
  case decoding(column: String, expected: String)
  /// Every connection stayed in use for as long as the caller may wait, or too many wait already.
  case poolExhausted

  /// Whether the same call may succeed later, unchanged.
  ///
  /// A `connectionLost` may have taken effect: repeat only what is idempotent or was in a transaction
  /// that had not reached its commit.
  package var isRetryable: Bool {
    switch self {
    case .connectionLost, .unavailable, .poolExhausted, .timedOut: true
    case .cancelled, .decoding: false
    case .server(let sqlState, _, _):
      // 08 connection, 53 resources, 57P0x shutdown; serialization failure, deadlock, lock timeout,
      // and a write to what is, since a failover, a replica.
      sqlState.hasPrefix("08") || sqlState.hasPrefix("53") || sqlState.hasPrefix("57P0")
        || ["40001", "40P01", "55P03", "25006"].contains(sqlState)
    }
  }
}
