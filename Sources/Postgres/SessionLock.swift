import Net

/// A lock between processes that a session of its own holds on the database (`pg_advisory_lock`).
///
/// It ends with the session, so a process that crashed keeps nobody away.
package struct SessionLock: Sendable {
  private let key: (Int32, Int32)
  private let pool: PostgresPool
  private let connection: PostgresConnection

  /// How long the session of a process that has just ended is waited for.
  private static let patience: Duration = .seconds(5)
  private static let pause: Duration = .milliseconds(100)

  /// Takes the lock, on the current loop; nil where another session has it.
  ///
  /// The locks of two numbers are others than those of one.
  package static func take(
    _ key: (Int32, Int32),
    on pool: PostgresPool
  ) async throws -> SessionLock? {
    let limit = Deadline.now + patience
    let connection = try await pool.connect()
    do {
      while true {
        let answer = try await connection.query("select pg_try_advisory_lock(\(key.0), \(key.1))")
        if try answer.bool(0, 0) {
          return SessionLock(key: key, pool: pool, connection: connection)
        }
        guard Deadline.now < limit else {
          connection.close()
          return nil
        }
        try await connection.loop.sleep(until: .now + pause)
      }
    } catch {
      connection.close()
      throw error
    }
  }

  /// Keeps the lock until the task is cancelled, taking it anew when the database was away.
  ///
  /// Returns early only where another session took it meanwhile. It ends the lock in any case.
  package func keep() async {
    var lock = self
    while true {
      await lock.connection.waitUntilBroken()
      guard let next = await lock.takenAnew() else { return }
      lock = next
    }
  }

  /// The lock on a new session; nil where another has it, or for a cancelled task.
  private func takenAnew() async -> SessionLock? {
    while !Task.isCancelled {
      do {
        return try await Self.take(key, on: pool)
      } catch {
        // The database is away, and so is what another process could do under the lock.
        do {
          try await connection.loop.sleep(until: .now + Self.pause)
        } catch {
          break  // Cancelled.
        }
      }
    }
    return nil
  }
}
