import Bytes
import Model
import Rules
import Store
import Synchronization

/// The rules that look at what arrives, compiled once for all that came after each of them was enabled.
struct ArrivalRules: Sendable {
  private(set) var account: AccountRules
  private var all: [RuleArrival.Trigger: CompiledRules] = [:]
  private var latest: [RuleArrival.Trigger: Timestamp] = [:]

  init(_ account: AccountRules) {
    self.account = account
    for trigger in RuleArrival.Trigger.allCases {
      let chosen = Self.chosen(account, trigger) { _ in true }
      latest[trigger] = chosen.map(\.record.enabledAt).max()
      all[trigger] = Self.compiled(chosen.map(\.rule), account)
    }
  }

  private static func chosen(
    _ account: AccountRules,
    _ trigger: RuleArrival.Trigger,
    where isChosen: (RuleRecord) -> Bool
  ) -> [(record: RuleRecord, rule: Rule)] {
    zip(account.records, account.rules).filter { record, rule in
      rule.isEnabled && rule.trigger.rawValue == trigger.rawValue && isChosen(record)
    }.map { (record: $0, rule: $1) }
  }

  private static func compiled(_ rules: [Rule], _ account: AccountRules) -> CompiledRules {
    CompiledRules(rules, ownAddresses: account.account.ownAddresses, lists: account.lists)
  }

  func rules(for arrival: RuleArrival) -> CompiledRules {
    if let all = all[arrival.trigger], latest[arrival.trigger].map({ $0 <= arrival.at }) ?? true {
      return all
    }
    let rules = Self.chosen(account, arrival.trigger) { $0.enabledAt <= arrival.at }
    return Self.compiled(rules.map(\.rule), account)
  }

  /// The same with what else is new of the account; nil where that changes what its rules mean.
  func with(_ current: Account, _ mailboxes: [Mailbox]) -> ArrivalRules? {
    guard current.ownAddresses == account.account.ownAddresses else { return nil }
    var same = self
    same.account.account = current
    same.account.mailboxes = mailboxes
    return same
  }
}

/// The compiled rules of accounts that had mail of late: most of them are as they were when the next message comes.
final class ArrivalRuleCache: Sendable {
  private struct Entry {
    var stamp: [Int64]
    var rules: ArrivalRules
  }

  /// How many accounts are held; with one more all are forgotten.
  private static let limit = 256
  private let entries = Mutex<[ID<Account>: Entry]>([:])

  /// The rules of an account as they are now.
  func rules(
    of id: ID<Account>,
    _ services: EngineServices
  ) async throws(ServiceError) -> ArrivalRules {
    let store = services.store
    // Before what it is the stamp of: what changes in between is read again the next time.
    let stamp = try await store.ruleStamp(of: id)
    if let known = entries.withLock({ $0[id] }), known.stamp == stamp {
      guard let account = try await store.account(id) else { throw .notFound("account") }
      let mailboxes = try await store.mailboxes(of: id).mailboxes
      if let same = known.rules.with(account, mailboxes) { return same }
    }
    let fresh = ArrivalRules(try await services.accountRules(id))
    entries.withLock { entries in
      if entries.count >= Self.limit { entries = [:] }
      entries[id] = Entry(stamp: stamp, rules: fresh)
    }
    return fresh
  }
}
