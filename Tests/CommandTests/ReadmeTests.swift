import Bytes
import Foundation
import TestSupport
import Testing

/// What the README shows is run as it stands there.
@Suite("README", .timeLimit(.minutes(6))) struct ReadmeTests {
  /// The lines between a marker and the end of the fenced block behind it.
  private static func session(_ name: String = "session") throws -> String {
    let readme = try String(contentsOfFile: RepositoryRoot.file("README.md"), encoding: .utf8)
    let lines = readme.split(separator: "\n", omittingEmptySubsequences: false)
    let marker = try #require(lines.firstIndex { $0 == "<!-- \(name) -->" })
    try #require(lines[marker + 1] == "```sh")
    return lines[(marker + 2)...].prefix { $0 != "```" }.joined(separator: "\n")
  }

  @Test
  func `make run has a mailbox, and what it prints is the README's first session, which runs`()
    async throws
  {
    let port = try FreePort.next()
    let service = try Service(
      database: try await PrivatePostgres.shared.database(),
      arguments: ["--welcome", "--smtp-listen", "127.0.0.1:\(port)"]
    )
    try await service.whileRunning {
      let session = try Self.session("run")
      let output = try await eventuallyFind("what to try") {
        let text = try service.output()
        return text.contains("receivedAt") ? text : nil
      }
      #expect(output.contains(session))
      let variables = try #require(output.split(separator: "\n").first { $0.hasPrefix("R=http") })
      let directory = try TemporaryDirectory("run")
      try directory.write("set -euo pipefail\n\(variables)\n\(session)\n", to: "session.sh")
      let shown = try await Command.run(["bash", directory.file("session.sh")])
      for text in ["Grüße aus Zürich – 今日は", "Issue 42", "invoice", "Lunch", "It works."] {
        #expect(shown.contains(text), "\(text)")
      }
    }
  }

  @Test func `where no mail is taken by SMTP, what is printed sends none, and runs`() async throws {
    let service = try Service(
      database: try await PrivatePostgres.shared.database(),
      arguments: ["--welcome"]
    )
    try await service.whileRunning {
      let output = try await eventuallyFind("what to try") {
        let text = try service.output()
        return text.contains("| join(") ? text : nil
      }
      #expect(!output.contains("S=") && !output.contains("smtp") && !output.contains("# 2"))
      let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
      let start = try #require(lines.firstIndex { $0.hasPrefix("R=http") })
      let directory = try TemporaryDirectory("run")
      let session = lines[start...].joined(separator: "\n")
      try directory.write("set -euo pipefail\n\(session)\n", to: "session.sh")
      let shown = try await Command.run(["bash", directory.file("session.sh")])
      #expect(shown.contains("Lunch"))
    }
  }

  @Test func `the session adds an account, flags and moves a message, and sends one`() async throws
  {
    let directory = try TemporaryDirectory("readme")
    let backends = ServerProcess(
      [Program.backends, directory.file("ports")],
      outputFile: directory.file("backends.log")
    )
    try await backends.start(ports: [])
    let ports = try await eventuallyFind("the mail servers") {
      try Variables(file: directory.file("ports"), until: "POSTFIX_LOG")
    }
    let service = try Service(
      database: try await PrivatePostgres.shared.database(),
      arguments: ["--allow-network", "127.0.0.0/8", "--ca-file", ports["CA_FILE"]]
    )
    try await service.whileRunning {
      let made = try await Self.run(Self.session(), before: service, ports, in: directory)
      try await Self.check(made, service, ports)
    }
    await backends.stop()
  }

  /// Runs the session as somebody would who stops at the first line that fails; its variables.
  private static func run(
    _ session: String,
    before service: Service,
    _ ports: Variables,
    in directory: TemporaryDirectory
  ) async throws -> Variables {
    let script = """
      set -euo pipefail
      R=\(service.address) T=\(try service.token())
      IMAPS_PORT=\(ports["IMAPS_PORT"]) SMTPS_PORT=\(ports["SMTPS_PORT"])
      PASSWORD=\(ports["PASSWORD"])
      \(session)
      printf '%s\\n' "A=$A" "M=$M" "ARCHIVE=$ARCHIVE" >\(directory.file("variables"))
      """
    try directory.write(script, to: "session.sh")
    // Its output goes through a pipe, since `tee /dev/stderr` would truncate a file.
    try await Command.run([
      "bash", "-o", "pipefail", "-c", "bash \"$0\" 2>&1 | cat", directory.file("session.sh"),
    ])
    return try #require(try Variables(file: directory.file("variables"), until: "ARCHIVE"))
  }

  /// Asks the service, and the mail server by another program.
  private static func check(_ made: Variables, _ service: Service, _ ports: Variables) async throws
  {
    let path = "/v1/accounts/\(made["A"])/messages/\(made["M"])"
    let message = try await service.get(path)
    #expect(message["keywords"]?["$flagged"] == .bool(true))
    #expect(message["mailboxIds"] == .object([.init(name: made["ARCHIVE"], value: .bool(true))]))
    #expect(message["attachments"]?.arrayValue?.isEmpty == false)
    let id = try #require(message["messageId"]?.arrayValue?.first?.stringValue)
    let search = ["SEARCH", "FLAGGED", "HEADER", "Message-ID", "<\(id)>"].joined(separator: " ")
    try await eventually("the move on the server") {
      try await found(search, in: "Archive", of: "ada", ports) == 1
    }
    try await eventually("the service to know that the server agrees") {
      try await service.get(path)["pending"] == .bool(false)
    }
    try await eventually("the message at Bob's") {
      try await found("SEARCH SUBJECT \"Hello from Restante\"", in: "INBOX", of: "bob", ports) == 1
    }
  }

  /// How many messages a SEARCH of curl's own finds.
  private static func found(
    _ search: String,
    in mailbox: String,
    of user: String,
    _ ports: Variables
  ) async throws -> Int {
    let answer = try await Command.run([
      "curl", "-sS", "--cacert", ports["CA_FILE"], "--user", "\(user):\(ports["PASSWORD"])",
      "imaps://localhost:\(ports["IMAPS_PORT"])/\(mailbox)", "-X", search,
    ])
    return answer.split(whereSeparator: \.isWhitespace).count { Int($0) != nil }
  }
}

/// Variables in the shell's syntax, `NAME=value` a line.
private struct Variables {
  private var values: [String: String] = [:]

  /// The variables of a file; nil until it is there as far as the variable `last`.
  init?(file: String, until last: String) throws {
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    let text = try String(contentsOfFile: file, encoding: .utf8)
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    }
    if values[last] == nil { return nil }
  }

  /// The value of a variable, empty where there is none, which fails whatever needs it.
  subscript(name: String) -> String { values[name] ?? "" }
}
