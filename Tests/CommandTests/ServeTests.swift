import Bytes
import Foundation
import TestSupport
import Testing

/// How the service starts and ends, each time as a process.
@Suite("restante serve", .timeLimit(.minutes(6))) struct ServeTests {
  @Test func `the first start makes a token, and SIGTERM ends it and its PostgreSQL with 0`()
    async throws
  {
    let service = try Service()
    try await service.whileRunning {
      #expect(try Self.mode(service.data + "/admin.token") == 0o600)
      #expect(try Self.mode(service.data + "/secret.key") == 0o600)
      #expect(try service.output().contains("token is in \(service.data)/admin.token."))
      #expect(try service.output().contains("answers at 127.0.0.1:\(service.port)."))
      #expect(try await service.get("/v1/accounts")["items"] == .array([]))
      #expect(service.clusterPID() != nil)

      service.process.send(signal: SIGTERM)
      let status = try await eventuallyFind(within: .seconds(10), "the end of the service") {
        service.process.exitStatus
      }
      #expect(status == 0)
      #expect(service.clusterPID() == nil)
    }
  }

  @Test func `after kill -9 the next start takes over what is there, and the token still works`()
    async throws
  {
    let service = try Service()
    try await service.whileRunning {
      let token = try service.token()
      let before = try await service.get("/v1/tokens")
      service.process.send(signal: SIGKILL)
      let status = try await eventuallyFind("the end") { service.process.exitStatus }
      #expect(status == 128 + SIGKILL)
      #expect(service.clusterPID() != nil, "PostgreSQL outlives the service")

      try await service.start()
      #expect(try service.token() == token)
      let after = try await service.get("/v1/tokens")
      let ids = [before, after].map { $0["items"]?.arrayValue?.compactMap { $0["id"] } }
      #expect(ids[0] == ids[1])
    }
    #expect(service.clusterPID() == nil, "who took PostgreSQL over also stops it")
  }

  @Test func `a command beside a service leaves it its PostgreSQL`() async throws {
    let service = try Service()
    try await service.whileRunning {
      let pid = service.clusterPID()
      let made = try await Program.run(["token", "create", "--data", service.data])
      #expect(made.status == 0)
      let token = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(try await service.get("/v1/accounts", token: token)["items"] == .array([]))
      #expect(service.clusterPID() == pid)
    }
  }

  @Test func `a second service on the same port says so and fails`() async throws {
    let first = try Service(database: try await PrivatePostgres.shared.database())
    try await first.whileRunning {
      let directory = try TemporaryDirectory("second")
      let database = try await PrivatePostgres.shared.database()
      let second = try await Program.run(
        ["serve", "--data", directory.file("data"), "--listen", "127.0.0.1:\(first.port)"],
        environment: ["DATABASE_URL": database]
      )
      #expect(second.status != 0)
      #expect(second.output.contains("127.0.0.1:\(first.port): Address already in use"))
      #expect(try await first.get("/v1/accounts")["items"] == .array([]))
    }
  }

  @Test func `a second service on the same data directory says so and fails`() async throws {
    let first = try Service(database: try await PrivatePostgres.shared.database())
    try await first.whileRunning {
      let second = try await Program.run([
        "serve", "--data", first.data, "--listen", "127.0.0.1:\(try FreePort.next())",
      ])
      #expect(second.status != 0)
      #expect(second.output.contains("Another restante serves from \(first.data)."))
    }
  }

  @Test func `a second service on the same database says so and fails`() async throws {
    let database = try await PrivatePostgres.shared.database()
    let first = try Service(database: database)
    try await first.whileRunning {
      let directory = try TemporaryDirectory("second")
      let second = try await Program.run(
        [
          "serve", "--data", directory.file("data"), "--listen",
          "127.0.0.1:\(try FreePort.next())",
        ],
        environment: ["DATABASE_URL": database]
      )
      #expect(second.status != 0)
      #expect(second.output.contains("Another restante serves from this database."))
      #expect(try await first.get("/v1/accounts")["items"] == .array([]))
    }
  }

  private static func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }
}
