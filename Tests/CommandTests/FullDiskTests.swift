import Bytes
import TestSupport
import Testing

/// The program itself, with its data on a disk that is full.
@Suite(
  "restante serve, a full disk",
  .timeLimit(.minutes(5)),
  .enabled(if: SmallDisk.isPossible, "no file system can be mounted here")
)
struct FullDiskTests {
  /// Hardly to be deflated, and nothing of it is indexed.
  private static func letter(_ name: String) -> [UInt8] {
    var random = SeededRandom(seed: UInt64(truncatingIfNeeded: name.hashValue))
    var text = """
      Message-ID: <\(name)@test.invalid>\r
      Subject: \(name)\r
      MIME-Version: 1.0\r
      Content-Type: application/octet-stream\r
      \r

      """
    for _ in 0..<2000 { text += String(random.next(), radix: 36) + "\r\n" }
    return Array(text.utf8)
  }

  private static func names(_ prefix: String) -> [String] { (0..<20).map { "\(prefix)-\($0)" } }

  private static func ids(_ prefixes: String...) -> Set<String> {
    Set(prefixes.flatMap { names($0) }.map { "\($0)@test.invalid" })
  }

  /// The code by which a message is answered that is brought by LMTP.
  private func deliver(_ name: String, to socket: String) async throws -> Int {
    let script = """
      import smtplib, sys
      text = sys.stdin.buffer.read()
      try:
          client = smtplib.LMTP(sys.argv[1])
          refused = client.sendmail("", ["local@test.invalid"], text)
          print(250)
      except smtplib.SMTPRecipientsRefused as error:
          print(list(error.recipients.values())[0][0])
      except smtplib.SMTPResponseException as error:
          print(error.smtp_code)
      """
    let output = try await Command.run(
      ["python3", "-c", script, socket],
      input: Self.letter(name)
    )
    return Int(output.split(separator: "\n").last ?? "") ?? 0
  }

  @Test func `nothing is taken and nothing is deleted; with room again all goes on`() async throws {
    let dovecot = try await DovecotServer.start(users: ["alice"])
    let pop3 = try SmallPOP3Server(quirks: [.pipelining])
    defer { pop3.stop() }
    let sockets = try TemporaryDirectory("lmtp")
    let socket = sockets.file("lmtp.sock")
    let service = try Service(
      arguments: ["--allow-network", "127.0.0.0/8", "--lmtp-listen", "unix:\(socket)"]
    )
    try service.directory.makeDirectory("data")
    let disk = try SmallDisk(at: service.data, megabytes: 700)
    try await service.whileRunning {
      let local = try await service.addAccount(
        "local@test.invalid",
        incoming: #"{ "protocol": "local" }"#
      )
      for name in Self.names("before") {
        try await dovecot.deliver(Self.letter(name), to: "alice")
        pop3.add(Self.letter(name))
      }
      let imap = try await service.addAccount(
        "imap@test.invalid",
        mode: "offline",
        incoming: Service.incoming("imap", port: dovecot.imapPort, user: "alice")
      )
      let pop = try await service.addAccount(
        "pop@test.invalid",
        mode: "offline",
        incoming: Service.incoming(
          "pop3",
          port: pop3.port,
          user: pop3.user,
          password: pop3.password
        )
      )
      #expect(try await deliver("before", to: socket) == 250)
      try await eventually("both servers are empty") {
        try await dovecot.messageCount(user: "alice") == 0 && pop3.messages.isEmpty
      }

      try await disk.fill()
      for name in Self.names("full") {
        try await dovecot.deliver(Self.letter(name), to: "alice")
        pop3.add(Self.letter(name))
      }
      var code = 0
      for number in 0..<50 where code / 100 != 4 {
        // What is left in pages that are there already may take some.
        code = try await deliver("full-\(number)", to: socket)
        #expect(code == 250 || code / 100 == 4, "\(code)")
      }
      #expect(code / 100 == 4)
      // The database may be away altogether: it cannot recover either.
      for account in [imap, pop] {
        _ = try? await service.call("POST", "/v1/accounts/\(account):sync")
      }
      for number in 0..<20 {
        let code = try await deliver("later-\(number)", to: socket)
        #expect(code / 100 == 4, "\(code)")
      }
      #expect(pop3.messages.count == 20)
      #expect(try await dovecot.messageCount(user: "alice") == 20)
      let upload = try await upload(local, service)
      #expect(upload.contains(#""code":"unavailable""#), "\(upload)")

      try await disk.free()
      try await eventually("both servers are empty") {
        if pop3.messages.isEmpty, try await dovecot.messageCount(user: "alice") == 0 { return true }
        for account in [imap, pop] {
          _ = try? await service.call("POST", "/v1/accounts/\(account):sync")
        }
        return false
      }
      #expect(Set(try await service.messageIDs(of: imap)) == Self.ids("before", "full"))
      #expect(Set(try await service.messageIDs(of: pop)) == Self.ids("before", "full"))
      #expect(try await service.messageIDs(of: imap).count == 40)
      #expect(try await deliver("after", to: socket) == 250)
      let names = try await service.messageIDs(of: local)
      #expect(Set(names).isSuperset(of: ["before@test.invalid", "after@test.invalid"]))
    }
    disk.remove()
    await dovecot.stop()
  }

  /// Begins an import, as far as that goes, and tells how it was answered.
  private func upload(_ account: String, _ service: Service) async throws -> String {
    let token = try service.token()
    let begin = ["curl", "-sS", "-H", "Authorization: Bearer \(token)"]
    let made = try await Command.run(
      begin + [
        "--json", #"{"format":"mbox","mailbox":"inbox"}"#,
        "\(service.address)/v1/accounts/\(account)/imports",
      ]
    )
    guard let job = try JSONReader.parse([UInt8](made.utf8).span)["id"]?.stringValue else {
      return made
    }
    let mbox = Self.names("import").map { name in
      "From a Thu Nov 26 02:47:02 2026\n" + String(decoding: Self.letter(name), as: UTF8.self)
    }.joined(separator: "\n")
    return try await Command.run(
      begin + [
        "-H", "Content-Type: application/octet-stream", "--data-binary", "@-",
        "\(service.address)/v1/accounts/\(account)/imports/\(job):upload?offset=0",
      ],
      input: Array(mbox.utf8)
    )
  }
}
