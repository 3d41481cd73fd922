import Bytes
import Foundation
import TestSupport
import Testing

/// Archives in and out of a running service, by the command line.
@Suite("restante import and export", .timeLimit(.minutes(3))) struct ArchiveCommandTests {
  private static let mbox = """
    From ada@example.org Thu Nov 26 02:47:02 2026
    Status: RO
    Subject: one

    first
    >From here

    From bob@example.org Fri Nov 27 02:47:02 2026
    Subject: two

    second

    """

  @Test func `an mbox goes in, a Maildir comes out and goes in again`() async throws {
    let service = try Service()
    try await service.whileRunning {
      _ = try await Command.run([
        "curl", "-fsS", "-H", "Authorization: Bearer \(try service.token())", "-d",
        #"{"email":"ada@example.org","incoming":{"protocol":"local"}}"#,
        "\(service.address)/v1/accounts",
      ])
      let options = [
        "--url", service.address, "--data", service.data, "--account", "ada@example.org",
      ]
      let mbox = try service.directory.write("junk\n" + Self.mbox, to: "mail.mbox")
      let first = try await Program.run(
        ["import"] + options + ["--format", "mbox", "--mailbox", "Archive", mbox]
      )
      #expect(first.status == 0, "\(first.output)")
      #expect(first.output.contains("\(mbox): 2 imported"))
      #expect(first.output.contains("At byte 0: there is something that is no message."))

      let junk = try service.directory.write("junk\n", to: "junk.mbox")
      let nothing = try await Program.run(
        ["import"] + options + ["--format", "mbox", "--mailbox", "Archive", junk]
      )
      #expect(nothing.status == 1, "\(nothing.output)")
      #expect(nothing.output.contains("\(junk) holds no message that could be read."))

      let folder = service.directory.file("Out")
      let out = try await Program.run(
        ["export"] + options + ["--format", "maildir", "--mailbox", "archive", folder]
      )
      #expect(out.status == 0, "\(out.output)")
      #expect(out.output.contains("\(folder): 2 exported"))
      let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/cur").sorted()
      #expect(names.count == 2)
      #expect(names.first?.hasSuffix(":2,S") == true)

      // Of a Maildir from elsewhere a link could name any file of this machine.
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/cur/9.link:2,S",
        withDestinationPath: mbox
      )
      let again = try await Program.run(
        ["import"] + options + ["--format", "maildir", "--mailbox", "inbox", folder]
      )
      #expect(again.output.contains("\(folder): 2 imported"), "\(again.output)")
      #expect(again.output.contains("cur/9.link:2,S is left out"), "\(again.output)")
      let skipped = try await Program.run(
        ["import"] + options
          + ["--format", "maildir", "--mailbox", "inbox", "--skip-duplicates", folder]
      )
      #expect(skipped.output.contains("0 imported, 2 left out"), "\(skipped.output)")
      let text = try await Program.run(
        ["export"] + options + ["--format", "mbox", "--mailbox", "inbox", "-"]
      )
      #expect(text.output.contains("\nfirst\n>From here\n"), "\(text.output)")
    }
  }

  @Test func `of an archive that is larger than the room there is, it is said how much is stored`()
    async throws
  {
    let service = try Service(database: try await PrivatePostgres.shared.database())
    try await service.whileRunning {
      _ = try await Command.run([
        "curl", "-fsS", "-H", "Authorization: Bearer \(try service.token())", "-d",
        #"{"email":"ada@example.org","quotaBytes":40,"incoming":{"protocol":"local"}}"#,
        "\(service.address)/v1/accounts",
      ])
      let mbox = try service.directory.write(Self.mbox, to: "mail.mbox")
      let result = try await Program.run([
        "import", "--url", service.address, "--data", service.data, "--account", "ada@example.org",
        "--format", "mbox", mbox,
      ])
      #expect(result.status == 1)
      #expect(result.output.contains("\(mbox): 1 imported, and the rest refused"), "\(result)")
      #expect(result.output.contains("The account may keep"), "\(result)")
    }
  }

  @Test func `what cannot be done ends with 1 and says why`() async throws {
    let directory = try TemporaryDirectory("import")
    let port = try FreePort.next()
    let token = try directory.write("rst_x\n", to: "token")
    let file = try directory.write(Self.mbox, to: "mail.mbox")
    let options = [
      "--url", "http://127.0.0.1:\(port)", "--token-file", token, "--account", "acc_1",
    ]
    let nobody = try await Program.run(["import"] + options + ["--format", "mbox", file])
    #expect(nobody.status == 1)
    #expect(nobody.output.contains("cannot be reached"))
    let format = try await Program.run(["import"] + options + ["--format", "zip", file])
    #expect(format.status != 0)
    #expect(format.output.contains("zip is no format"))
    let exists = try await Program.run(["export"] + options + ["--format", "mbox", file])
    #expect(exists.status == 1)
    #expect(exists.output.contains("exists already"))
  }
}
