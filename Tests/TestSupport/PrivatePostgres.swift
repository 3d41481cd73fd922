import Foundation
package import Net
package import Postgres
import Synchronization

/// A PostgreSQL of the test process's own, with a fresh database for each test that asks.
///
/// The server keeps nothing safe on disk, so that tests are fast, and ends with the process, also if
/// that is killed.
package final class PrivatePostgres: Sendable {
  /// The server that the tests of a process share, started by the first who asks for a database.
  package static let shared = PrivatePostgres()

  /// The loops of `pool`, and the threads that start the server.
  package let group: EventLoopGroup
  private let cluster: Mutex<Task<EmbeddedCluster, any Error>?>
  private let lastNumber = Atomic<Int>(0)

  /// A server that is not started yet.
  package init() {
    do {
      group = try EventLoopGroup(loopCount: 2)
    } catch {
      preconditionFailure("no event loop: \(error)")
    }
    cluster = Mutex(nil)
  }

  /// The server's cluster, running.
  package func running() async throws -> EmbeddedCluster {
    let task = cluster.withLock { cluster in
      if let cluster { return cluster }
      let group = group
      let task = Task {
        let directory = try TemporaryDirectory("postgres")
        let cluster = EmbeddedCluster(
          dataDirectory: directory.file("data"),
          settings: Self.settings,
          group: group
        )
        try PrivatePostgres.watch(directory, cluster)
        _ = try await cluster.start(deadline: ContinuousClock.now + .seconds(90))
        return cluster
      }
      cluster = task
      return task
    }
    return try await task.value
  }

  /// Settings for a server whose data nobody wants back.
  package static var settings: EmbeddedClusterSettings {
    var settings = EmbeddedClusterSettings()
    settings.isDurable = false
    settings.maximumConnections = 300
    return settings
  }

  /// The connection string of a new, empty database.
  package func database() async throws -> String {
    let server = try await running()
    let info = try await server.start()  // It may have been stopped, or killed, by a test.
    let number = lastNumber.wrappingAdd(1, ordering: .relaxed).newValue
    let name = "test\(number)"
    let pool = pool(info, connectionsPerLoop: 1)
    do {
      _ = try await pool.query(SQL(unsafeSQL: "create database \(name)"))
    } catch {
      await pool.close()
      throw error
    }
    await pool.close()
    return "\(info) dbname=\(name)"
  }

  /// How tests reach the server: whatever else the machine does, a wait in line is no failure.
  package static func configuration(_ connectionInfo: String) -> PostgresConfiguration {
    var configuration = PostgresConfiguration(connectionInfo: connectionInfo)
    configuration.connectTimeout = .seconds(60)
    configuration.waitTimeout = .seconds(120)
    configuration.statementTimeout = .seconds(120)
    return configuration
  }

  /// A pool over the server's own loops; the caller closes it.
  package func pool(_ connectionInfo: String, connectionsPerLoop: Int = 4) -> PostgresPool {
    var configuration = Self.configuration(connectionInfo)
    configuration.connectionsPerLoop = connectionsPerLoop
    return PostgresPool(configuration: configuration, group: group)
  }

  /// Runs `body` with a pool on a new database, which is closed afterwards.
  package func withDatabase<R>(
    connectionsPerLoop: Int = 4,
    _ body: (PostgresPool) async throws -> R
  ) async throws -> R {
    let pool = pool(try await database(), connectionsPerLoop: connectionsPerLoop)
    do {
      let value = try await body(pool)
      await pool.close()
      return value
    } catch {
      await pool.close()
      throw error
    }
  }

  /// Starts a shell that waits for our end, however it comes, and then ends the server.
  ///
  /// It waits for the end of a FIFO whose only writer is this process.
  package static func watch(_ directory: TemporaryDirectory, _ cluster: EmbeddedCluster) throws {
    // At an orderly end the server goes before its directory, which was registered earlier.
    ExitCleanup.add { [weak cluster] in
      guard let pid = cluster?.processID, kill(pid, SIGQUIT) == 0 else { return }
      for _ in 0..<300 where waitpid(pid, nil, WNOHANG) == 0 { usleep(10_000) }
    }
    try watch(directory, clusterAt: "data/cluster")
  }

  /// Does so for the cluster that another program keeps at `path` in the directory.
  package static func watch(_ directory: TemporaryDirectory, clusterAt path: String) throws {
    let fifo = directory.file("alive")
    guard unsafe mkfifo(fifo, 0o600) == 0, unsafe open(fifo, O_RDWR | O_CLOEXEC) >= 0 else {
      throw TestSupportError.failed("mkfifo \(fifo)")
    }
    let script = """
      cat >/dev/null
      pid=$(head -n 1 "$1/$2/postmaster.pid" 2>/dev/null)
      [ -n "$pid" ] && kill -QUIT "$pid"
      while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
      rm -rf "$1"
      """
    _ = try Spawn.shared.start(
      ["sh", "-c", script, "sh", directory.path, path],
      input: fifo,
      output: "/dev/null"
    )
  }
}
