import API
import Bytes
import Crypto
package import Engine
import Foundation
import HTTPTransport
import Logging
import Model
package import Net
package import Postgres
package import Store
import Synchronization

/// The whole service in the test process, on a fresh database of `PrivatePostgres.shared`.
///
/// It can be stopped and started again on the same database, as a restart of the program would.
package final class TestService: Sendable {
  /// What a test may want to be different.
  package struct Options: Sendable {
    /// The engine's bounds and waits: no poll, and short waits between tries.
    package var engine: EngineConfiguration
    /// The networks that back ends may be in.
    package var allowedNetworks = ["127.0.0.0/8"]
    /// The authority that signed the back ends' certificates; the tests' own where nil.
    package var caFile: String?
    /// Whether the REST API is served.
    package var servesHTTP = false

    /// The usual service.
    package init() {
      engine = EngineConfiguration()
      engine.pollInterval = nil
      engine.connectTimeout = .seconds(10)
      engine.firstBackoff = .milliseconds(50)
      engine.longestBackoff = .milliseconds(200)
      engine.firstSendBackoff = .milliseconds(50)
      engine.longestSendBackoff = .milliseconds(200)
      engine.firstScriptBackoff = .milliseconds(50)
    }
  }

  /// What runs between `start` and `stop`.
  private struct Running {
    var pool: PostgresPool
    var engine: Engine
    var server: HTTPServer?
    var serving: Task<Void, any Error>?
  }

  /// The loops of everything.
  package let group: EventLoopGroup
  /// The store, which works also while the engine is stopped.
  package var store: Store { stored }
  /// The connection string of the database.
  package let database: String
  /// The text of a token that may do everything; empty where the API is not served.
  package let adminToken: String

  /// What the connections of the engine and of the API are known by.
  private static let name = "service"

  private let options: Options
  private let key: SecretKey
  private let pool: PostgresPool
  private let stored: Store
  private let running = Mutex<Running?>(nil)

  /// A service with its schema made, but not started.
  package init(_ options: Options = Options()) async throws {
    var options = options
    if options.caFile == nil { options.caFile = try await TestCertificates.shared.caFile }
    self.options = options
    group = try EventLoopGroup(loopCount: 2)
    database = try await PrivatePostgres.shared.database()
    key = try SecretKey.generate()
    let pool = PostgresPool(
      configuration: PrivatePostgres.configuration(database),
      group: group
    )
    self.pool = pool
    let store = Store(pool: pool, sealer: Sealer(keys: [key]))
    stored = store
    adminToken = "rst_" + String(UInt64.random(in: .min ... .max), radix: 36)
    let digest = Digest.sha256([UInt8](adminToken.utf8))
    try await Task(executorPreference: group.next()) {
      _ = try await Migrator().run(Migrations.all, on: pool)
      _ = try await store.insertToken(
        name: "tests",
        digest: digest,
        scopes: ["admin"],
        accounts: nil,
        expiresAt: nil
      )
    }.value
  }

  /// Makes a service, starts it, runs `body` on one of its loops, and ends it whatever happens.
  package static func with<R: Sendable>(
    _ options: Options = Options(),
    _ body: @escaping @Sendable (TestService) async throws -> R
  ) async throws -> R {
    let service = try await TestService(options)
    let result = await Task(executorPreference: service.group.loops[0]) {
      try await service.start()
      return try await body(service)
    }.result
    await service.close()
    return try result.get()
  }

  /// The engine; there is one only between `start` and `stop`.
  package var engine: Engine {
    get throws {
      guard let engine = running.withLock({ $0?.engine }) else {
        throw TestSupportError.failed("the service is stopped")
      }
      return engine
    }
  }

  /// Where the REST API is served.
  package var address: SocketAddress {
    get throws {
      guard let address = running.withLock({ $0?.server?.localAddress }) else {
        throw TestSupportError.failed("the API is not served")
      }
      return address
    }
  }

  /// Starts the engine, and the server where the options ask for it.
  package func start() async throws {
    let pool = PostgresPool(
      configuration: PrivatePostgres.configuration("\(database) application_name=\(Self.name)"),
      group: group
    )
    let store = Store(pool: pool, sealer: Sealer(keys: [key]))
    var configuration = options.engine
    if let caFile = options.caFile { configuration.tlsRoots = .file(caFile) }
    let connector = Connector(
      policy: OutboundPolicy(allowed: options.allowedNetworks.compactMap { CIDR($0) }),
      group: group
    )
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let engine = Engine(
      EngineServices(
        store: store,
        backends: try BackendConnector(connector: connector, configuration: configuration),
        group: group,
        configuration: configuration,
        now: { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) },
        logger: logger
      )
    )
    try await Task(executorPreference: group.next()) {
      try await engine.start()
      try await engine.startAccounts()
    }.value
    var started = Running(pool: pool, engine: engine)
    if options.servesHTTP, let address = SocketAddress(ip: "127.0.0.1", port: 0) {
      let handler = APIHandler(
        store: store,
        engine: engine,
        configuration: APIConfiguration(cursorKey: key.derive("cursor"), version: "test"),
        logger: logger
      )
      let server = try await HTTPServer(listener: address, group: group, handler: handler)
      started.server = server
      started.serving = Task { try await server.run() }
    }
    running.withLock { $0 = started }
  }

  /// Stops the server and the engine; the database stays.
  package func stop() async {
    let stopping = running.withLock { running in
      defer { running = nil }
      return running
    }
    guard let stopping else { return }
    await stopping.server?.shutdown(deadline: .after(.seconds(5)))
    await stopping.engine.shutdown()
    _ = await stopping.serving?.result
    await stopping.pool.close()
  }

  /// Stops and starts again on the same database.
  package func restart() async throws {
    await stop()
    try await start()
  }

  /// Cuts all connections to the database wherever their transactions are, as killing the service would, and
  /// starts it again.
  package func kill() async throws {
    _ = try await query(
      """
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = \(Self.name)
      """
    )
    try await restart()
  }

  /// Ends everything; the service cannot be started again.
  package func close() async {
    await stop()
    await pool.close()
    await group.shutdown()
  }

  /// Runs a statement on the service's database.
  package func query(_ sql: SQL) async throws -> PostgresRows { try await pool.query(sql) }

  /// The first column of the only row, as a number.
  package func number(_ sql: SQL) async throws -> Int64 { try await pool.query(sql).int64(0, 0) }
}
