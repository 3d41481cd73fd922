/// How the service reaches its database, and for how long it waits for it.
package struct PostgresConfiguration: Sendable {
  /// A connection string or URI as libpq takes it, several hosts and `target_session_attrs` included.
  ///
  /// A password in it never reaches an error or a log.
  package var connectionInfo: String
  /// How many connections an event loop keeps.
  package var connectionsPerLoop = 4
  /// How long making one connection may take.
  package var connectTimeout: Duration = .seconds(5)
  /// How long a call may take that names no deadline.
  package var statementTimeout: Duration = .seconds(30)
  /// How long a caller waits for a free connection.
  package var waitTimeout: Duration = .seconds(5)
  /// How many callers may wait on one loop; the next gets `poolExhausted` at once.
  package var waitLimit = 1000
  /// How many prepared statements a connection keeps; the one unused for longest makes room.
  package var statementCacheSize = 256
  /// How long to leave an unreachable server alone after the first failure; doubled by each further one.
  package var initialBackoff: Duration = .milliseconds(50)
  /// The longest such pause.
  package var maximumBackoff: Duration = .seconds(2)

  /// The defaults, for the server at `connectionInfo`.
  package init(connectionInfo: String) { self.connectionInfo = connectionInfo }
}
