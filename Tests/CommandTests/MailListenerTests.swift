import Bytes
import Foundation
import TestSupport
import Testing

/// The listeners of the program itself.
@Suite("restante serve, mail coming in", .timeLimit(.minutes(30))) struct MailListenerTests {
  /// How many messages are brought: `make soak` brings 10,000.
  private static var messageCount: Int {
    ProcessInfo.processInfo.environment["RESTANTE_DELIVERIES"].flatMap(Int.init) ?? 200
  }

  @Test func `kill -9 after 250 loses no message`() async throws {
    let port = try FreePort.next()
    let service = try Service(arguments: ["--smtp-listen", "127.0.0.1:\(port)"])
    try await service.whileRunning {
      #expect(try service.output().contains("Mail is taken by SMTP at 127.0.0.1:\(port)."))
      let account = try await service.addAccount("ada@test.invalid", incoming: Self.local)
      var answered: Set<Int> = []
      var rounds = 0
      let step = max(Self.messageCount / Kills.share(tenths: 1), 1)
      while answered.count < Self.messageCount || rounds < 2 {
        // A second kill even where all were taken before the first.
        let missing = max(Self.messageCount - answered.count, step)
        let first = rounds * 1_000_000
        let flood = MailFlood(
          port: port,
          recipient: "ada@test.invalid",
          first..<(first + missing)
        )
        async let running: Void = flood.run()
        // The service is killed while messages are on their way, and once more after the last.
        let goal = min(Int.random(in: 1..<max(2 * step, 2)), missing)
        try await eventually("messages to be taken") { flood.answered.count >= goal }
        try await service.kill()
        try await running
        answered.formUnion(flood.answered)
        rounds += 1
        try await service.start()
      }
      let kept = Set(try await service.messageIDs(of: account))
      let lost = answered.filter { !kept.contains(MailFlood.messageID($0)) }
      #expect(lost.isEmpty, "\(lost.count) of \(answered.count) messages are lost")
    }
  }

  @Test func `a Unix socket takes LMTP, and a port is told that is taken`() async throws {
    let directory = try TemporaryDirectory("lmtp")
    let socket = directory.file("lmtp.sock")
    let service = try Service(
      database: try await PrivatePostgres.shared.database(),
      arguments: ["--lmtp-listen", "unix:\(socket)", "--mail-host", "mail.example"]
    )
    try await service.whileRunning {
      let account = try await service.addAccount("ada@test.invalid", incoming: Self.local)
      let script = """
        import smtplib, sys
        client = smtplib.LMTP(sys.argv[1])
        refused = client.sendmail("", ["ada@test.invalid", "nobody@test.invalid"], "Message-ID: <one@x>\\n\\nx\\n")
        print(sorted(refused), refused["nobody@test.invalid"][0])
        """
      let output = try await Command.run(["python3", "-c", script, socket])
      #expect(output == "['nobody@test.invalid'] 550\n")
      #expect(try await service.messageIDs(of: account) == ["one@x"])
    }
    #expect(!FileManager.default.fileExists(atPath: socket))
  }

  @Test(arguments: [
    (["--smtp-listen", "somewhere"], "somewhere is no address"),
    (["--relay-network", "10.0.0.0/99"], "10.0.0.0/99 is no network"),
    (["--tls-certificate", "/nowhere.pem"], "A certificate and its key come together"),
    (
      ["--tls-certificate", "/nowhere.pem", "--tls-key", "/nowhere.key"],
      "There is no file /nowhere.pem."
    ),
    (
      ["--tls-certificate", "/etc/passwd", "--tls-key", "/tmp"],
      "/tmp cannot be read: Is a directory"
    ),
    (
      ["--tls-certificate", "/etc/passwd", "--tls-key", "/etc/passwd"],
      "/etc/passwd is no PEM certificate."
    ),
    (["--postmaster", "somebody"], "somebody is neither an address nor the id of an account"),
  ])
  func `a listener that cannot be is told before anything is made`(
    arguments: [String],
    reason: String
  ) async throws {
    let directory = try TemporaryDirectory("listener")
    let data = directory.file("data")
    let result = try await Program.run(["serve", "--data", data] + arguments)
    #expect(result.status != 0)
    #expect(result.output.contains(reason))
    #expect(!FileManager.default.fileExists(atPath: data))
  }

  /// No server.
  private static let local = #"{ "protocol": "local" }"#
}
