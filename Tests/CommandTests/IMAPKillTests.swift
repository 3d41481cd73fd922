import Bytes
import TestSupport
import Testing

/// The program itself, killed while it copies the mail of an IMAP server and deletes it there.
@Suite("restante serve, IMAP offline", .timeLimit(.minutes(60))) struct IMAPKillTests {
  /// How many messages come before each kill.
  private static let letters = 40
  /// More than a session sends for them, from the login to the last UID EXPUNGE.
  private static let requests = 30

  @Test func `kill -9 at any instant loses no message and keeps none twice`() async throws {
    let dovecot = try await DovecotServer.start(users: ["alice"])
    let way = try await TapProxy.alone(to: dovecot.imapPort)
    let service = try Service(arguments: ["--allow-network", "127.0.0.0/8"])
    let kills = Kills.share(tenths: 4)
    try await service.whileRunning {
      var account: String?
      for round in 0..<kills {
        try await dovecot.fill(user: "alice", count: Self.letters, first: round * Self.letters)
        let before = way.requestCount
        if let account {
          try await service.call("POST", "/v1/accounts/\(account):sync")
        } else {
          account = try await service.addAccount(
            "alice@test.invalid",
            mode: "offline",
            incoming: Service.incoming("imap", port: way.port, user: "alice")
          )
        }
        let goal = Int.random(in: 0...Self.requests)
        try await eventually("the session") {
          if way.requestCount - before >= goal { return true }
          return try await dovecot.messageCount(user: "alice") == 0
        }
        try await service.kill()
        try await service.start()
      }
      let id = try #require(account)
      try await eventually("the server is empty") {
        try await dovecot.messageCount(user: "alice") == 0
      }
      try await eventually("and said so") {
        try await service.get("/v1/accounts/\(id)/operations")["items"]?.arrayValue?.isEmpty == true
      }
      let kept = try await service.messageIDs(of: id)
      let expected = Set((0..<kills * Self.letters).map { SampleMail.messageID($0) })
      #expect(Set(kept) == expected, "\(expected.subtracting(kept).count) are lost")
      #expect(kept.count == expected.count)
      let copy = try await service.get("/v1/accounts/\(id)")["sync"]?["copy"]
      #expect(copy?["kept"]?.intValue == Int64(expected.count))
    }
    await way.stop()
    await dovecot.stop()
  }
}
