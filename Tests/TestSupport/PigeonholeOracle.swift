import Foundation

/// Pigeonhole's `sieve-test`, as the other implementation.
package struct PigeonholeOracle {
  /// What it says of a script on a message.
  package struct Verdict: Equatable {
    /// The actions, each on one line; empty for a run that failed.
    package var actions: [String] = []
    package var isImplicitlyKept = false
    package var hasFailed = false
    /// Whether the program itself ended by an assertion, so that it says nothing.
    package var hasCrashed = false
    package var output = ""

    /// A run that did nothing.
    package init() {}

    package static func == (one: Verdict, other: Verdict) -> Bool {
      one.actions == other.actions && one.isImplicitlyKept == other.isImplicitlyKept
        && one.hasFailed == other.hasFailed
    }
  }

  static let program = "/usr/bin/sieve-test"

  /// Whether the program is there.
  package static var isPresent: Bool { FileManager.default.isExecutableFile(atPath: program) }

  private let directory: TemporaryDirectory

  package init() throws {
    directory = try TemporaryDirectory("sieve-test")
    // It gives up the rights of root, and must still read what stands here.
    try Self.open(directory.path)
    let id = geteuid() == 0 ? 65_534 : Int(geteuid())
    let configuration = """
      mail_uid = \(id)
      mail_gid = \(geteuid() == 0 ? 65_534 : Int(getegid()))
      mail_home = \(directory.path)/home
      mail_location = maildir:\(directory.path)/home/Maildir
      base_dir = \(directory.path)/run
      log_path = /dev/stderr
      plugin {
        sieve_max_actions = 0
        sieve_max_redirects = 10000
        sieve_max_cpu_time = 0
        sieve_max_script_size = 0
        sieve_extensions = +editheader +spamtest +spamtestplus +virustest +vacation-seconds
      }
      """
    try directory.write(configuration, to: "dovecot.conf")
    for name in ["home", "run"] {
      try FileManager.default.createDirectory(
        atPath: directory.file(name),
        withIntermediateDirectories: true
      )
      try Self.open(directory.file(name))
    }
  }

  private static func open(_ path: String) throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: path)
  }

  /// What it makes of a script on a message.
  package func run(
    _ script: String,
    _ message: String,
    from: String = "sender@example.com",
    to: String = "user+tag@example.org"
  ) async throws -> Verdict {
    let scriptFile = try directory.write(script, to: "script.sieve")
    let messageFile = try directory.write(message, to: "message.eml")
    let result = try await Command.status([
      "env", "TZ=UTC", Self.program, "-c", directory.file("dovecot.conf"), "-C", "-f", from, "-a",
      to, "-r", to, scriptFile, messageFile,
    ])
    return Self.verdict(result.output)
  }

  /// Reads what it prints.
  package static func verdict(_ output: String) -> Verdict {
    var verdict = Verdict()
    verdict.output = output
    verdict.hasCrashed = output.contains("Raw backtrace")
    guard let start = output.range(of: "Performed actions:") else {
      verdict.hasFailed = true
      verdict.isImplicitlyKept = true
      return verdict
    }
    var isImplicit = false
    var isText = false
    for line in output[start.upperBound...].components(separatedBy: "\n") {
      if line == "START MESSAGE" { isText = true }
      if line == "END MESSAGE" { isText = false }
      if isText { continue }
      if line.hasPrefix("Implicit keep:") { isImplicit = true }
      if line.hasPrefix(" * ") {
        if isImplicit {
          verdict.isImplicitlyKept = true
        } else {
          verdict.actions.append(action(String(line.dropFirst(3))))
        }
      }
      let mark = "+ add IMAP flags: "
      if let flags = line.range(of: mark) {
        // It prints a flag as often as the script names it.
        let names = Set(line[flags.upperBound...].split(separator: " ").map { $0.lowercased() })
        let text = " flags=\(names.sorted().joined(separator: " "))"
        if isImplicit {
          verdict.actions.append("implicit\(text)")
        } else if let last = verdict.actions.indices.last {
          verdict.actions[last] += text
        }
      }
    }
    return verdict
  }

  /// A name as far as it prints it: long ones end with dots.
  package static func shortened(_ name: some StringProtocol) -> String { String(name.prefix(100)) }

  private static func action(_ line: String) -> String {
    for (prefix, name) in [
      ("store message in folder: ", "store "), ("redirect message to: ", "redirect "),
    ] where line.hasPrefix(prefix) {
      let target = line.dropFirst(prefix.count)
      return name
        + (name == "redirect " ? target.filter { $0 != "<" && $0 != ">" } : shortened(target))
    }
    for (prefix, name) in [
      ("discard", "discard"), ("reject message", "reject"), ("send vacation", "vacation"),
      ("send notification", "notify"),
    ] where line.hasPrefix(prefix) {
      return name
    }
    return line
  }
}
