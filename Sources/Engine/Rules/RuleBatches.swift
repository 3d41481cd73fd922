import Model
import Rules
import Store

/// Reads stored messages a batch at a time, and says what the rules of a job do with them.
struct RuleBatches {
  private var account: AccountRules
  private let rules: CompiledRules
  private let needs: RuleNeeds
  private let services: EngineServices
  private let hands: RuleHands
  private var plan: RulePlan
  private var reader: RuleMessageReader

  init(
    _ account: AccountRules,
    _ rules: CompiledRules,
    services: EngineServices,
    hands: RuleHands
  ) {
    self.account = account
    self.rules = rules
    self.services = services
    self.hands = hands
    needs = RuleNeeds(of: rules.rules)
    reader = Self.reader(account, services, hands)
    plan = Self.plan(rules, account, services, hands, reader)
  }

  private static func reader(
    _ account: AccountRules,
    _ services: EngineServices,
    _ hands: RuleHands
  ) -> RuleMessageReader {
    RuleMessageReader(account: account, store: services.store) {
      try await hands.read($0, $1, of: $2)
    }
  }

  private static func plan(
    _ rules: CompiledRules,
    _ account: AccountRules,
    _ services: EngineServices,
    _ hands: RuleHands,
    _ reader: RuleMessageReader
  ) -> RulePlan {
    RulePlan(
      rules.rules,
      account: account,
      now: services.now(),
      reader: reader,
      hands: hands
    )
  }

  /// Messages as far as the rules look at them; those that are gone are left out.
  func read(_ messages: ArraySlice<ID<Message>>) async throws -> [StoredRuleMessage] {
    messages.isEmpty ? [] : try await reader.messages(Array(messages), needs: needs)
  }

  /// What the rules do with messages, each of which `summary` counts.
  mutating func effects(
    on messages: [StoredRuleMessage],
    _ summary: inout RuleSummary
  ) async throws -> [(message: ID<Message>, effect: RuleEffect)] {
    let now = services.now()
    var effects: [(message: ID<Message>, effect: RuleEffect)] = []
    for stored in messages {
      let run = RuleRun(rules, on: stored.message, now: now, explains: false)
      summary.count(run, sends: false)
      guard !run.matched.isEmpty else { continue }
      let effect = try await plan.effect(of: run, on: stored, in: stored.mailboxes, sends: false)
      // What looks at the same mail again and again tells of what it did, not of what it found done.
      if effect.changes(stored) { effects.append((stored.id, effect)) }
    }
    return effects
  }

  /// Whether a mailbox was made that the next batch may name another way.
  var hasMadeMailboxes: Bool { plan.hasMadeMailboxes }

  /// Looks at the account's mailboxes again.
  mutating func refresh() async throws {
    account.mailboxes = try await services.store.mailboxes(of: account.account.id).mailboxes
    reader = Self.reader(account, services, hands)
    plan = Self.plan(rules, account, services, hands, reader)
  }
}

extension RuleEffect {
  /// Whether a message is another after it, or elsewhere.
  fileprivate func changes(_ stored: StoredRuleMessage) -> Bool {
    destroys || rewrite != nil || !patch.addKeywords.isEmpty || !patch.removeKeywords.isEmpty
      || !Set(patch.addMailboxes).isSubset(of: stored.mailboxes)
      || !Set(patch.removeMailboxes).isDisjoint(with: stored.mailboxes)
  }
}
