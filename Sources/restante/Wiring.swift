import API
import ArgumentParser
import Bytes
import Crypto
import Engine
import Foundation
import HTTPTransport
import Logging
import Model
import Net
import Postgres
import Store

/// Builds the service from its settings: the only place that knows all its parts.
struct Wiring {
  let settings: Settings
  let logger: Logger
  let group: EventLoopGroup
  /// The PostgreSQL of our own, where no other was named.
  let cluster: EmbeddedCluster?
  let pool: PostgresPool
  let store: Store
  let key: SecretKey
  /// Shared by all processes that use the cluster, so that the last of them stops it.
  private let users: FileLock

  /// Connects to the database, or makes and starts one; its schema stays as it is.
  init(_ settings: Settings, logger: Logger) async throws {
    self.settings = settings
    self.logger = logger
    try Self.makeDirectory(settings.dataDirectory)
    users = try FileLock.shared(settings.dataDirectory + "/users.lock")
    key = try KeyFile.load(settings.keyFile ?? settings.dataDirectory + "/secret.key")
    group = try EventLoopGroup()
    let connection: String
    if let url = settings.databaseURL {
      cluster = nil
      connection = url
    } else {
      let own = EmbeddedCluster(
        dataDirectory: settings.dataDirectory + "/postgres",
        group: group
      )
      cluster = own
      connection = try await own.start()
    }
    pool = PostgresPool(
      configuration: PostgresConfiguration(connectionInfo: connection),
      group: group
    )
    store = Store(pool: pool, sealer: Sealer(keys: [key]))
  }

  /// Applies what is missing of the schema; the numbers of the steps.
  func migrate() async throws -> [Int] {
    let pool = pool
    do {
      return try await Task(executorPreference: group.next()) {
        try await Migrator().run(Migrations.all, on: pool)
      }.value
    } catch PostgresError.unavailable(let reason) {
      throw StartError("The database cannot be reached: \(reason)")
    }
  }

  /// The engine, not started.
  func engine() throws -> Engine {
    var configuration = EngineConfiguration()
    configuration.identification.append(("version", Version.text))
    if let caFile = settings.caFile { configuration.tlsRoots = .file(caFile) }
    if let seconds = settings.pollSeconds { configuration.pollInterval = .seconds(seconds) }
    if let seconds = settings.probeSeconds { configuration.watchSilence = .seconds(seconds) }
    configuration.connections = settings.connections
    configuration.quotaBytes = settings.quotaMegabytes.map { Int64($0) * 1_000_000 }
    if let days = settings.feedRetentionDays {
      configuration.feed.retention = days == 0 ? nil : .seconds(days * 24 * 3600)
    }
    let policy = OutboundPolicy(allowed: try Settings.networks(settings.allowedNetworks))
    let connector = Connector(policy: policy, group: group)
    let backends = try BackendConnector(connector: connector, configuration: configuration)
    return Engine(
      EngineServices(
        store: store,
        backends: backends,
        group: group,
        configuration: configuration,
        now: { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) },
        logger: logger
      )
    )
  }

  /// The handler of the REST API.
  func handler(_ engine: Engine) -> APIHandler {
    APIHandler(
      store: store,
      engine: engine,
      configuration: APIConfiguration(
        cursorKey: key.derive("cursor"),
        version: Version.text
      ),
      logger: logger
    )
  }

  /// Closes what `init` opened.
  ///
  /// The cluster is left to whoever still uses it: `restante token` beside a service must not stop
  /// the service's database.
  func close() async {
    await pool.close()
    if let cluster, users.becomeExclusive() { await cluster.stop() }
    await group.shutdown()
  }

  /// Makes the data directory where it is missing.
  static func makeDirectory(_ path: String) throws {
    guard !FileManager.default.fileExists(atPath: path) else { return }
    // Others may pass through, but not look: PostgreSQL runs as another user below it.
    try FileManager.default.createDirectory(
      atPath: path,
      withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o711]
    )
  }
}
