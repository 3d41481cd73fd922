import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

// What an account's worker does with the connection for commands while it lasts.

extension AccountWorker {
  func commandLoop(
    _ client: IMAPClient,
    _ record: Account,
    _ whenReady: () -> Void
  ) async throws {
    let replay = OperationReplay(
      client: client,
      store: store,
      account: account,
      configuration: configuration,
      logger: logger
    )
    var reasons: LoopSignal.Reasons = .everything.union(.jobs)
    var nextPoll = Deadline.now
    var nextFlags = Deadline.now
    var nextQuota = Deadline.now
    let sweep = FlagSweep()
    let listed = ListedMailboxes()
    // What a first sync stored before it was broken off may be elsewhere by now.
    var rematches = try await store.holdsMessages(account) || record.firstSyncedAt != nil
    // What vanished in one pass is destroyed by the next: it may have gone where that pass had been.
    var looksAgain = false
    var hasPassed = false
    while !Task.isCancelled {
      if reasons.contains(.suspicion) {
        try await client.noop(deadline: .after(configuration.watchAnswer))
      }
      if try await inChildTask({ try await replay.run() }) { reasons.formUnion(.inbox) }
      if replay.takesPass() { reasons.formUnion(.everything) }
      let sync = mailboxSync(client, replay, sweep, listed, rematches: rematches)
      let pass = accountPass(client, sync)
      let isAsked = !reasons.isDisjoint(with: [.everything, .tree])
      if isAsked || looksAgain || pollIsDue(nextPoll) {
        let comparesFlags = reasons.contains(.everything) || nextFlags <= .now
        looksAgain = try await run(
          pass,
          comparingFlags: comparesFlags,
          first: hasPassed ? nil : record
        )
        (hasPassed, rematches) = (true, true)
        if comparesFlags { nextFlags = .now + configuration.flagInterval }
        try await inChildTask { try await self.noteSynced(record.incoming) }
        self.record.heard(by: .poll, at: services.now())
        whenReady()
        if nextQuota <= .now {
          try await readQuotas(client)
          nextQuota = .now + configuration.quotaInterval
        }
        nextPoll = .now + (configuration.pollInterval ?? .seconds(0))
      } else if !reasons.isDisjoint(with: [.inbox, .mailboxes]) {
        let hasInbox = reasons.contains(.inbox)
        looksAgain = try await inChildTask { try await pass.syncTold(hasInbox: hasInbox) }
      }
      if reasons.contains(.limits) { await setState(.ready, limitation(record.incoming)) }
      if reasons.contains(.jobs) {
        try await inChildTask { try await self.services.runJobs(of: self.account, self.logger) }
        // What the jobs changed is replayed before the next wait.
        reasons = .operations
        continue
      }
      if looksAgain {
        reasons = []
        continue
      }
      let poll = configuration.pollInterval == nil ? nil : nextPoll
      let deadline = [poll, replay.nextTry].compactMap(\.self).min()
      // What the server told unasked (the flags that a STORE of ours left, say) the next pass finds by
      // itself; kept, it would grow with every intent while one mailbox stays selected.
      _ = client.takeEvents()
      await bodies.lend(client)
      guard client.isUsable else {
        // Who borrowed it broke off, which is no failure of the account's: it is connected anew at once.
        signal.notify(.everything)
        return
      }
      if services.backends.gate.isCrowded(record.incoming) { return }
      reasons = await signal.wait(until: deadline, on: loop)
    }
  }

  private func noteSynced(_ settings: BackendSettings) async throws(ServiceError) {
    let failure = limitation(settings)?.failure(at: services.now())
    try await store.setState(.ready, failure: failure, of: account)
    try await store.setFirstSynced(account)
    try await store.setSynced(account)
  }

  /// What the account, though it is current, has to do with fewer connections than it would have.
  private func limitation(_ settings: BackendSettings) -> ServiceError? {
    services.backends.gate.limitation(of: account, settings)
  }

  private func pollIsDue(_ nextPoll: Deadline) -> Bool {
    configuration.pollInterval != nil && nextPoll <= .now
  }
  // MARK: - Passes

  private func accountPass(_ client: IMAPClient, _ sync: MailboxSync) -> AccountPass {
    AccountPass(
      account: account,
      client: client,
      services: services,
      bodies: bodies,
      told: told,
      sync: sync,
      logger: logger
    )
  }

  /// One pass over all mailboxes, in a task of its own; the first one since the account connected waits
  /// for its turn.
  private func run(
    _ pass: AccountPass,
    comparingFlags comparesFlags: Bool,
    first: Account?
  ) async throws -> Bool {
    try await inChildTask { [services] in
      guard let first else {
        let (looksAgain, unopened) = try await self.syncAll(pass, comparesFlags)
        guard !self.doubts.withLock({ $0.asksForConnection(unopened) }) else {
          throw StaleSession()
        }
        return looksAgain
      }
      let isFirst = first.firstSyncedAt == nil
      return try await services.firstPasses.run(isShort: !isFirst) {
        let (looksAgain, unopened) = try await self.syncAll(pass, comparesFlags, isFirst: isFirst)
        self.doubts.withLock { $0.begin(with: unopened) }
        return looksAgain
      }
    }
  }

  private func syncAll(
    _ pass: AccountPass,
    _ comparesFlags: Bool,
    isFirst: Bool = false
  ) async throws -> (looksAgain: Bool, unopened: Set<ID<Mailbox>>) {
    do {
      let result = try await pass.syncAll(
        comparingFlags: comparesFlags,
        isFirst: isFirst,
        believesList: doubts.withLock(\.believesContradictions)
      )
      doubts.withLock { $0.note(isContradiction: false) }
      return result
    } catch is MailboxRenames.OutdatedList {
      doubts.withLock { $0.note(isContradiction: true) }
      throw StaleSession()
    }
  }

  private func mailboxSync(
    _ client: IMAPClient,
    _ replay: OperationReplay,
    _ sweep: FlagSweep,
    _ listed: ListedMailboxes,
    rematches: Bool
  ) -> MailboxSync {
    MailboxSync(
      client: client,
      store: store,
      configuration: configuration,
      now: services.now,
      helper: services.group.loops.first { $0 !== loop } ?? loop,
      rematches: rematches,
      sweep: sweep,
      listed: listed,
      hasIntents: { [signal, bodies] in signal.has(.operations) || bodies.wantsLoan },
      betweenBatches: { [bodies] in
        let hasReplayed = try await replay.run()
        let hasLent = await bodies.lend(client)
        return hasReplayed || hasLent
      }
    )
  }

  /// Notes what the server limits; one that refuses to say limits nothing that we know of.
  private func readQuotas(_ client: IMAPClient) async throws(IMAPError) {
    do throws(IMAPError) {
      self.record.note(AccountConnection.Quota.list(try await client.quotas(of: .inbox)))
    } catch {
      guard case .refused = error else { throw error }
    }
  }
}
