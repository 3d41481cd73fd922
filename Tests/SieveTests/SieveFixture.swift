import MIME
import Sieve

/// A host whose world is written down beforehand.
struct TestHost: ScriptHost {
  /// 2026-11-25T12:00:00Z.
  var now: Int64 = 1_795_608_000
  var zoneMinutes: Int64 = 0
  var mailboxes: Set<String> = []
  var mailboxIDs: Set<String> = []
  var specialUses: [String: String] = [:]
  var metadata: [String: String] = [:]
  var seen: Set<String> = []
  var lists: [String: Set<String>] = [:]
  var environment: [String: String] = ["phase": "during"]
  var spamPercent: Int64?
  var virusLevel: Int64?
  var ownAddresses: Set<String> = []
  /// Questions that are not answered yet.
  var unanswered: Set<ScriptQuestion> = []

  func answer(_ question: ScriptQuestion) -> ScriptAnswer? {
    if unanswered.contains(question) { return nil }
    return switch question {
    case .now: .number(now)
    case .zoneOffset: .number(zoneMinutes)
    case .mailboxExists(let name): .flag(mailboxes.contains(name))
    case .mailboxIDExists(let id): .flag(mailboxIDs.contains(id))
    case .specialUseExists(let use, let mailbox):
      .flag(specialUses[use].map { mailbox == nil || $0 == mailbox } ?? false)
    case .metadata(let name, let mailbox): .text(metadata["\(mailbox ?? ""):\(name)"])
    case .wasSeen(let mark): .flag(seen.contains("\(mark.handle):\(mark.id)"))
    case .isInList(let name, let value): .flag(lists[name]?.contains(value) ?? false)
    case .listExists(let name): .flag(lists[name] != nil)
    case .environment(let name): .text(environment[name])
    case .spamPercent: spamPercent.map { .number($0) } ?? .text(nil)
    case .virusLevel: virusLevel.map { .number($0) } ?? .text(nil)
    case .isOwnAddress(let address): .flag(ownAddresses.contains(address.lowercased()))
    case .notifyCapability(_, let name): .text(name == "online" ? "maybe" : nil)
    }
  }
}

/// Scripts to include, by `personal/name` and `global/name`.
struct TestScripts: ScriptSource {
  var texts: [String: String]

  func text(of script: IncludedScript) -> [UInt8]? {
    texts["\(script.location.rawValue)/\(script.name)"].map { Array($0.utf8) }
  }
}

/// A script on a message.
struct SieveFixture {
  var script: String
  var message = SieveFixture.message
  var envelope = ScriptEnvelope(from: "sender@example.com", to: "user+tag@example.org")
  var host = TestHost()
  var limits = SieveLimits()
  var scripts: [String: String] = [:]

  init(_ script: String, message: String = SieveFixture.message) {
    self.script = script
    self.message = message
  }

  static let message = """
    From: Ann Example <ann@example.com>
    To: user@example.org, Bob <bob+list@Example.NET>
    Cc: "Quoted, Name" <carol@example.com>
    Subject: Hello World
    Date: Tue, 24 Nov 2026 10:11:12 +0200
    Message-ID: <one@example.com>
    X-Number: 42
    X-Twice: first
    X-Twice: second

    The body of it.

    """

  /// What came of the script.
  func outcome() throws -> ScriptOutcome {
    let compiled = try Script(
      compiling: Array(script.utf8),
      limits: limits,
      scripts: TestScripts(texts: scripts)
    )
    let bytes = LineEnds.canonical(Array(message.utf8))
    let parsed = ScriptMessage(MessageParser.parse(bytes))
    switch compiled.run(on: parsed, envelope: envelope, host: host, limits: limits) {
    case .finished(let outcome): return outcome
    case .needs(let question): throw UnansweredQuestion(question: question)
    }
  }

  /// The mailboxes that the message was filed into.
  func mailboxes() throws -> [String] {
    let outcome = try outcome()
    if let error = outcome.error { throw error }
    return outcome.actions.compactMap { action in
      if case .fileInto(let mailbox, _) = action { mailbox } else { nil }
    }
  }

  /// Whether a test holds, with all extensions required that `needs` names.
  static func holds(_ test: String, _ needs: [String] = [], message: String = message) throws
    -> Bool
  {
    let required = (needs + ["fileinto"]).map { "\"\($0)\"" }.joined(separator: ", ")
    let fixture = SieveFixture(
      "require [\(required)];\nif \(test) { fileinto \"yes\"; }",
      message: message
    )
    return try fixture.mailboxes() == ["yes"]
  }

  /// The errors of a script, as they are printed.
  static func errors(_ script: String) -> [String] {
    do throws(ScriptErrors) {
      _ = try Script(compiling: Array(script.utf8))
      return []
    } catch {
      return error.errors.map(\.description)
    }
  }
}

/// A question that a fixture's host left open.
struct UnansweredQuestion: Error {
  let question: ScriptQuestion
}
