import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

/// One connection's life: what an account's worker does with it, from the login on.
///
/// It goes by turns. Each does what there is to do and says until when the next may wait; the worker
/// waits in between, and this object is all that is held meanwhile.
final class AccountSession: @unchecked Sendable {  // Confined to the worker's loop.
  /// What a turn came to.
  enum Turn {
    /// Nothing more is to be done before a wake, or this instant.
    case waits(until: Deadline?)
    /// Others wait for the connection, or it is of no more use.
    case gaveWay
  }

  /// Whether the account was looked at in full since it connected.
  private(set) var hasPassed = false
  private let worker: AccountWorker
  private let client: IMAPClient
  private let settings: BackendSettings
  /// Whether the account was never synced before.
  private let isNew: Bool
  private let told = ToldMailboxes()
  private let sweep = FlagSweep()
  private let listed = ListedMailboxes()
  private let replay: OperationReplay
  private let watching: Task<Void, Never>
  /// Told once the account's first sync has opened a mailbox: then the watch may.
  private let opened = LoopSignal()
  /// Whether a message that appears may be one that is known.
  private var rematches: Bool
  private let start = Deadline.now
  /// From when on the connection is too old for a list.
  private let wornAt: Deadline
  private var nextPoll = Deadline.now
  private var nextFlags = Deadline.now
  private var nextQuota = Deadline.now

  /// A session over `client`, which is logged in; begins to watch.
  init(
    _ worker: AccountWorker,
    _ record: Account,
    _ client: IMAPClient,
    _ secret: Secret?,
    rematches: Bool
  ) {
    self.worker = worker
    self.client = client
    self.rematches = rematches
    settings = record.incoming
    isNew = record.firstSyncedAt == nil
    let services = worker.services
    // Thousands that began together do not end so.
    wornAt = start + services.configuration.sessionLifetime * Double.random(in: 0.75...1)
    replay = OperationReplay(
      client: client,
      services: services,
      account: worker.account,
      sparesChanged: record.mode != .online,
      told: told,
      logger: worker.logger
    )
    let loop = worker.loop
    let patience = services.configuration.watchAnswer
    let watcher = InboxWatcher(
      account: worker.account,
      settings: record.incoming,
      secret: secret,
      services: services,
      signal: worker.signal,
      told: told,
      record: worker.record,
      logger: worker.logger,
      suspect: { Self.giveUp(client, after: patience, on: loop) }
    )
    worker.record.begin(.poll, at: services.now())
    let opened = isNew ? opened : nil
    watching = Task(executorPreference: loop) {
      // A server that never read the inbox has to when it is opened: the two connections would have it do so twice.
      if let opened { _ = await opened.wait(until: nil, on: loop) }
      if !Task.isCancelled { await watcher.run(on: loop) }
    }
  }

  /// Closes the connections, and waits for the end of the watch.
  func end() async {
    watching.cancel()
    client.close()
    await watching.value
    worker.record.end()
  }

  private var services: EngineServices { worker.services }
  private var configuration: EngineConfiguration { worker.services.configuration }
  private var store: Store { worker.services.store }
  private var account: ID<Account> { worker.account }

  /// Closes `client` where a command under way is not answered in the time that a probe has.
  private static func giveUp(_ client: IMAPClient, after patience: Duration, on loop: EventLoop) {
    let heard = client.lastHeard
    _ = loop.schedule(at: .now + patience) {
      if client.isBusy, client.lastHeard == heard { client.close() }
    }
  }

  // MARK: - A turn

  /// Does what `reasons` ask for and what is due.
  func turn(_ reasons: LoopSignal.Reasons) async throws -> Turn {
    let wasAsked = reasons.contains(.everything)
    var reasons = reasons
    // What vanished in one pass is destroyed by the next: it may have gone where that pass had been.
    var looksAgain = false
    while true {
      if reasons.contains(.suspicion) {
        try await client.noop(deadline: .after(configuration.watchAnswer))
      }
      if try await replay.run() { reasons.formUnion(.inbox) }
      if replay.takesPass() { reasons.formUnion(.everything) }
      looksAgain = try await look(reasons, wasAsked: wasAsked, again: looksAgain)
      if reasons.contains(.limits) { await worker.setState(.ready, limitation) }
      guard !Task.isCancelled else { return .gaveWay }
      if reasons.contains(.jobs) {
        try await services.runJobs(of: account, worker.logger)
        // What the jobs changed is replayed before the next wait.
        reasons = .operations
      } else if looksAgain {
        reasons = []
      } else {
        break
      }
    }
    // What the server told unasked (the flags that a STORE of ours left, say) the next pass finds by
    // itself; kept, it would grow with every intent while one mailbox stays selected.
    _ = client.takeEvents()
    await worker.bodies.lend(client)
    guard client.isUsable else {
      // Who borrowed it broke off, which is no failure of the account's: it is connected anew at once.
      worker.signal.notify(.everything)
      return .gaveWay
    }
    if services.backends.gate.isCrowded(settings) { return .gaveWay }
    let poll = configuration.pollInterval == nil ? nil : nextPoll
    return .waits(until: [poll, replay.nextTry].compactMap(\.self).min())
  }

  /// Looks at all mailboxes, or at those that were told of, as `reasons` and the time have it.
  ///
  /// - Returns: Whether another pass is needed.
  private func look(
    _ reasons: LoopSignal.Reasons,
    wasAsked: Bool,
    again: Bool
  ) async throws -> Bool {
    let isDue = configuration.pollInterval != nil && nextPoll <= .now
    guard again || isDue || !reasons.isDisjoint(with: [.everything, .tree]) else {
      guard !reasons.isDisjoint(with: [.inbox, .mailboxes]) else { return false }
      defer { worker.copies.notify(.bodies) }
      return try await pass().syncTold(hasInbox: reasons.contains(.inbox))
    }
    if isWorn(wasAsked) {
      // A server that counts connections is to count this one no more when the next logs in.
      try await client.logout(deadline: .after(configuration.watchAnswer))
      throw AccountWorker.StaleSession()
    }
    let comparesFlags = reasons.contains(.everything) || nextFlags <= .now
    let looksAgain = try await run(pass(), comparingFlags: comparesFlags)
    (hasPassed, rematches) = (true, true)
    replay.endPass()
    opened.notify(.inbox)
    worker.copies.notify(.bodies)
    if comparesFlags { nextFlags = .now + configuration.flagInterval }
    try await noteSynced()
    worker.record.heard(by: .poll, at: services.now())
    if nextQuota <= .now {
      try await readQuotas()
      nextQuota = .now + configuration.quotaInterval
    }
    nextPoll = .now + (configuration.pollInterval ?? .seconds(0))
    if let held = worker.doubts.withLock(\.heldUntil) { nextPoll = min(nextPoll, held) }
    return looksAgain
  }

  /// Whether a list is read on a new connection, of which a pass over all mailboxes is the first thing.
  ///
  /// Leniency `frozenList`: a session of Dovecot whose index of the mailboxes another one made anew lists for good what there
  /// was before, and nothing that it tells shows that. An access token may be of no more use though a session that it began lives
  /// on: such a session is left alone.
  private func isWorn(_ wasAsked: Bool) -> Bool {
    guard hasPassed, settings.authType != .oauth2 else { return false }
    return .now >= (wasAsked ? min(wornAt, start + configuration.askedSessionLifetime) : wornAt)
  }

  /// A pass over all mailboxes; the first one since the account connected waits for its turn.
  private func run(_ pass: AccountPass, comparingFlags comparesFlags: Bool) async throws -> Bool {
    guard !hasPassed else {
      let outcome = try await syncAll(pass, comparesFlags)
      guard !worker.doubts.withLock({ $0.asksForConnection(outcome.doubtful) }) else {
        throw AccountWorker.StaleSession()
      }
      return outcome.looksAgain
    }
    return try await services.firstPasses.run(at: settings, isShort: !isNew) {
      let outcome = try await syncAll(pass, comparesFlags, isFirst: isNew)
      worker.doubts.withLock { $0.begin(with: outcome.doubtful) }
      return outcome.looksAgain
    }
  }

  private func syncAll(
    _ pass: AccountPass,
    _ comparesFlags: Bool,
    isFirst: Bool = false
  ) async throws -> AccountPass.Outcome {
    let outcome: AccountPass.Outcome
    do {
      outcome = try await pass.syncAll(
        comparingFlags: comparesFlags,
        isFirst: isFirst,
        believesList: worker.doubts.withLock(\.believesContradictions),
        hidden: worker.doubts.withLock(\.doubtful)
      )
    } catch is MailboxRenames.OutdatedList {
      worker.doubts.withLock { $0.noteContradiction() }
      throw AccountWorker.StaleSession()
    }
    guard !worker.doubts.withLock({ $0.notePass(foundReplaced: outcome.foundReplaced) }) else {
      throw AccountWorker.StaleSession()
    }
    return outcome
  }

  private func pass() -> AccountPass {
    let (bodies, signal, loop, opened) = (worker.bodies, worker.signal, worker.loop, opened)
    let sync = MailboxSync(
      client: client,
      store: store,
      configuration: configuration,
      now: services.now,
      helper: services.group.loops.first { $0 !== loop } ?? loop,
      rematches: rematches,
      sweep: sweep,
      listed: listed,
      believesList: worker.doubts.withLock(\.believesContradictions),
      second: { [services, settings, account, store, configuration] in
        try await services.backends.imap(
          settings,
          for: account,
          .bodies,
          by: .after(configuration.connectTimeout)
        ) { () throws(ServiceError) in try await store.secrets(of: account).incoming }
      },
      whenOpened: { opened.notify(.inbox) },
      hasIntents: { signal.has(.operations) || bodies.wantsLoan },
      betweenBatches: { [client, replay] in
        let hasReplayed = try await replay.run()
        let hasLent = await bodies.lend(client)
        return hasReplayed || hasLent
      }
    )
    return AccountPass(
      account: account,
      client: client,
      services: services,
      bodies: bodies,
      told: told,
      sync: sync,
      logger: worker.logger
    )
  }

  // MARK: - What is noted

  private func noteSynced() async throws(ServiceError) {
    let failure = limitation?.failure(at: services.now())
    try await store.setState(.ready, failure: failure, of: account)
    try await store.setFirstSynced(account)
    try await store.setSynced(account)
  }

  /// What the account, though it is current, has to do with fewer connections than it would have.
  private var limitation: ServiceError? {
    services.backends.gate.limitation(of: account, settings)
  }

  /// Notes what the server limits; one that refuses to say limits nothing that we know of.
  private func readQuotas() async throws(IMAPError) {
    do throws(IMAPError) {
      worker.record.note(AccountConnection.Quota.list(try await client.quotas(of: .inbox)))
    } catch {
      guard case .refused = error else { throw error }
    }
  }
}
