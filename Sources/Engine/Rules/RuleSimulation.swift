import MIME
package import Model
import Net
package import Rules
import Sieve
package import Store

/// What rules would do with one message.
package struct SimulatedMessage: Sendable {
  /// Nil for one that is not stored.
  package var message: ID<Message>?
  package var run: RuleRun
  /// What comes of it, and what of the rules' actions does not.
  package var effect: RuleEffect
  package var refused: [RefusedAction]
  /// Where the message is.
  package var mailboxes: [ID<Mailbox>]
  /// The mailboxes that rules put it into.
  package var targets: [RuleAction.MailboxName]

  /// Whether an action at any of these places is carried out.
  package func carriesOut(_ place: ActionPlace) -> Bool {
    !refused.contains { $0.place == place }
  }

  /// Whether anything is sent on, answered or told.
  package var sends: Bool {
    let places = run.redirectPlaces + run.notificationPlaces + [run.replyPlace].compactMap(\.self)
    return places.contains(where: carriesOut)
  }
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

  /// Counts one message, which is in `mailboxes`; what is as the rules want it already is not counted as changed.
  mutating func count(_ run: RuleRun, _ effect: RuleEffect, in mailboxes: [ID<Mailbox>]) {
    messages += 1
    if !run.matched.isEmpty { matched += 1 }
    if effect.destroys {
      discarded += 1
    } else if !Set(effect.patch.removeMailboxes).isDisjoint(with: mailboxes) {
      moved += 1
    } else if !Set(effect.patch.addMailboxes).isSubset(of: mailboxes) {
      copied += 1
    }
    if !effect.patch.addKeywords.isEmpty || !effect.patch.removeKeywords.isEmpty { marked += 1 }
    if effect.isEdited { edited += 1 }
  }

  /// Counts one message that is not done with yet.
  package mutating func count(_ simulated: SimulatedMessage) {
    count(simulated.run, simulated.effect, in: simulated.mailboxes)
    if simulated.sends { sent += 1 }
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
    var dry = RulePlan(known.rules, account: known, now: now, reader: reader, hands: hands)
    dry.isDry = true
    return try await serviceErrors(account) {
      var found: [SimulatedMessage] = []
      for id in messages {
        guard let stored = try await reader.message(id, needs: needs, envelope: nil) else {
          continue
        }
        let run = RuleRun(compiled, on: stored.message, now: now)
        found.append(try await simulated(run, on: stored, sends: false, by: &dry))
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
    var mailboxes: [ID<Mailbox>] = []
    var message = RuleMessage(
      parsed,
      envelope: reader.envelope(of: parsed.header, nil),
      receivedAt: now
    )
    for mailbox in known.mailboxes where mailbox.role == "inbox" {
      mailboxes = [mailbox.id]
      message.mailboxNames = [
        mailbox.id.description, "inbox", mailbox.name.lowercased(), mailbox.path.lowercased(),
      ]
    }
    let meant = rules ?? known.rules.enabled { $0 == .delivery }
    let run = RuleRun(meant, on: message, context: known.context(at: now))
    // It has no id yet, and is nowhere but on its way to the inbox.
    let coming = StoredRuleMessage(
      id: ID(0),
      message: message,
      mailboxes: mailboxes,
      isHereAlone: known.account.incoming.kind.hasLocalMailboxes
    )
    var dry = RulePlan(
      meant,
      account: known,
      now: now,
      reader: reader,
      hands: RuleHands(self)
    )
    dry.isDry = true
    return try await serviceErrors(account) {
      var found = try await simulated(run, on: coming, sends: true, by: &dry)
      found.message = nil
      return found
    }
  }

  private func simulated(
    _ run: RuleRun,
    on stored: StoredRuleMessage,
    sends: Bool,
    by plan: inout RulePlan
  ) async throws -> SimulatedMessage {
    let outcome = try await plan.outcome(of: run, on: stored, in: stored.mailboxes, sends: sends)
    return SimulatedMessage(
      message: stored.id,
      run: run,
      effect: outcome.effect,
      refused: outcome.refused,
      mailboxes: stored.mailboxes,
      targets: run.disposition.mailboxes.filter(plan.hasMailbox)
    )
  }
}
