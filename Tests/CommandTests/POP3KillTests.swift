import Bytes
import Foundation
import TestSupport
import Testing

/// The program itself, killed while it takes mail from a server and deletes it there.
@Suite("restante serve, POP3", .timeLimit(.minutes(60))) struct POP3KillTests {
  /// How often the service is killed; `make soak` asks for more.
  private static var killCount: Int {
    ProcessInfo.processInfo.environment["RESTANTE_POP3_KILLS"].flatMap(Int.init) ?? 5
  }

  /// How many messages come before each kill.
  private static let letters = 60

  @Test func `kill -9 at any instant loses no message and keeps none twice`() async throws {
    let server = try SmallPOP3Server(quirks: [.pipelining])
    defer { server.stop() }
    let service = try Service(arguments: ["--allow-network", "127.0.0.0/8"])
    try await service.whileRunning {
      var expected: Set<String> = []
      var account: String?
      for round in 0..<Self.killCount {
        for index in 0..<Self.letters {
          let name = "r\(round)-\(index)@test.invalid"
          expected.insert(name)
          server.add(Array("Message-ID: <\(name)>\r\nSubject: x\r\n\r\n\(name)\r\n".utf8))
        }
        let before = server.commands.count
        if let account {
          _ = try await call(service, "POST", "/v1/accounts/\(account):sync")
        } else {
          account = try await addAccount(server, service)
        }
        // Login, list, RETR and DELE of each, QUIT: the kill comes at any of them, or after the last.
        let goal = Int.random(in: 0...(2 * Self.letters + 12))
        try await eventually("the session") {
          server.commands.count - before >= goal || server.messages.isEmpty
        }
        service.process.send(signal: SIGKILL)
        _ = try await eventuallyFind("the end") { service.process.exitStatus }
        try await service.start()
      }
      try await eventually("the server is empty") { server.messages.isEmpty }
      let kept = try await messageIDs(of: try #require(account), service)
      #expect(Set(kept) == expected, "\(expected.subtracting(kept).count) are lost")
      #expect(kept.count == expected.count)
    }
  }

  /// Adds an account that deletes from the server what it has.
  private func addAccount(_ server: SmallPOP3Server, _ service: Service) async throws -> String {
    let made = try await call(
      service,
      "POST",
      "/v1/accounts",
      """
      { "email": "alice@test.invalid", "mode": "offline", "incoming": {
        "protocol": "pop3", "host": "127.0.0.1", "port": \(server.port), "tls": "none",
        "auth": { "username": "\(server.user)", "password": "\(server.password)" } } }
      """
    )
    return try #require(made["id"]?.stringValue)
  }

  private func call(
    _ service: Service,
    _ method: String,
    _ path: String,
    _ body: String? = nil
  ) async throws -> JSONValue {
    let text = try await Command.run(
      ["curl", "-fsS", "-X", method, "-H", "Authorization: Bearer \(try service.token())"]
        + (body.map { ["--json", $0] } ?? []) + ["\(service.address)\(path)"]
    )
    return text.isEmpty ? .null : try JSONReader.parse([UInt8](text.utf8).span)
  }

  /// The Message-ID of every message in the inbox.
  private func messageIDs(of account: String, _ service: Service) async throws -> [String] {
    var all: [String] = []
    let first = "/v1/accounts/\(account)/messages?mailbox=inbox&limit=500&fields=messageId"
    var path = first
    while true {
      let page = try await service.get(path)
      for item in page["items"]?.arrayValue ?? [] {
        all += item["messageId"]?.arrayValue?.compactMap(\.stringValue) ?? []
      }
      guard let next = page["next"]?.stringValue else { return all }
      path = "\(first)&cursor=\(next)"
    }
  }
}
