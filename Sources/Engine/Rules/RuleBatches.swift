import Model
import Rules
import Store

/// Reads stored messages a batch at a time, and says what the rules of a job do with them.
struct RuleBatches {
  private var account: AccountRules
  private let rules: CompiledRules
  private let needs: RuleNeeds
  private let edits: Bool
  private let runsByClock: Bool
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
    runsByClock = rules.rules.contains { $0.trigger == .schedule }
    edits = rules.rules.contains { $0.actions.contains(where: \.edits) }
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

  /// Messages of a job as far as its rules look at them.
  struct Reading {
    var ids: [ID<Message>] = []
    /// Those of them that the rules cannot look at yet.
    var held: Set<ID<Message>> = []
    /// The others, but for those that are gone.
    var messages: [StoredRuleMessage] = []
  }

  /// Reads messages, but for those whose header the server has yet to change where the rules change it too.
  func read(_ ids: [ID<Message>]) async throws -> Reading {
    guard !ids.isEmpty else { return Reading() }
    // Before they are read: what is changed in between is read as it is then.
    let held = edits ? try await services.store.messagesInReplacement(ids, of: id) : []
    let free = ids.filter { !held.contains($0) }
    guard !free.isEmpty else { return Reading(ids: ids, held: held) }
    let messages = try await reader.messages(free, needs: needs)
    return Reading(ids: ids, held: held, messages: messages)
  }

  private var id: ID<Account> { account.account.id }

  /// What the rules do with messages, each of which `summary` counts.
  mutating func effects(
    on messages: [StoredRuleMessage],
    _ summary: inout RuleSummary
  ) async throws -> [(message: ID<Message>, effect: RuleEffect)] {
    let now = services.now()
    var effects: [(message: ID<Message>, effect: RuleEffect)] = []
    for stored in messages {
      let run = RuleRun(rules, on: stored.message, now: now, explains: false)
      guard !run.matched.isEmpty else {
        summary.count(run, RuleEffect(), in: stored.mailboxes)
        continue
      }
      let outcome = try await plan.outcome(
        of: run,
        on: stored,
        in: stored.mailboxes,
        sends: false
      )
      summary.count(run, outcome.effect, in: stored.mailboxes)
      // What looks at the same mail again and again tells of what it did, not of what it found done or could not do.
      let isTold = !runsByClock && outcome.refused.contains { $0.reason != .storedMail }
      if isTold || outcome.effect.changes(stored) { effects.append((stored.id, outcome.effect)) }
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
