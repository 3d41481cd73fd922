import MIME
package import Model
import Net
package import Rules
import Sieve
import Store

/// What rules would do with one message.
package struct SimulatedMessage: Sendable {
  /// Nil for one that is not stored.
  package var message: ID<Message>?
  package var run: RuleRun
}

/// What rules did, or would do, with some messages.
package struct RuleSummary: Sendable, Equatable {
  /// How many messages were looked at, and of how many any rule matched.
  package var messages = 0
  package var matched = 0
  /// How many are put away from where they were, are put elsewhere as well, and are deleted for good.
  package var moved = 0
  package var copied = 0
  package var discarded = 0
  /// How many gain or lose keywords.
  package var marked = 0
  /// How many have another header in the end.
  package var edited = 0
  /// How many are sent on or answered; of stored mail none is.
  package var sent = 0

  package init() {}

  /// Counts one message, of which nothing is sent on unless `sends`.
  package mutating func count(_ run: RuleRun, sends: Bool) {
    let disposition = run.disposition
    messages += 1
    if !run.matched.isEmpty { matched += 1 }
    if disposition.isDiscarded, run.redirectPlaces.isEmpty {
      discarded += 1
    } else if !disposition.isKept, !disposition.mailboxes.isEmpty {
      moved += 1
    } else if !disposition.mailboxes.isEmpty {
      copied += 1
    }
    if !disposition.addedKeywords.isEmpty || !disposition.removedKeywords.isEmpty { marked += 1 }
    if disposition.isEdited { edited += 1 }
    if sends, disposition.sends { sent += 1 }
  }
}

extension Rule.Trigger {
  /// Whether such a rule runs on stored mail where nothing else is said: those for what is sent, and for a time, do not.
  var appliesToStoredMail: Bool { self == .delivery || self == .stored }
}

extension [Rule] {
  /// The same, of which only those are enabled whose trigger is among these.
  package func enabled(for isMeant: (Rule.Trigger) -> Bool) -> [Rule] {
    map { rule in
      var rule = rule
      rule.isEnabled = rule.isEnabled && isMeant(rule.trigger)
      return rule
    }
  }
}

extension Engine {
  /// What the account's rules, or others in their place, would do with stored messages; nothing is done.
  ///
  /// Of the account's rules those run that `runRules` runs.
  package func simulate(
    _ rules: [Rule]?,
    on messages: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) -> [SimulatedMessage] {
    var known = try await services.accountRules(account)
    known.rules = rules ?? known.rules.enabled(for: \.appliesToStoredMail)
    let hands = RuleHands(self)
    let reader = RuleMessageReader(account: known, store: store) {
      try await hands.read($0, $1, of: $2)
    }
    let needs = RuleNeeds(of: known.rules.filter(\.isEnabled))
    let now = services.now()
    let compiled = CompiledRules(known.rules, context: known.context(at: now))
    return try await serviceErrors(account) {
      var found: [SimulatedMessage] = []
      for id in messages {
        guard let stored = try await reader.message(id, needs: needs, envelope: nil) else {
          continue
        }
        let run = RuleRun(compiled, on: stored.message, now: now)
        found.append(SimulatedMessage(message: id, run: run))
      }
      return found
    }
  }

  /// What the account's rules, or others in their place, would do with a message that comes now.
  package func simulate(
    _ rules: [Rule]?,
    onRaw raw: [UInt8],
    of account: ID<Account>
  ) async throws(ServiceError) -> SimulatedMessage {
    let known = try await services.accountRules(account)
    let now = services.now()
    let reader = RuleMessageReader(account: known, store: store) { _, _, _ in ([], false) }
    let parsed = MessageParser.parse(LineEnds.canonical(raw))
    var message = RuleMessage(
      parsed,
      envelope: reader.envelope(of: parsed.header, nil),
      receivedAt: now
    )
    for mailbox in known.mailboxes where mailbox.role == "inbox" {
      message.mailboxNames = [
        mailbox.id.description, "inbox", mailbox.name.lowercased(), mailbox.path.lowercased(),
      ]
    }
    let meant = rules ?? known.rules.enabled { $0 == .delivery }
    let run = RuleRun(meant, on: message, context: known.context(at: now))
    return SimulatedMessage(message: nil, run: run)
  }
}
