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

  /// Connects to the database, or makes and starts one, and brings its schema up to date.
  init(_ settings: Settings, logger: Logger) async throws {
    self.settings = settings
    self.logger = logger
    try Self.makeDirectory(settings.dataDirectory)
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
    return try await Task(executorPreference: group.next()) {
      try await Migrator().run(Migrations.all, on: pool)
    }.value
  }

  /// The engine, not started.
  func engine() throws -> Engine {
    var configuration = EngineConfiguration()
    if let caFile = settings.caFile { configuration.tlsRoots = .file(caFile) }
    if let seconds = settings.pollSeconds { configuration.pollInterval = .seconds(seconds) }
    var networks: [CIDR] = []
    for text in settings.allowedNetworks {
      guard let network = CIDR(text) else {
        throw ValidationError("\(text) is no network; write it as 192.0.2.0/24.")
      }
      networks.append(network)
    }
    let connector = Connector(policy: OutboundPolicy(allowed: networks), group: group)
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
  func close() async {
    await pool.close()
    await cluster?.stop()
    await group.shutdown()
  }

  private static func makeDirectory(_ path: String) throws {
    guard !FileManager.default.fileExists(atPath: path) else { return }
    // Others may pass through, but not look: PostgreSQL runs as another user below it.
    try FileManager.default.createDirectory(
      atPath: path,
      withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o711]
    )
  }
}
