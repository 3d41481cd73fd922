import Bytes
import Logging
import Model
import Net
import Rules
import Store
import Synchronization

/// Has the rules of each account look at its new messages, in the order in which they came, once each.
///
/// A message waits in `rule_arrival` from the transaction on that stored it. What its rules want is done in the transaction that
/// takes it from there: moves and keywords as intents, mail as submissions. So a crash at any moment leaves it either to
/// be looked at or done with. An account has one task at a time; one whose server does not answer holds up no other.
final class RuleWorker: Sendable {
  /// The kinds of its jobs.
  static let runKind = "runRules"
  static let undoKind = "undoRules"
  static let kinds = [runKind, undoKind]
  /// How long mail may gather between what wakes the rules and their look at it.
  private static let gap: Duration = .milliseconds(10)

  private let loop: EventLoop
  private let services: EngineServices
  private let hands: RuleHands
  private let signal = LoopSignal()
  private let busy = Mutex<Set<ID<Account>>>([])
  private let waits: Mutex<RuleJobWaits>
  private let cache = ArrivalRuleCache()

  init(on loop: EventLoop, _ services: EngineServices, _ hands: RuleHands) {
    self.loop = loop
    self.services = services
    self.hands = hands
    waits = Mutex(
      RuleJobWaits(
        first: services.configuration.firstRuleBackoff,
        longest: services.configuration.longestRuleJobBackoff
      )
    )
  }

  private var store: Store { services.store }
  private var configuration: EngineConfiguration { services.configuration }

  /// Runs until the task is cancelled.
  func run() async {
    let (loop, signal) = (loop, signal)
    store.arrivals.listen { signal.notify(.inbox) }
    defer { store.arrivals.listen(nil) }
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        // One moment for who waits and until when: what comes to its turn in between is not missed.
        let now = Deadline.now
        var deadline = now + configuration.ruleLook
        do {
          for (account, arrivals) in try await next() {
            group.addTask(executorPreference: loop) { await self.filter(arrivals, of: account) }
          }
          try await RuleSchedule(services: services).queue()
          for (account, job) in try await nextJobs(at: now) {
            group.addTask(executorPreference: loop) { await self.run(job, of: account) }
          }
        } catch {
          services.logger.warning("arrivals not read", metadata: ["cause": "\(error)"])
          deadline = .now + .seconds(1)
        }
        if let next = waits.withLock({ $0.next(after: now) }) { deadline = min(deadline, next) }
        _ = await signal.wait(until: deadline, on: loop)
        await gather()
      }
    }
  }

  /// Lets mail that comes in by the hundred gather: each look asks the database three times.
  private func gather() async {
    do throws(NetError) {
      try await loop.sleep(until: .after(Self.gap))
    } catch {
      return  // Cancelled; the caller's loop ends.
    }
  }

  /// The arrivals to look at next by account, each of which counts as busy from here on.
  private func next() async throws(ServiceError) -> [ID<Account>: [RuleArrival]] {
    let taken = busy.withLock { $0 }
    guard taken.count < configuration.ruleConcurrency else { return [:] }
    let due = try await store.dueArrivals(
      at: services.now(),
      busy: Array(taken),
      limit: configuration.ruleBatch
    )
    let groups = Dictionary(grouping: due, by: \.account)
    busy.withLock { $0.formUnion(groups.keys) }
    return groups
  }

  /// The jobs to go on with by account, each of which counts as busy from here on.
  private func nextJobs(
    at now: Deadline
  ) async throws(ServiceError) -> [ID<Account>: JobRecord] {
    let taken = busy.withLock { $0 }
    guard taken.count < configuration.ruleConcurrency else { return [:] }
    var jobs: [ID<Account>: JobRecord] = [:]
    let unfinished = try await store.unfinishedJobs(
      ofKinds: Self.kinds,
      busy: Array(taken),
      waiting: waits.withLock { $0.waiting(at: now) }
    )
    for job in unfinished {
      if let account = job.accountID { jobs[account] = job }
    }
    busy.withLock { $0.formUnion(jobs.keys) }
    return jobs
  }

  private func run(_ record: JobRecord, of account: ID<Account>) async {
    await during(account) {
      let job = RuleJob(record: record, services: services, hands: hands)
      var isOver = false
      do {
        if record.kind == Self.undoKind {
          try await job.undo()
          isOver = true
        } else {
          isOver = try await job.run()
        }
      } catch {
        services.logger.notice(
          "a job of rules has to wait",
          metadata: ["job": "\(record.id)", "cause": "\(error)"]
        )
      }
      waits.withLock { waits in
        if isOver {
          waits.forget(record.id)
        } else {
          waits.putOff(record.id, done: record.done, at: .now)
        }
      }
    }
  }

  private func filter(_ arrivals: [RuleArrival], of account: ID<Account>) async {
    await during(account) {
      let known = try await cache.rules(of: account, services)
      let script = try await activeScript(known.account)
      for arrival in arrivals where !Task.isCancelled {
        try await filter(arrival, known, script)
      }
    }
  }

  /// Runs `body` and lets others have the account after it.
  private func during(_ account: ID<Account>, _ body: () async throws -> Void) async {
    do {
      try await body()
    } catch {
      services.logger.notice(
        "rules not run",
        metadata: ["account": "\(account)", "cause": "\(error)"]
      )
      // The database is away, most likely: not at once again.
      do {
        try await loop.sleep(until: .now + .seconds(1))
      } catch {
        // Cancelled.
      }
    }
    _ = busy.withLock { $0.remove(account) }
    signal.notify(.inbox)
  }

  /// The script that runs in the place of the account's rules; nil where the rules run.
  private func activeScript(_ known: AccountRules) async throws -> ScriptRunner? {
    guard let record = try await store.activeScript(of: known.account.id) else { return nil }
    let scripts = try await store.scripts(of: known.account.id, atServer: false)
    return ScriptRunner(record, known, among: scripts, services)
  }

  /// One message; where that fails it waits, for longer each time.
  private func filter(
    _ arrival: RuleArrival,
    _ known: ArrivalRules,
    _ script: ScriptRunner?
  ) async throws {
    do {
      let effect = try await self.effect(of: arrival, known, script)
      guard try await store.settleArrival(arrival, effect) else { return }
      hands.wake(arrival.account, hasSent: !effect.submissions.isEmpty || effect.reply != nil)
    } catch {
      guard !Task.isCancelled else { return }
      guard arrival.attempts + 1 >= configuration.ruleAttempts else {
        return try await putOff(arrival)
      }
      try await giveUp(arrival, error)
    }
  }

  private func putOff(_ arrival: RuleArrival) async throws {
    let wait = Backoff.delay(
      after: arrival.attempts,
      first: configuration.firstRuleBackoff,
      longest: configuration.longestRuleBackoff
    )
    let until = services.now().microseconds + Int64(wait / .microseconds(1))
    try await store.putOffArrival(arrival, until: .init(microseconds: until))
  }

  /// Leaves a message as it is, and says so where its user looks; what the database does not take even so is tried
  /// again at the longest interval.
  private func giveUp(_ arrival: RuleArrival, _ error: any Error) async throws {
    services.logger.notice(
      "rules given up on a message",
      metadata: ["message": "\(arrival.message)", "cause": "\(error)"]
    )
    var effect = RuleEffect()
    effect.failure = (error as? ServiceError)?.message ?? "The rules could not be run."
    do {
      try await store.settleArrival(arrival, effect)
    } catch {
      try await putOff(arrival)
    }
  }

  private func effect(
    of arrival: RuleArrival,
    _ known: ArrivalRules,
    _ script: ScriptRunner?
  ) async throws -> RuleEffect {
    let (account, now, hands) = (known.account, services.now(), hands)
    let reader = RuleMessageReader(account: account, store: store) {
      try await hands.read($0, $1, of: $2)
    }
    if let script, arrival.trigger == .delivery {
      guard script.record.activatedAt <= arrival.at else { return RuleEffect() }
      return try await script.effect(of: arrival, reader, hands)
    }
    let rules = known.rules(for: arrival)
    guard !rules.rules.isEmpty else { return RuleEffect() }
    let needs = RuleNeeds(of: rules.rules)
    guard
      let message = try await reader.message(
        arrival.message,
        needs: needs,
        envelope: arrival.envelope
      )
    else { return RuleEffect() }
    let run = RuleRun(rules, on: message.message, now: now, explains: false)
    guard !run.matched.isEmpty else { return RuleEffect() }
    var plan = RulePlan(rules.rules, account: account, now: now, reader: reader, hands: hands)
    plan.envelope = arrival.envelope
    let role = arrival.trigger == .outbound ? "sent" : "inbox"
    let sources = account.mailboxes.filter { $0.role == role }.map(\.id)
    return try await plan.effect(of: run, on: message, in: sources, sends: true)
  }
}
