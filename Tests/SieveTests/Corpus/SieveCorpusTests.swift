import Bytes
import MIME
import Sieve
import TestSupport
import Testing

/// Every case of the corpus does what its manifest says.
@Suite("Sieve corpus", .enabled(if: SieveCorpusCase.folder != nil)) struct SieveCorpusTests {
  static func cases(_ kind: String) -> [SieveCorpusCase] {
    SieveCorpusCase.all.filter { $0.kind == kind }
  }

  @Test func `no case is of a kind that no test here knows`() {
    let known: Set = [
      "pass-marker", "simulate", "compile-error", "compile-ok", "actions", "two-phase",
    ]
    #expect(SieveCorpusCase.all.count >= 135)
    #expect(SieveCorpusCase.all.allSatisfy { known.contains($0.kind) })
  }

  @Test(arguments: cases("pass-marker"))
  func `a script that marks itself passed is right`(_ one: SieveCorpusCase) throws {
    let outcome = try one.outcome()
    #expect(outcome.error == nil)
    #expect(outcome.mailboxes.filter { $0 == "PASS" }.count == 1)
    #expect(!outcome.mailboxes.contains("FAIL"))
  }

  @Test(arguments: cases("compile-error"))
  func `a script that is wrong does not compile`(_ one: SieveCorpusCase) throws {
    #expect(throws: ScriptErrors.self) { try one.compile(one.entry) }
  }

  @Test(arguments: cases("compile-ok"))
  func `a script that is right compiles`(_ one: SieveCorpusCase) throws {
    _ = try one.compile(one.entry)
  }

  @Test(arguments: cases("actions"))
  func `the actions come in their order`(_ one: SieveCorpusCase) throws {
    let outcome = try one.outcome()
    #expect(outcome.error == nil)
    let wanted = (one.expected["actions"]?.arrayValue ?? []).map { action in
      let target = action["mailbox"]?.stringValue ?? action["address"]?.stringValue ?? ""
      return "\(action["type"]?.stringValue ?? "") \(target)"
    }
    #expect(outcome.summary == wanted)
    #expect(outcome.isImplicitlyKept == (one.expected["implicit_keep"]?.boolValue ?? false))
  }

  @Test(arguments: cases("simulate"))
  func `the end result is what others come to`(_ one: SieveCorpusCase) throws {
    let outcome = try one.outcome()
    func texts(_ key: String) -> [String] {
      (one.expected[key]?.arrayValue ?? []).compactMap(\.stringValue).sorted()
    }
    #expect(outcome.error == nil)
    #expect(outcome.mailboxes.sorted() == texts("fileinto"))
    #expect(outcome.redirects.sorted() == texts("redirect"))
    #expect(outcome.isKept == (one.expected["keep"]?.boolValue ?? false))
    #expect(outcome.isAnswered == (one.expected["vacation"]?.boolValue ?? false))
    #expect(outcome.isRejected == (one.expected["reject"]?.boolValue ?? false))
    #expect(outcome.flags.map { $0.lowercased() }.sorted() == texts("flags"))
  }

  @Test(arguments: cases("two-phase"))
  func `what was stored or sent is what it should be`(_ one: SieveCorpusCase) throws {
    let outcome = try one.outcome()
    for check in one.entry["checks"]?.arrayValue ?? [] {
      let place = check["on"]?.stringValue ?? ""
      let index = Int(check["index"]?.intValue ?? 0)
      let found = try one.messages(of: outcome, at: place)
      if check["expected"]?["absent"]?.boolValue == true {
        #expect(found.count <= index)
        continue
      }
      try #require(found.count > index)
      let (message, envelope) = found[index]
      let result = try one.run(try one.compile(check), message, envelope)
      #expect(result.mailboxes == ["PASS"])
    }
  }
}

extension ScriptOutcome {
  var mailboxes: [String] {
    actions.compactMap { if case .fileInto(let mailbox, _) = $0 { mailbox } else { nil } }
  }

  var redirects: [String] {
    actions.compactMap { if case .redirect(let redirect) = $0 { redirect.address } else { nil } }
  }

  /// The type and the target of each action, a keep as Pigeonhole prints it.
  var summary: [String] {
    actions.map { action in
      switch action {
      case .keep: "fileinto INBOX"
      case .fileInto(let mailbox, _): "fileinto \(mailbox)"
      case .discard: "discard "
      case .redirect(let redirect): "redirect \(redirect.address)"
      case .reject: "reject "
      case .vacation: "vacation "
      case .notify(let notification): "notify \(notification.method)"
      }
    }
  }

  var isKept: Bool {
    isImplicitlyKept || actions.contains { if case .keep = $0 { true } else { false } }
  }

  var isAnswered: Bool { actions.contains { if case .vacation = $0 { true } else { false } } }
  var isRejected: Bool { actions.contains { if case .reject = $0 { true } else { false } } }

  /// The flags of all copies of the message that stay.
  var flags: Set<String> {
    var flags = isImplicitlyKept ? Set(implicitKeep.flags) : []
    for action in actions {
      switch action {
      case .keep(let delivery), .fileInto(_, let delivery): flags.formUnion(delivery.flags)
      default: break
      }
    }
    return flags
  }
}

extension SieveCorpusCase {
  /// The messages that an outcome sends (`sent`) or stores (`stored:mailbox`), with their envelopes.
  func messages(
    of outcome: ScriptOutcome,
    at place: String
  ) throws -> [(message: [UInt8], envelope: ScriptEnvelope)] {
    let original = LineEnds.canonical(try #require(text("message").flatMap { Self.file($0) }))
    var found: [(message: [UInt8], envelope: ScriptEnvelope)] = []
    for action in outcome.actions {
      if place == "sent" {
        let sent = try sent(by: action, original)
        if let sent { found.append(sent) }
      } else if case .fileInto(let mailbox, let delivery) = action,
        place == "stored:\(mailbox)"
      {
        found.append((delivery.message ?? original, envelope))
      }
    }
    return found
  }

  private func sent(
    by action: ScriptAction,
    _ original: [UInt8]
  ) throws -> (message: [UInt8], envelope: ScriptEnvelope)? {
    let date = MIMEDate(seconds: 1_795_608_000)
    switch action {
    case .redirect(let redirect):
      let message = redirect.outgoing(original, for: envelope)
      return (message, ScriptEnvelope(from: envelope.from, to: redirect.address))
    case .vacation(let vacation):
      guard vacation.suppression == nil else { return nil }
      let message = try vacation.message(
        to: envelope,
        date: date,
        messageID: "reply@example.org",
        boundarySeed: [1, 2, 3, 4]
      )
      return (message, ScriptEnvelope(from: "", to: envelope.from))
    case .reject(let reason, _):
      let notice = RejectionNotice(reason: reason, original: original, envelope: envelope)
      guard let notice else { return nil }
      let message = notice.message(date: date, messageID: "refusal@example.org")
      return (message, ScriptEnvelope(from: "", to: envelope.from))
    default: return nil
    }
  }
}
