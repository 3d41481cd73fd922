import Bytes
import Foundation
import MIME
import Model
import Sieve
import TestSupport
import Testing

@testable import Rules

/// Random rules come to the same on random messages by the service's evaluation, by our Sieve's run of the script that they
/// are compiled to, and by Pigeonhole's.
///
/// `RESTANTE_RULE_CASES` sets how many (1,000 where it does not), and `RESTANTE_SEED` the seed, which a difference prints.
@Suite("Rules and their scripts do the same") struct EquivalenceTests {
  static let environment = ProcessInfo.processInfo.environment
  static let cases = environment["RESTANTE_RULE_CASES"].flatMap { Int($0) }

  static var seed: UInt64 {
    environment["RESTANTE_SEED"].flatMap { UInt64($0) }
      ?? (cases == nil ? 1 : UInt64.random(in: 0 ... .max))
  }

  /// What Pigeonhole has switched on as it comes, and `editheader`; so has our own Sieve.
  private static let target = ScriptTarget(
    capabilities: [
      "body", "copy", "date", "editheader", "enotify", "envelope", "fileinto", "imap4flags",
      "mailbox", "mime",
      "regex",
      "relational", "subaddress", "vacation", "comparator-i;ascii-numeric",
    ],
    mailboxes: [],
    ownAddresses: RandomRules.own,
    canSend: true
  )

  private struct Case {
    var rules: [Rule]
    var message: RuleMessage
    var raw: String
    var script: String?
  }

  private static func rules(_ values: [JSONValue]) throws -> [Rule] {
    try values.map { value in
      var reader = RuleReader()
      let rule = reader.rule(value)
      #expect(reader.faults == [])
      return try #require(rule)
    }
  }

  private static func make(_ values: [JSONValue], _ random: inout SeededRandom) throws -> Case {
    let raw = RandomMail.make(&random)
    let rules = try Self.rules(values)
    let message = RuleMessage(
      MessageParser.parse(Array(raw.utf8)),
      envelope: ScriptEnvelope(from: "sender@example.com", to: "user+tag@example.org"),
      receivedAt: RuleFixture.now
    )
    return Case(
      rules: rules,
      message: message,
      raw: raw,
      script: RuleScript(rules, for: target).text
    )
  }

  /// Compares all three; false where they differ.
  private func compare(_ one: Case, _ oracle: PigeonholeOracle?, seed: UInt64) async throws -> Bool
  {
    guard let script = one.script else { return true }
    let context = RuleContext(ownAddresses: RandomRules.own, now: RuleFixture.now)
    let run = RuleRun(one.rules, on: one.message, context: context)
    let ours = Equivalence.summary(run, among: [])
    let compiledRules = CompiledRules(one.rules, context: context)
    let short = RuleRun(compiledRules, on: one.message, now: RuleFixture.now, explains: false)
    #expect(short.disposition == run.disposition && short.matched == run.matched)
    let compiled = try Script(compiling: Array(script.utf8))
    let sieve = Equivalence.summary(try Equivalence.run(compiled, one.message))
    var theirs: RunSummary?
    if let oracle {
      let verdict = try await oracle.run(script, one.raw)
      // It does not print what the message is in the end: that is our Sieve's alone to say.
      if !verdict.hasCrashed {
        theirs = Self.summary(verdict)
        theirs?.header = ours.header
      }
    }
    guard ours != sieve || (theirs.map { $0 != ours } ?? false) else { return true }
    Issue.record(
      """
      seed \(seed)
      service    \(ours)
      our sieve  \(sieve)
      pigeonhole \(theirs?.description ?? "not asked")
      \(script)
      \(one.raw)
      """
    )
    return false
  }

  private static func summary(_ verdict: PigeonholeOracle.Verdict) -> RunSummary {
    var summary = RunSummary()
    if verdict.hasFailed { Issue.record("Pigeonhole failed: \(verdict.output)") }
    summary.isKept = verdict.isImplicitlyKept
    for action in verdict.actions {
      let parts = action.split(separator: " flags=", maxSplits: 1)
      if parts.count > 1 {
        summary.flags.formUnion(parts[1].split(separator: " ").map { $0.lowercased() })
      }
      let words = parts[0].split(separator: " ", maxSplits: 1).map(String.init)
      switch words[0] {
      case "store" where words[1] == "INBOX": summary.isKept = true
      case "store": summary.mailboxes.insert(words[1])
      case "redirect": summary.redirects.insert(words[1].lowercased())
      case "vacation": summary.replies = true
      case "notify": summary.notifies += 1
      default: break
      }
    }
    return summary
  }

  @Test(.timeLimit(.minutes(170)))
  func `sets of rules do the same as their scripts`() async throws {
    let (seed, cases) = (Self.seed, Self.cases ?? 1_000)
    let oracle = PigeonholeOracle.isPresent ? try PigeonholeOracle() : nil
    var random = SeededRandom(seed: seed)
    var (scripts, differences) = (0, 0)
    for index in 0..<cases {
      var maker = RandomRules(random: random)
      let values = (0..<maker.random.number(1...4)).map { maker.rule($0) }
      random = maker.random
      let one = try Self.make(values, &random)
      if one.script != nil { scripts += 1 }
      // A process of the oracle takes longer than a thousand runs of ours; where the number was chosen there is time.
      let asks = Self.cases != nil || index % 10 == 0
      if try await !compare(one, asks ? oracle : nil, seed: seed) { differences += 1 }
      guard differences < 5 else { return }
    }
    #expect(scripts > cases / 2, "\(scripts) of \(cases) have scripts")
  }

  @Test(.timeLimit(.minutes(170)), .enabled(if: PigeonholeOracle.isPresent))
  func `conditions hold for the same messages`() async throws {
    let (seed, perRun) = (Self.seed &+ 1, 40)
    let oracle = try PigeonholeOracle()
    var random = SeededRandom(seed: seed)
    for _ in 0..<((Self.cases ?? 1_000) * 9 / 10 / perRun + 1) {
      var maker = RandomRules(random: random)
      let values = (0..<perRun).map { number in
        let copy = JSONValue.object([
          .init(name: "type", value: .string("copy")),
          .init(name: "mailbox", value: .string("r\(number)")),
        ])
        return maker.rule(number, actions: [copy], stops: false)
      }
      random = maker.random
      let one = try Self.make(values, &random)
      #expect(one.script != nil)
      guard try await compare(one, oracle, seed: seed) else { return }
    }
  }
}
