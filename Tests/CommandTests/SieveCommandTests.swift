import Bytes
import Foundation
import TestSupport
import Testing

/// `restante sieve`, as a process.
@Suite("restante sieve", .timeLimit(.minutes(6))) struct SieveCommandTests {
  @Test func `check says nothing of a script that is right`() async throws {
    let directory = try TemporaryDirectory("sieve-check")
    let script = try directory.write("require \"fileinto\"; fileinto \"A\";", to: "a.sieve")
    let result = try await Program.run(["sieve", "check", script])
    #expect(result.status == 0)
    #expect(result.output.isEmpty)
  }

  @Test func `check prints each error with its place and exits with 1`() async throws {
    let result = try await Program.run(
      ["sieve", "check", "-"],
      input: Array("fileinto \"A\";\n  bad;\n".utf8)
    )
    #expect(result.status == 1)
    #expect(
      result.output == """
        1:1: 'fileinto' needs: require "fileinto";
        2:3: unknown command 'bad'

        """
    )
  }

  @Test func `a script may come by a pipe`() async throws {
    let directory = try TemporaryDirectory("sieve-pipe")
    let result = try await Program.run(
      ["sieve", "check", "/dev/stdin"],
      input: Array("keep;".utf8)
    )
    #expect(result.status == 0 && result.output.isEmpty)
    for text in ["keep;", "bad;"] {
      let fifo = "\(directory.path)/\(text.dropLast())"
      let piped = try await Command.status([
        "sh", "-c", #"mkfifo "$1"; printf %s "$3" > "$1" & "$2" sieve check "$1""#, "sh", fifo,
        Program.restante, text,
      ])
      #expect(piped.status == (text == "keep;" ? 0 : 1))
      #expect(piped.output == (text == "keep;" ? "" : "1:1: unknown command 'bad'\n"))
    }
  }

  @Test func `what cannot be read is told with the reason`() async throws {
    let directory = try TemporaryDirectory("sieve-unread")
    let denied = try directory.write("keep;", to: "denied.sieve")
    #expect(unsafe chmod(denied, 0) == 0)
    // Root reads all there is, unless it is without the power to.
    let powerless =
      geteuid() == 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : []
    for (path, reason) in [
      ("\(directory.path)/none.sieve", "No such file or directory"),
      (directory.path, "Is a directory"), (denied, "Permission denied"),
    ] {
      let result = try await Command.status(
        powerless + Program.clean([:]) + [Program.restante, "sieve", "check", path]
      )
      #expect(result.status == 1)
      #expect(result.output == "Error: \(path): \(reason)\n")
    }
  }

  @Test func `a test that reads too much is told with its place`() async throws {
    let directory = try TemporaryDirectory("sieve-large")
    let source = "require \"body\";\n\nif not\n  body :raw :contains \"x\" { discard; }\n"
    let script = try directory.write(source, to: "a.sieve")
    let body = String(repeating: String(repeating: "a", count: 1023) + "\n", count: 33 << 10)
    let message = try directory.write("Subject: x\n\n\(body)", to: "m.eml")
    let result = try await Program.run([
      "sieve", "run", "--script", script, "--message", message,
    ])
    #expect(
      result.output.contains("\"error\":\"4:3: the script reads more than"),
      "\(result.output)"
    )
  }

  @Test func `run prints how the header was changed, in order with the actions`() async throws {
    let json = try await run(
      """
      require ["editheader", "fileinto"];
      addheader "X-A" "1"; fileinto "A"; addheader :last "X-B" "2"; deleteheader "subject";
      deleteheader "Received";
      """
    )
    let actions = try #require(json["actions"]?.arrayValue)
    #expect(
      actions.map { $0["type"]?.stringValue } == [
        "addheader", "fileinto", "addheader", "deleteheader",
      ]
    )
    #expect(actions[0]["name"]?.stringValue == "X-A" && actions[0]["value"]?.stringValue == "1")
    #expect(actions[0]["last"]?.boolValue == false && actions[2]["last"]?.boolValue == true)
    #expect(actions[3]["name"]?.stringValue == "Subject")
    #expect(actions[3]["value"]?.stringValue == "hello")
  }

  private func run(_ script: String, _ arguments: [String] = []) async throws -> JSONValue {
    let directory = try TemporaryDirectory("sieve-run")
    let script = try directory.write(script, to: "a.sieve")
    let message = try directory.write(
      "From: ann@example.com\nTo: user@example.org\nSubject: hello\n\nbody\n",
      to: "m.eml"
    )
    try directory.write("require \"fileinto\"; fileinto \"included\";", to: "other.sieve")
    let result = try await Program.run(
      ["sieve", "run", "--script", script, "--message", message] + arguments
        + ["--include-personal", directory.path]
    )
    let bytes = Array(result.output.utf8)
    return try JSONReader.parse(bytes.span)
  }

  @Test func `run prints the actions, and does nothing`() async throws {
    let json = try await run(
      """
      require ["fileinto", "imap4flags", "copy", "envelope", "vacation", "mailbox", "include"];
      if mailboxexists "Archive" { fileinto :flags "\\\\Seen x" :create "Archive"; }
      if envelope "from" "sender@example.com" { redirect :copy "a@example.org"; }
      include "other"; vacation :days 3 "gone"; discard;
      """,
      ["--from", "sender@example.com", "--to", "user@example.org", "--mailbox", "INBOX", "Archive"]
    )
    let actions = try #require(json["actions"]?.arrayValue)
    #expect(
      actions.map { $0["type"]?.stringValue } == [
        "fileinto", "redirect", "fileinto", "vacation", "discard",
      ]
    )
    #expect(actions[0]["mailbox"]?.stringValue == "Archive")
    #expect(actions[0]["flags"]?.arrayValue == [.string("\\Seen"), .string("x")])
    #expect(actions[1]["address"]?.stringValue == "a@example.org")
    #expect(actions[3]["reason"]?.stringValue == "gone")
    #expect(actions[3]["suppressed"] == .null)
    #expect(json["implicitKeep"]?.boolValue == false)
    #expect(json["error"] == .null)
  }

  @Test func `without an action the message is kept, and its envelope is what its header says`()
    async throws
  {
    let json = try await run(
      """
      require ["envelope", "imap4flags"];
      if envelope "from" "ann@example.com" { addflag "$x"; }
      """
    )
    #expect(json["actions"]?.arrayValue == [])
    #expect(json["implicitKeep"]?.boolValue == true)
    #expect(json["implicitKeepFlags"]?.arrayValue == [.string("$x")])
  }

  @Test func `a rejection and the null sender`() async throws {
    let json = try await run(
      "require [\"reject\", \"envelope\"]; if envelope \"from\" \"\" { reject \"no\"; }",
      ["--from", "<>"]
    )
    #expect(json["actions"]?.arrayValue?.first?["type"]?.stringValue == "reject")
    #expect(json["actions"]?.arrayValue?.first?["reason"]?.stringValue == "no")
  }

  @Test(arguments: [
    ("bad;", "1:1: unknown command 'bad'"),
    ("require \"ihave\";\nerror \"because\";", "2:1: because"),
  ])
  func `a failure keeps the message and says why`(
    _ script: String,
    _ error: String
  ) async throws {
    let json = try await run(script)
    #expect(json["error"]?.stringValue == error)
    #expect(json["actions"]?.arrayValue == [])
    #expect(json["implicitKeep"]?.boolValue == true)
  }
}
