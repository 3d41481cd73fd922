import TestSupport
import Testing

/// The program itself, killed while it takes mail from a server and deletes it there.
@Suite("restante serve, POP3", .timeLimit(.minutes(60))) struct POP3KillTests {
  /// How many messages come before each kill.
  private static let letters = 60

  @Test func `kill -9 at any instant loses no message and keeps none twice`() async throws {
    let server = try SmallPOP3Server(quirks: [.pipelining])
    defer { server.stop() }
    let service = try Service(arguments: ["--allow-network", "127.0.0.0/8"])
    try await service.whileRunning {
      var expected: Set<String> = []
      var account: String?
      for round in 0..<Kills.share(tenths: 4) {
        for index in 0..<Self.letters {
          let name = "r\(round)-\(index)@test.invalid"
          expected.insert(name)
          server.add(Array("Message-ID: <\(name)>\r\nSubject: x\r\n\r\n\(name)\r\n".utf8))
        }
        let before = server.commands.count
        if let account {
          try await service.call("POST", "/v1/accounts/\(account):sync")
        } else {
          account = try await service.addAccount(
            "alice@test.invalid",
            mode: "offline",
            incoming: Service.incoming(
              "pop3",
              port: server.port,
              user: server.user,
              password: server.password
            )
          )
        }
        // Login, list, RETR and DELE of each, QUIT: the kill comes at any of them, or after the last.
        let goal = Int.random(in: 0...(2 * Self.letters + 12))
        try await eventually("the session") {
          server.commands.count - before >= goal || server.messages.isEmpty
        }
        try await service.kill()
        try await service.start()
        // What is left grows, and with it the sessions: more than one kill leaves time for would never end.
        if round % 10 == 9 {
          try await eventually("the backlog is taken") { server.messages.isEmpty }
        }
      }
      try await eventually("the server is empty") { server.messages.isEmpty }
      let kept = try await service.messageIDs(of: try #require(account))
      #expect(Set(kept) == expected, "\(expected.subtracting(kept).count) are lost")
      #expect(kept.count == expected.count)
    }
  }
}
