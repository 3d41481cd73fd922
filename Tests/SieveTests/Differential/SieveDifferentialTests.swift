import Foundation
import MIME
import Sieve
import TestSupport
import Testing

/// Random scripts on random messages come to the same actions here and in Pigeonhole.
///
/// `RESTANTE_SIEVE_CASES` sets how many (1,000 where it does not), and `RESTANTE_SEED` the seed, which a
/// difference prints. A case is a rule on a message, or a whole script on a message: forty rules with a
/// mailbox each go through one process of the oracle.
@Suite("Sieve against Pigeonhole", .enabled(if: PigeonholeOracle.isPresent))
struct SieveDifferentialTests {
  static let environment = ProcessInfo.processInfo.environment
  static let cases = environment["RESTANTE_SIEVE_CASES"].flatMap { Int($0) }
  static let rulesPerRun = 40

  static var seed: UInt64 {
    environment["RESTANTE_SEED"].flatMap { UInt64($0) }
      ?? (cases == nil ? 1 : UInt64.random(in: 0 ... .max))
  }

  @Test(.timeLimit(.minutes(170)))
  func `rules match the same messages, and wildcards the same text`() async throws {
    let oracle = try PigeonholeOracle()
    let runs = (cases * 9 / 10 + Self.rulesPerRun - 1) / Self.rulesPerRun
    try await compare(oracle, runs: runs, seed: Self.seed) { random in
      var script = RandomScript(random: random)
      defer { random = script.random }
      return script.rules(Self.rulesPerRun)
    }
  }

  @Test(.timeLimit(.minutes(170)))
  func `scripts take the same actions, in the same order`() async throws {
    let oracle = try PigeonholeOracle()
    try await compare(oracle, runs: (cases + 9) / 10, seed: Self.seed &+ 1) { random in
      var script = RandomScript(random: random)
      defer { random = script.random }
      return script.program()
    }
  }

  private var cases: Int { Self.cases ?? 1_000 }

  private func compare(
    _ oracle: PigeonholeOracle,
    runs: Int,
    seed: UInt64,
    _ script: (inout SeededRandom) -> String
  ) async throws {
    var random = SeededRandom(seed: seed)
    var (differences, crashes) = (0, 0)
    for _ in 0..<runs {
      let source = script(&random)
      let message = RandomMail.make(&random)
      let theirs = try await oracle.run(source, message)
      let ours = try Self.verdict(source, message)
      // An assertion of its own (pool_get_exp_grown_size) that some long captures run into.
      if theirs.hasCrashed {
        crashes += 1
        continue
      }
      guard ours != theirs else { continue }
      Issue.record("seed \(seed)\n\(Self.explain(source, message, ours, theirs))")
      differences += 1
      guard differences < 20 else { return }
    }
    #expect(crashes <= runs / 20, "\(crashes) of \(runs) runs say nothing")
  }

  /// What we make of a script on a message, in the oracle's words.
  static func verdict(
    _ script: String,
    _ message: String,
    from: String = "sender@example.com",
    to: String = "user+tag@example.org"
  ) throws -> PigeonholeOracle.Verdict {
    var verdict = PigeonholeOracle.Verdict()
    var limits = SieveLimits()
    limits.actions = 1_000
    limits.redirects = 1_000
    let compiled = try Script(compiling: Array(script.utf8), limits: limits)
    let result = compiled.run(
      on: ScriptMessage(MessageParser.parse(Array(message.utf8))),
      envelope: ScriptEnvelope(from: from, to: to),
      host: TestHost(),
      limits: limits
    )
    guard case .finished(let outcome) = result else { throw CorpusProblem(text: "\(result)") }
    verdict.hasFailed = outcome.error != nil
    verdict.output = outcome.error?.description ?? ""
    verdict.isImplicitlyKept = outcome.isImplicitlyKept
    verdict.actions = outcome.actions.map(action)
    if outcome.isImplicitlyKept, !outcome.implicitKeep.flags.isEmpty {
      verdict.actions.append("implicit\(flags(outcome.implicitKeep))")
    }
    return verdict
  }

  private static func action(_ action: ScriptAction) -> String {
    switch action {
    case .keep(let delivery): "store INBOX\(flags(delivery))"
    case .fileInto(let mailbox, let delivery):
      "store \(PigeonholeOracle.shortened(mailbox))\(flags(delivery))"
    case .discard: "discard"
    case .redirect(let redirect): "redirect \(redirect.address)"
    case .reject: "reject"
    case .vacation: "vacation"
    case .notify: "notify"
    }
  }

  private static func flags(_ delivery: ScriptDelivery) -> String {
    guard !delivery.flags.isEmpty else { return "" }
    return " flags=\(delivery.flags.map { $0.lowercased() }.sorted().joined(separator: " "))"
  }

  private static func explain(
    _ script: String,
    _ message: String,
    _ ours: PigeonholeOracle.Verdict,
    _ theirs: PigeonholeOracle.Verdict
  ) -> String {
    let (one, other) = (Set(ours.actions), Set(theirs.actions))
    let only = (
      ours.actions.filter { !other.contains($0) }, theirs.actions.filter { !one.contains($0) }
    )
    // Of forty rules only those that differ are worth reading.
    let numbers = (only.0 + only.1).compactMap { action -> String? in
      guard action.hasPrefix("store r") else { return nil }
      return "\"r\(action.dropFirst(7).prefix { $0.isNumber })"
    }
    let lines = script.split(separator: "\n").filter { line in
      numbers.isEmpty || numbers.contains { line.contains("\($0)\"") || line.contains("\($0) ") }
    }
    return """
      only ours: \(only.0)
      only theirs: \(only.1)
      ours kept \(ours.isImplicitlyKept) failed \(ours.hasFailed) \(ours.output) \(ours.actions)
      theirs kept \(theirs.isImplicitlyKept) failed \(theirs.hasFailed) \(theirs.actions)
      \(theirs.hasFailed ? theirs.output : "")
      \(lines.joined(separator: "\n"))
      \(message)
      """
  }
}
