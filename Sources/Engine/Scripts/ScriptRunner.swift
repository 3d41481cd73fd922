import Bytes
import Crypto
import Logging
import MIME
import Model
import Rules
import Sieve
import Store

/// Runs an account's active script on new messages, in the place of its rules.
///
/// The interpreter asks what it cannot know; what only the database knows is looked up, and the script runs anew. What it wants comes
/// out as the effect that rules have, and is carried out like one.
struct ScriptRunner {
  /// How often one message may have the script run anew for an answer.
  private static let longestDialogue = 64

  let record: ScriptRecord
  let account: AccountRules
  /// Nil where it does not compile any more, since one that it includes has changed.
  private let script: Script?
  /// What is wrong with it then.
  private let fault: ScriptError?
  /// Whether the script, or one that it includes, sends anything.
  let sends: Bool
  let services: EngineServices

  /// A runner of a script that is stored.
  init(
    _ record: ScriptRecord,
    _ account: AccountRules,
    among scripts: [ScriptRecord],
    _ services: EngineServices
  ) {
    self.record = record
    self.account = account
    self.services = services
    do throws(ScriptErrors) {
      script = try ServiceScript.compile(record.content ?? [], among: ScriptTexts(scripts))
      fault = nil
    } catch {
      script = nil
      fault = error.errors.first
    }
    sends = scripts.contains { ServiceScript.sends($0.content ?? []) }
  }

  /// What the script wants to be done with a new message.
  func effect(
    of arrival: RuleArrival,
    _ reader: RuleMessageReader,
    _ hands: RuleHands
  ) async throws -> RuleEffect {
    var needs = RuleNeeds()
    needs.wholeHeader = true
    needs.envelope = true
    needs.body = script?.needsBody == true || sends
    guard
      let stored = try await reader.message(
        arrival.message,
        needs: needs,
        envelope: arrival.envelope
      )
    else { return RuleEffect() }
    var message = ScriptMessage(header: stored.message.header, size: Int(stored.message.size))
    message.parsed = stored.message.parsed
    let now = services.now()
    let outcome = try await run(on: message, stored.message.envelope, now)
    let plan = ScriptPlan(
      account: account,
      now: now,
      envelope: stored.message.envelope,
      raw: stored.message.parsed,
      hands: hands
    )
    var (effect, refused) = try await plan.effect(of: outcome, on: stored)
    effect.script = plan.log(of: outcome).map {
      RuleEffect.ScriptRun(
        script: record.id,
        name: record.name,
        actions: $0,
        refused: refused.map(\.json)
      )
    }
    if let error = outcome.error {
      services.logger.notice(
        "script failed",
        metadata: ["script": "\(record.id)", "cause": "\(error)"]
      )
    }
    return effect
  }

  private func run(
    on message: ScriptMessage,
    _ envelope: ScriptEnvelope,
    _ now: Timestamp
  ) async throws -> ScriptOutcome {
    guard let script else {
      return ScriptOutcome(
        failure: fault ?? ScriptError(line: 1, column: 1, message: "the script is wrong")
      )
    }
    var host = ArrivalHost(account: account, now: now)
    for _ in 0..<Self.longestDialogue {
      switch script.run(on: message, envelope: envelope, host: host) {
      case .finished(let outcome): return outcome
      case .needs(.wasSeen(let mark)):
        host.seen[mark] = try await services.store.hasMark(
          mark.digest,
          of: account.account.id,
          at: now
        )
      case .needs(let question):
        throw ServiceError(
          .internalError,
          "An internal error occurred.",
          cause: "no answer to \(question)"
        )
      }
    }
    return ScriptOutcome(
      failure: ScriptError(
        line: 1,
        column: 1,
        message: "the script asks more than \(Self.longestDialogue) times what it has seen"
      )
    )
  }
}

extension DuplicateMark {
  /// What it is remembered by.
  var digest: [UInt8] { Digest.sha256(Array("\(handle)\u{0}\(id)".utf8)) }
}

/// What a script may know of the account whose new mail it looks at.
private struct ArrivalHost: ScriptHost {
  let account: AccountRules
  let now: Timestamp
  /// What was asked for and found out.
  var seen: [DuplicateMark: Bool] = [:]

  init(account: AccountRules, now: Timestamp) {
    self.account = account
    self.now = now
  }

  func answer(_ question: ScriptQuestion) -> ScriptAnswer? {
    switch question {
    case .now: .number(now.seconds)
    case .zoneOffset: .number(0)
    case .mailboxExists(let path): .flag(account.mailboxes.contains { $0.path.isPath(path) })
    case .mailboxIDExists(let id):
      .flag(account.mailboxes.contains { $0.id.description == id })
    case .specialUseExists(let use, let path):
      .flag(
        account.mailboxes.contains { mailbox in
          mailbox.role == use.role && path.map { mailbox.path.isPath($0) } ?? true
        }
      )
    case .wasSeen(let mark): seen[mark].map { .flag($0) }
    case .isInList(let name, let value):
      .flag(account.list(name)?.contains { $0.lowercased() == value.lowercased() } ?? false)
    case .listExists(let name): .flag(account.list(name) != nil)
    case .isOwnAddress(let address):
      .flag(account.account.ownAddresses.contains { $0.lowercased() == address.lowercased() })
    case .environment(let name): .text(Self.environment[name])
    case .notifyCapability(_, let name): .text(name == "online" ? "maybe" : nil)
    case .metadata, .spamPercent, .virusLevel: .text(nil)
    }
  }

  private static let environment = ["name": "Restante", "location": "MS", "phase": "post"]
}

extension AccountRules {
  /// The entries of a list that a script names by its id (RFC 6134 §2.5).
  func list(_ name: String) -> [String]? {
    ID<AddressListing>(text: name).flatMap { lists[$0] }
  }
}

extension String {
  /// Whether it is the path that a script names; that of the inbox counts in any case.
  func isPath(_ path: String) -> Bool {
    self == path || (uppercased() == "INBOX" && path.uppercased() == "INBOX")
  }

  /// The role of JMAP that a special use of IMAP is (RFC 8621 §2).
  var role: String { String(drop { $0 == "\\" }).lowercased() }
}
