import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// Keeps one account current: connects, replays intents, syncs, watches, and tries again after failures.
///
/// One connection does all commands, one after another, so that a sync never reads state that an
/// intent of ours is changing. A second one watches the inbox. Bodies have connections of their own.
final class AccountWorker: Sendable {
  let account: ID<Account>
  let loop: EventLoop
  let signal = LoopSignal()
  let bodies: BodyPool
  private let services: EngineServices
  private let logger: Logger

  init(_ account: ID<Account>, on loop: EventLoop, _ services: EngineServices) {
    self.account = account
    self.loop = loop
    self.services = services
    var logger = services.logger
    logger[metadataKey: "account"] = "\(account)"
    self.logger = logger
    bodies = BodyPool(account, on: loop, services)
  }

  private var store: Store { services.store }
  private var configuration: EngineConfiguration { services.configuration }

  /// Runs until the task is cancelled or the account is gone.
  func run() async {
    var backoff = Backoff(
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    while !Task.isCancelled {
      do {
        guard let account = try await store.account(account) else { return }
        try await session(account) { backoff.reset() }
      } catch {
        if Task.isCancelled { break }
        await note(error)
      }
      let delay = backoff.next(spread: Double.random(in: 0...1))
      // A change of the settings, or a caller's :sync, tries again at once; queued intents do not.
      await waitForRetry(until: .now + delay)
    }
    bodies.close()
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
    do {
      try await store.setState(
        failure.accountState,
        failure: failure.failure(at: services.now()),
        of: account
      )
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

  private func session(_ record: Account, whenReady: () -> Void) async throws {
    services.remember(record.incoming.host, of: account)
    let secrets = try await store.secrets(of: account)
    let client = try await services.backends.imap(record.incoming, secret: secrets.incoming)
    defer { client.close() }
    try await store.setCapabilities(client.capabilities.names.sorted(), of: account)
    if record.firstSyncedAt == nil {
      try await store.setState(.syncing, failure: nil, of: account)
    }
    let watcher = InboxWatcher(
      settings: record.incoming,
      secret: secrets.incoming,
      services: services,
      signal: signal,
      logger: logger
    )
    let loop = loop
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) { await watcher.run(on: loop) }
      defer { group.cancelAll() }
      try await commandLoop(client, record, whenReady)
    }
  }

  private func commandLoop(
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
    let sweep = FlagSweep()
    let told = ListedMailboxes()
    var isFirst = record.firstSyncedAt == nil
    // What a first sync stored before it was broken off may be elsewhere by now.
    var rematches = try await store.holdsMessages(account) || !isFirst
    // What vanished in one pass is destroyed by the next: it may have gone where that pass had been.
    var looksAgain = false
    while !Task.isCancelled {
      if try await replay.run() { reasons.formUnion(.inbox) }
      if replay.takesPass() { reasons.formUnion(.everything) }
      let sync = mailboxSync(client, replay, sweep, told, rematches: rematches)
      if reasons.contains(.everything) || looksAgain || pollIsDue(nextPoll) {
        let comparesFlags = reasons.contains(.everything) || nextFlags <= .now
        looksAgain = try await syncAll(client, sync, comparesFlags: comparesFlags, isFirst: isFirst)
        (isFirst, rematches) = (false, true)
        if comparesFlags { nextFlags = .now + configuration.flagInterval }
        try await store.setState(.ready, failure: nil, of: account)
        try await store.setFirstSynced(account)
        try await store.setSynced(account)
        whenReady()
        nextPoll = .now + (configuration.pollInterval ?? .seconds(0))
      } else if reasons.contains(.inbox) {
        looksAgain = try await syncInbox(sync)
      }
      if reasons.contains(.jobs) {
        try await runJobs()
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
      reasons = await signal.wait(until: deadline, on: loop)
    }
  }

  private func pollIsDue(_ nextPoll: Deadline) -> Bool {
    configuration.pollInterval != nil && nextPoll <= .now
  }

  // MARK: - Passes

  /// Compares the list of mailboxes, then each mailbox that is not as it was, the inbox first.
  ///
  /// What vanished before the list was read and appeared nowhere is destroyed at the end: what was held
  /// already, and what vanished from a mailbox that was still as the list told it. (A server may have asked
  /// one mailbox before a move and the other after it: then the tombstone gives the id back.)
  ///
  /// - Returns: Whether something vanished since, or has another name, of which only another pass can tell more.
  private func syncAll(
    _ client: IMAPClient,
    _ sync: MailboxSync,
    comparesFlags: Bool,
    isFirst: Bool
  ) async throws -> Bool {
    let held = Set(try await store.heldPlacements(of: account))
    let items = client.supportedStatusItems(MailboxSync.statusItems)
    let stale = try await leaveSelected(client)
    var statuses: [MailboxName: MailboxStatus] = [:]
    let mailboxes = try await services.mailboxLocks[account].withLock {
      let listed = try await client.list(returning: ListOptions(status: items))
      for mailbox in listed { statuses[mailbox.name] = mailbox.status }
      if statuses.isEmpty {
        statuses = try await client.statuses(listed.filter(\.isSelectable).map(\.name), items)
      }
      sync.listed.note(statuses)
      let known = try await store.mailboxes(of: account).mailboxes
      return try await store.storeListing(
        MailboxListing.listings(listed, statuses),
        known: known,
        renamed: MailboxRenames(client: client, store: store).find(listed, statuses, known: known),
        of: account
      )
    }
    let hidden = try await store.hiddenMessages(of: account)
    var settled: Set<ID<Mailbox>> = []
    var wasReplaced = false
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
        left = try await attempt(sync, mailbox)
      } catch is MailboxSync.ReplacedMailbox {
        wasReplaced = true
        continue
      }
      if name != stale, left?.isAsTold(by: statuses[name]) == true { settled.insert(mailbox.id) }
    }
    if isFirst { try await store.noteFirstCopies(of: account) }
    let all = try await store.heldPlacements(of: account)
    let gone = all.filter { settled.contains($0.mailbox) || held.contains($0) }
    try await store.removeHeld(gone, of: account)
    return gone.count < all.count || wasReplaced
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

  /// Whether something vanished from the inbox, of which only a pass can tell whether it moved.
  private func syncInbox(_ sync: MailboxSync) async throws -> Bool {
    guard let inbox = try await store.mailbox(role: "inbox", of: account) else { return false }
    try await attempt(sync, inbox)
    return try await !store.heldPlacements(of: account).isEmpty
  }

  /// A mailbox that the server refuses to open does not stop the others.
  ///
  /// - Returns: The mailbox as the server had it at the end.
  @discardableResult
  private func attempt(
    _ sync: MailboxSync,
    _ mailbox: Mailbox
  ) async throws -> SelectedMailbox? {
    do {
      return try await sync.run(mailbox)
    } catch let error as IMAPError {
      guard case .refused = error else { throw error }
      logger.notice("mailbox refused", metadata: ["mailbox": "\(mailbox.id)"])
      return nil
    }
  }

  private func mailboxSync(
    _ client: IMAPClient,
    _ replay: OperationReplay,
    _ sweep: FlagSweep,
    _ told: ListedMailboxes,
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
      listed: told,
      hasIntents: { [signal] in signal.has(.operations) },
      betweenBatches: { try await replay.run() }
    )
  }

  private func inboxFirst(_ mailboxes: [Mailbox]) -> [Mailbox] {
    mailboxes.filter { $0.role == "inbox" } + mailboxes.filter { $0.role != "inbox" }
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
