import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

/// Keeps one account current: connects, replays intents, syncs, watches, and tries again after failures.
///
/// One connection does all commands, one after another, so that a sync never reads state that an
/// intent of ours is changing. A second one watches the inbox. Bodies have connections of their own.
final class AccountWorker: Sendable {
  let account: ID<Account>
  let loop: EventLoop
  let signal = LoopSignal()
  let bodies: BodyPool
  let record = ConnectionRecord()
  private let told = ToldMailboxes()
  private let services: EngineServices
  private let logger: Logger
  /// What is known of the account already, for the first try: a thousand that start ask for nothing.
  private let known: Mutex<Account?>
  /// The mailboxes that the server would not open though the connection was new.
  private let closed = Mutex<Set<ID<Mailbox>>>([])

  /// The server lists a mailbox to this connection that it then says is not there.
  private struct StaleSession: Error {}

  init(
    _ account: ID<Account>,
    known: Account? = nil,
    on loop: EventLoop,
    _ services: EngineServices
  ) {
    self.account = account
    self.known = Mutex(known)
    self.loop = loop
    self.services = services
    var logger = services.logger
    logger[metadataKey: "account"] = "\(account)"
    self.logger = logger
    bodies = BodyPool(account, on: loop, services, waking: signal)
  }

  private var store: Store { services.store }
  private var configuration: EngineConfiguration { services.configuration }

  /// Runs until the task is cancelled or the account is gone.
  func run() async {
    var backoff = Backoff(
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    defer { bodies.close() }
    while !Task.isCancelled {
      do {
        guard let account = try await record() else { return }
        try await session(account) { backoff.reset() }
        guard !Task.isCancelled else { break }
        // It gave way to others: its turn comes again with the next look, or when there is something to do.
        let pause = configuration.pollInterval ?? configuration.longestBackoff
        _ = await signal.wait(until: .now + pause, on: loop)
        continue
      } catch is StaleSession {
        continue
      } catch {
        if Task.isCancelled { break }
        await note(error)
      }
      let delay = backoff.next(spread: Double.random(in: 0...1))
      // A change of the settings, or a caller's :sync, tries again at once; queued intents do not.
      await waitForRetry(until: .now + delay)
    }
  }

  private func record() async throws(ServiceError) -> Account? {
    let known = known.withLock { known in
      defer { known = nil }
      return known
    }
    if let known { return known }
    return try await inChildTask { [store, account] () throws(ServiceError) in
      try await store.account(account)
    }
  }

  private func waitForRetry(until deadline: Deadline) async {
    while !Task.isCancelled, Deadline.now < deadline {
      if await signal.wait(until: deadline, on: loop).contains(.everything) { return }
    }
  }

  private func note(_ error: any Error) async {
    let failure = serviceError(error)
    logger.notice(
      "account failed",
      metadata: ["code": "\(failure.code.rawValue)", "cause": "\(failure.cause ?? "")"]
    )
    // The database being away says nothing of the account.
    guard failure.code != .unavailable, failure.code != .internalError else { return }
    await setState(failure.accountState, failure)
  }

  private func setState(_ state: AccountState, _ failure: ServiceError?) async {
    do {
      try await inChildTask { [store, account, services] () throws(ServiceError) in
        try await store.setState(state, failure: failure?.failure(at: services.now()), of: account)
      }
    } catch {
      logger.warning("state not stored", metadata: ["cause": "\(error.cause ?? error.message)"])
    }
  }

  private func serviceError(_ error: any Error) -> ServiceError {
    switch error {
    case let error as ServiceError: error
    case let error as IMAPError: ServiceError(error, host: services.host(of: account))
    default:
      ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
  }

  // MARK: - One connection's life

  /// Ends without an error where the task is cancelled, or others wait for the connections.
  private func session(_ record: Account, whenReady: () -> Void) async throws {
    services.remember(record.incoming.host, of: account)
    var secret: Secret?
    let client = try await services.backends.imap(
      record.incoming,
      for: account,
      .commands,
      enabling: [.qresync],
      // It is no failure of this account's: the state says how far it was before.
      whenFull: { await setState(record.state.whileWaiting, $0) },
      secret: { [store, account] () throws(ServiceError) in
        secret = try await store.secrets(of: account).incoming
        return secret
      }
    )
    defer { client.close() }
    try await inChildTask { [store, account] () throws(ServiceError) in
      try await store.setCapabilities(client.capabilities.names.sorted(), of: account)
      if record.firstSyncedAt == nil {
        try await store.setState(.syncing, failure: nil, of: account)
      }
    }
    let watcher = InboxWatcher(
      account: account,
      settings: record.incoming,
      secret: secret,
      services: services,
      signal: signal,
      told: told,
      record: self.record,
      suspect: { [self] in giveUp(client) },
      logger: logger
    )
    self.record.begin(.poll, at: services.now())
    defer { self.record.end() }
    let loop = loop
    let isFirst = record.firstSyncedAt == nil
    let opened = LoopSignal()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        // A server that never read the inbox has to when it is opened: the two connections would have it do so twice.
        if isFirst { _ = await opened.wait(until: nil, on: loop) }
        if !Task.isCancelled { await watcher.run(on: loop) }
      }
      defer { group.cancelAll() }
      try await commandLoop(client, record, whenOpened: { opened.notify(.inbox) }) {
        opened.notify(.inbox)
        whenReady()
      }
    }
  }

  /// Closes `client` where a command under way is not answered in the time that a probe has.
  private func giveUp(_ client: IMAPClient) {
    let heard = client.lastHeard
    _ = loop.schedule(at: .now + configuration.watchAnswer) {
      if client.isBusy, client.lastHeard == heard { client.close() }
    }
  }

  private func commandLoop(
    _ client: IMAPClient,
    _ record: Account,
    whenOpened: @escaping () -> Void,
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
      let sync = mailboxSync(
        client,
        record.incoming,
        replay,
        sweep,
        listed,
        rematches: rematches,
        whenOpened
      )
      let isAsked = !reasons.isDisjoint(with: [.everything, .tree])
      if isAsked || looksAgain || pollIsDue(nextPoll) {
        let comparesFlags = reasons.contains(.everything) || nextFlags <= .now
        looksAgain = try await pass(client, sync, comparesFlags, hasPassed ? nil : record)
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
        looksAgain = try await inChildTask { try await self.syncTold(sync, hasInbox: hasInbox) }
      }
      if reasons.contains(.limits) { await setState(.ready, limitation(record.incoming)) }
      if reasons.contains(.jobs) {
        try await inChildTask { try await self.runJobs() }
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

  /// One pass, in a task of its own; the first one since the account connected waits for its turn.
  private func pass(
    _ client: IMAPClient,
    _ sync: MailboxSync,
    _ comparesFlags: Bool,
    _ first: Account?
  ) async throws -> Bool {
    try await inChildTask { [services] in
      guard let first else {
        let (looksAgain, unopened) = try await self.syncAll(client, sync, comparesFlags)
        // Dovecot goes on listing what another client renamed while this connection looked at it.
        guard self.closed.withLock({ unopened.isSubset(of: $0) }) else { throw StaleSession() }
        return looksAgain
      }
      let isFirst = first.firstSyncedAt == nil
      return try await services.firstPasses.run(isShort: !isFirst) {
        let (looksAgain, unopened) = try await self.syncAll(
          client,
          sync,
          comparesFlags,
          isFirst: isFirst
        )
        self.closed.withLock { $0 = unopened }
        return looksAgain
      }
    }
  }

  /// Compares the list of mailboxes, then each mailbox that is not as it was, the inbox first.
  ///
  /// What vanished before the list was read and appeared nowhere is destroyed at the end: what was held
  /// already, and what vanished from a mailbox that was still as the list told it. (A server may have asked
  /// one mailbox before a move and the other after it: then the tombstone gives the id back.)
  ///
  /// - Returns: Whether something vanished since, or has another name, of which only another pass can tell more;
  ///   and the mailboxes that the server lists but would not open.
  private func syncAll(
    _ client: IMAPClient,
    _ sync: MailboxSync,
    _ comparesFlags: Bool,
    isFirst: Bool = false
  ) async throws -> (looksAgain: Bool, unopened: Set<ID<Mailbox>>) {
    // What is told from here on may be newer than what LIST tells.
    _ = told.take()
    let held = Set(try await store.heldPlacements(of: account))
    let items = client.supportedStatusItems(MailboxSync.statusItems)
    var stale: MailboxName?
    var statuses: [MailboxName: MailboxStatus] = [:]
    let mailboxes = try await services.mailboxLocks[account].withLock(
      // Who holds the lock may wait for this very connection.
      meanwhile: { try await lend(client) },
      {
        stale = try await leaveSelected(client)
        let listed = try await client.list(returning: ListOptions(status: items))
        for mailbox in listed { statuses[mailbox.name] = mailbox.status }
        if statuses.isEmpty {
          statuses = try await client.statuses(listed.filter(\.isSelectable).map(\.name), items)
        }
        sync.listed.note(statuses)
        let known = try await store.mailboxes(of: account).mailboxes
        let renames = MailboxRenames(client: client, store: store)
        return try await store.storeListing(
          MailboxListing.listings(listed, statuses),
          known: known,
          renamed: renames.find(listed, statuses, known: known),
          of: account
        )
      }
    )
    let hidden = try await store.hiddenMessages(of: account)
    var settled: Set<ID<Mailbox>> = []
    var wasReplaced = false
    var refused: Set<ID<Mailbox>> = []
    var unopened: Set<ID<Mailbox>> = []
    for mailbox in inboxFirst(mailboxes) where mailbox.isSelectable {
      let name = MailboxName(encoded: Array(mailbox.encodedName.utf8))
      if name != stale, let status = statuses[name],
        MailboxSync.isCurrent(
          mailbox,
          status,
          hidden: hidden[mailbox.id] ?? HiddenMessages(),
          comparesFlags: comparesFlags
        )
      {
        continue
      }
      let left: SelectedMailbox?
      do {
        left = try await attempt(sync, mailbox) { unopened.insert(mailbox.id) }
      } catch is MailboxSync.ReplacedMailbox {
        wasReplaced = true
        continue
      }
      if left == nil { refused.insert(mailbox.id) }
      if name != stale, left?.isAsTold(by: statuses[name]) == true { settled.insert(mailbox.id) }
    }
    if isFirst { try await store.noteFirstCopies(of: account) }
    // Of a mailbox that could not be looked at nothing is destroyed.
    let all = try await store.heldPlacements(of: account).filter { !refused.contains($0.mailbox) }
    let gone = all.filter { settled.contains($0.mailbox) || held.contains($0) }
    try await store.removeHeld(gone, of: account)
    return (gone.count < all.count || wasReplaced, unopened)
  }

  /// Leaves the selected mailbox, of which STATUS would tell what the session knows and not what is there.
  ///
  /// RFC 3501 §6.3.10 says not to ask so; Dovecot answers from the session's view, in which nothing
  /// arrives and nothing goes until another command lets it.
  ///
  /// - Returns: The mailbox that a server without UNSELECT keeps selected: its STATUS says nothing.
  private func leaveSelected(_ client: IMAPClient) async throws -> MailboxName? {
    guard let selected = client.selected else { return nil }
    if client.capabilities.contains(.unselect) {
      try await client.unselect()
      return nil
    }
    try await client.noop()
    return selected.name
  }

  /// Looks at the mailboxes of which the watch told.
  ///
  /// - Returns: Whether another pass is needed: something vanished, of which only that can tell whether
  ///   it moved, or a mailbox is not known yet.
  private func syncTold(_ sync: MailboxSync, hasInbox: Bool) async throws -> Bool {
    let names = told.take()
    var mailboxes: [Mailbox] = []
    if names.isEmpty {
      if let inbox = try await store.mailbox(role: "inbox", of: account) { mailboxes = [inbox] }
    } else {
      mailboxes = try await store.mailboxes(of: account).mailboxes.filter {
        names.contains($0.imapName) || hasInbox && $0.role == "inbox"
      }
    }
    for mailbox in inboxFirst(mailboxes) where mailbox.isSelectable {
      do {
        try await attempt(sync, mailbox)
      } catch is MailboxSync.ReplacedMailbox {
        return true
      }
    }
    let known = Set(mailboxes.map(\.imapName))
    if !names.isSubset(of: known) { return true }
    return try await !store.heldPlacements(of: account).isEmpty
  }

  /// A mailbox that the server refuses to open does not stop the others.
  ///
  /// - Returns: The mailbox as the server had it at the end.
  @discardableResult
  private func attempt(
    _ sync: MailboxSync,
    _ mailbox: Mailbox,
    whenUnopened: () -> Void = {}
  ) async throws -> SelectedMailbox? {
    do {
      return try await sync.run(mailbox)
    } catch let error as IMAPError {
      guard case .refused(let command, let response, _) = error else { throw error }
      if command == "SELECT" { whenUnopened() }
      logger.notice(
        "mailbox refused",
        metadata: ["mailbox": "\(mailbox.id)", "reason": "\(command): \(response)"]
      )
      return nil
    }
  }

  private func mailboxSync(
    _ client: IMAPClient,
    _ settings: BackendSettings,
    _ replay: OperationReplay,
    _ sweep: FlagSweep,
    _ listed: ListedMailboxes,
    rematches: Bool,
    _ whenOpened: @escaping () -> Void
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
      second: { [services, account, store, configuration] in
        try await services.backends.imap(
          settings,
          for: account,
          .bodies,
          by: .after(configuration.connectTimeout)
        ) { () throws(ServiceError) in try await store.secrets(of: account).incoming }
      },
      whenOpened: whenOpened,
      hasIntents: { [signal, bodies] in signal.has(.operations) || bodies.wantsLoan },
      betweenBatches: { [bodies] in
        let hasReplayed = try await replay.run()
        let hasLent = await bodies.lend(client)
        return hasReplayed || hasLent
      }
    )
  }

  /// Lends the connection to those who wait for it, or waits an instant.
  private func lend(_ client: IMAPClient) async throws {
    if await !bodies.lend(client) { try await loop.sleep(until: .now + .milliseconds(5)) }
  }

  private func inboxFirst(_ mailboxes: [Mailbox]) -> [Mailbox] {
    mailboxes.filter { $0.role == "inbox" } + mailboxes.filter { $0.role != "inbox" }
  }

  /// Notes what the server limits; one that refuses to say limits nothing that we know of.
  private func readQuotas(_ client: IMAPClient) async throws(IMAPError) {
    do throws(IMAPError) {
      self.record.note(AccountConnection.Quota.list(try await client.quotas(of: .inbox)))
    } catch {
      guard case .refused = error else { throw error }
    }
  }

  private func runJobs() async throws {
    for job in try await store.unfinishedJobs(of: account) {
      try await BatchJob(
        record: job,
        store: store,
        configuration: configuration,
        logger: logger
      ).run()
    }
  }
}

extension AccountState {
  /// The state of an account that waits for its turn to connect.
  fileprivate var whileWaiting: AccountState {
    switch self {
    case .authenticationFailed, .unreachable: .connecting
    case .connecting, .syncing, .ready: self
    }
  }
}
