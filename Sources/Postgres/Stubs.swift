package import Net

// Signatures that the Store is written against; the bodies follow.

/// One connection.
package final class PostgresConnection: Sendable {
  package func query(_ sql: SQL, deadline: Deadline? = nil) async throws(PostgresError)
    -> PostgresRows
  {
    throw .unavailable(reason: "stub")
  }
  package func pipeline(_ statements: [SQL], deadline: Deadline? = nil) async throws(PostgresError)
    -> [PostgresRows]
  {
    throw .unavailable(reason: "stub")
  }
  package func execute(script: String, deadline: Deadline? = nil) async throws(PostgresError) {
    throw .unavailable(reason: "stub")
  }
  // `fill` is called again while it returns true; what it wrote is sent in between.
  package func copyIn(
    _ sql: String,
    deadline: Deadline? = nil,
    _ fill: (inout CopyWriter) async throws(PostgresError) -> Bool
  ) async throws(PostgresError) -> Int {
    throw .unavailable(reason: "stub")
  }
  package func copyIn(_ sql: String, rows: CopyWriter, deadline: Deadline? = nil)
    async throws(PostgresError) -> Int
  {
    throw .unavailable(reason: "stub")
  }
  package func transaction<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
    throw PostgresError.unavailable(reason: "stub")
  }
}

package final class PostgresPool: Sendable {
  package func withConnection<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
    throw PostgresError.unavailable(reason: "stub")
  }
  package func query(_ sql: SQL, deadline: Deadline? = nil) async throws(PostgresError)
    -> PostgresRows
  {
    throw .unavailable(reason: "stub")
  }
  package func pipeline(_ statements: [SQL], deadline: Deadline? = nil) async throws(PostgresError)
    -> [PostgresRows]
  {
    throw .unavailable(reason: "stub")
  }
  package func transaction<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
    throw PostgresError.unavailable(reason: "stub")
  }
  package func close() async {}
}

package struct Migrator: Sendable {
  package init() {}
  package func run(_ migrations: [Migration], on pool: PostgresPool) async throws -> [Int] { [] }
}
