import Bytes
import TestSupport
import Testing

/// The program itself, killed in the middle of an import; the command that brings the archive goes on.
@Suite("restante import, killed", .timeLimit(.minutes(60))) struct ImportKillTests {
  private static let letters = 6000

  @Test func `an import goes on where a killed service had come, and stores nothing twice`()
    async throws
  {
    let service = try Service()
    let mbox = (0..<Self.letters).map { number in
      "From a@test.invalid Thu Nov 26 02:47:02 2026\nMessage-ID: <\(number)@test.invalid>\n"
        + "Subject: \(number)\n\nThe text of number \(number).\n\n"
    }.joined()
    try await service.whileRunning {
      let account = try await service.addAccount(
        "ada@test.invalid",
        incoming: #"{ "protocol": "local" }"#
      )
      let file = try service.directory.write(mbox, to: "mail.mbox")
      for round in 0..<Kills.share(tenths: 1) {
        let mailbox = try await service.call(
          "POST",
          "/v1/accounts/\(account)/mailboxes",
          #"{ "name": "Round \#(round)" }"#
        )
        let box = try #require(mailbox["id"]?.stringValue)
        async let importing = Program.run([
          "import", "--url", service.address, "--data", service.data, "--account", account,
          "--format", "mbox", "--mailbox", box, file,
        ])
        let goal = Int64.random(in: 1...Int64(Self.letters))
        try await eventually("the import") {
          let found = try await service.get("/v1/accounts/\(account)/mailboxes/\(box)")
          return found["totalMessages"]?.intValue ?? 0 >= goal
        }
        try await service.kill()
        try await service.start()
        let result = try await importing
        #expect(
          result.status == 0 && result.output.contains(": \(Self.letters) imported"),
          "\(result.output)"
        )
        let kept = try await service.messageIDs(of: account, in: box)
        #expect(kept.count == Self.letters && Set(kept).count == Self.letters)
        try await service.call("DELETE", "/v1/accounts/\(account)/mailboxes/\(box)?permanent=true")
      }
    }
  }
}
