import Bytes
import Foundation
import TestSupport

/// A `restante serve` of a test's own, on a free port and in a folder of its own.
struct Service {
  let directory: TemporaryDirectory
  let port: UInt16
  let process: ServerProcess

  /// A service that is not started yet.
  ///
  /// Without `database` it runs a PostgreSQL of its own.
  init(
    database: String? = nil,
    arguments: [String] = [],
    environment: [String: String] = [:]
  ) throws {
    directory = try TemporaryDirectory("service")
    port = try FreePort.next()
    let command = [
      Program.restante, "serve", "--listen", "127.0.0.1:\(port)", "--data", directory.file("data"),
    ]
    process = ServerProcess(
      Program.clean(
        environment.merging(database.map { ["DATABASE_URL": $0] } ?? [:]) { _, new in new }
      ) + command + arguments,
      outputFile: directory.file("output")
    )
    if database == nil { try PrivatePostgres.watch(directory, clusterAt: Self.clusterPath) }
  }

  private static let clusterPath = "data/postgres/cluster"

  var data: String { directory.file("data") }
  var address: String { "http://127.0.0.1:\(port)" }

  /// What the service printed, all runs together.
  func output() throws -> String {
    String(decoding: try directory.read("output"), as: UTF8.self)
  }

  /// The administrator's token, as a script would read it.
  func token() throws -> String {
    String(decoding: try directory.read("data/admin.token"), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The pid of its own PostgreSQL; nil where none runs.
  func clusterPID() -> String? {
    let file = directory.file("\(Self.clusterPath)/postmaster.pid")
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
    return text.split(separator: "\n").first.map(String.init)
  }

  /// Starts the service, waits until it is ready, runs `body`, and stops the service.
  func whileRunning(_ body: () async throws -> Void) async throws {
    do {
      try await start()
      try await body()
    } catch {
      await process.stop()
      throw error
    }
    await process.stop()
  }

  /// Starts the service and waits until it is ready.
  func start() async throws {
    try await process.start(ports: [port], within: .seconds(60))
    try await eventually("readiness") {
      try await Command.status(["curl", "-fs", "\(address)/readyz"]).status == 0
    }
  }

  /// The JSON at `path`.
  func get(_ path: String, token: String? = nil) async throws -> JSONValue {
    let token = try token ?? self.token()
    let text = try await Command.run([
      "curl", "-fsS", "-H", "Authorization: Bearer \(token)", "\(address)\(path)",
    ])
    return try JSONReader.parse([UInt8](text.utf8).span)
  }
}
