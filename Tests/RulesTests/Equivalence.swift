import Bytes
import MIME
import Model
import Sieve
import Testing

@testable import Rules

/// What a run came to, in a form in which the service's, our Sieve's and another's can be compared.
struct RunSummary: Equatable, CustomStringConvertible {
  var isKept = false
  var mailboxes: Set<String> = []
  /// What the message carries wherever it is filed.
  var flags: Set<String> = []
  var redirects: Set<String> = []
  var replies = false
  /// How many are told of it.
  var notifies = 0
  /// The header that it has wherever it is filed, where a rule changed it.
  var header: String?

  var description: String {
    "kept \(isKept) in \(mailboxes.sorted()) flags \(flags.sorted()) to \(redirects.sorted()) replies \(replies) tells \(notifies) header \(header ?? "as it was")"
  }
}

/// Runs of rules and of scripts, made comparable.
enum Equivalence {
  /// A host that knows the clock and whose addresses are whose.
  struct Host: ScriptHost {
    func answer(_ question: ScriptQuestion) -> ScriptAnswer? {
      switch question {
      case .now: .number(RuleFixture.now.seconds)
      case .zoneOffset: .number(0)
      case .isOwnAddress(let address):
        .flag(RuleFixture.own.contains(address.lowercased()))
      case .environment, .metadata: .text(nil)
      default: .flag(false)
      }
    }
  }

  /// What a script makes of a message.
  static func run(_ script: Script, _ message: RuleMessage) throws -> ScriptOutcome {
    let parsed = try #require(message.parsed)
    var limits = SieveLimits()
    limits.actions = 1000
    limits.redirects = 1000
    let result = script.run(
      on: ScriptMessage(parsed),
      envelope: message.envelope,
      host: Host(),
      limits: limits
    )
    guard case .finished(let outcome) = result else {
      Issue.record("\(result)")
      return ScriptOutcome(failure: ScriptError(line: 0, column: 0, message: "asks"))
    }
    return outcome
  }

  static func summary(
    _ run: RuleRun,
    among mailboxes: [ScriptTarget.Mailbox]
  ) -> RunSummary {
    let disposition = run.disposition
    var summary = RunSummary()
    summary.isKept = disposition.isKept
    for name in disposition.mailboxes {
      switch name.find(in: mailboxes) {
      case .existing(let mailbox): summary.mailboxes.insert(mailbox.path)
      case .missing(let path): summary.mailboxes.insert(path)
      case .unknown, .impossible: summary.mailboxes.insert(name.text)
      }
    }
    if summary.isKept || !summary.mailboxes.isEmpty {
      summary.flags = Set(disposition.addedKeywords.map { ScriptText.flag($0).lowercased() })
      if !run.edits.isEmpty { summary.header = text(run.message.header) }
    }
    summary.redirects = Set(disposition.redirects.map { $0.lowercased() })
    summary.replies = disposition.reply != nil
    summary.notifies = disposition.notifications.count
    return summary
  }

  static func summary(_ outcome: ScriptOutcome) -> RunSummary {
    var summary = RunSummary()
    if let error = outcome.error { Issue.record("\(error)") }
    summary.isKept = outcome.isImplicitlyKept
    var deliveries = outcome.isImplicitlyKept ? [outcome.implicitKeep] : []
    for action in outcome.actions {
      switch action {
      case .keep(let delivery):
        summary.isKept = true
        deliveries.append(delivery)
      case .fileInto(let mailbox, let delivery):
        summary.mailboxes.insert(mailbox)
        deliveries.append(delivery)
      case .redirect(let redirect): summary.redirects.insert(redirect.address.lowercased())
      case .vacation: summary.replies = true
      case .notify: summary.notifies += 1
      case .discard, .reject: break
      }
    }
    summary.flags = Set(deliveries.flatMap(\.flags).map { $0.lowercased() })
    for case .some(let message) in deliveries.map(\.message) {
      let header = text(HeaderFields(parsing: message))
      if let other = summary.header, other != header { Issue.record("two headers: \(header)") }
      summary.header = header
    }
    return summary
  }

  private static func text(_ header: HeaderFields) -> String {
    String(decoding: header.fieldBytes, as: UTF8.self)
  }
}
