import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

/// Keeps one IMAP account current: connects, replays intents, syncs, watches, and tries again after failures.
///
/// One connection does all commands, one after another, so that a sync never reads state that an
/// intent of ours is changing. A second one watches the inbox. Bodies have connections of their own.
final class AccountWorker: Sendable {
  let account: ID<Account>
  let loop: EventLoop
  let signal = LoopSignal()
  let bodies: BodyPool
  let record = ConnectionRecord()
  let told = ToldMailboxes()
  let services: EngineServices
  let logger: Logger
  /// What is known of the account already, for the first try: a thousand that start ask for nothing.
  private let known: Mutex<Account?>
  let doubts: Mutex<ListDoubts>

  /// The server lists to this connection what it then says is not there, or what cannot be.
  struct StaleSession: Error {}

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
    doubts = Mutex(
      ListDoubts(
        first: services.configuration.firstBackoff,
        longest: services.configuration.longestStaleness
      )
    )
    var logger = services.logger
    logger[metadataKey: "account"] = "\(account)"
    self.logger = logger
    bodies = BodyPool(account, on: loop, services, waking: signal)
  }

  var store: Store { services.store }
  var configuration: EngineConfiguration { services.configuration }

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

  func setState(_ state: AccountState, _ failure: ServiceError?) async {
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
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) { await watcher.run(on: loop) }
      defer { group.cancelAll() }
      try await commandLoop(client, record, whenReady)
    }
  }

  /// Closes `client` where a command under way is not answered in the time that a probe has.
  private func giveUp(_ client: IMAPClient) {
    let heard = client.lastHeard
    _ = loop.schedule(at: .now + configuration.watchAnswer) {
      if client.isBusy, client.lastHeard == heard { client.close() }
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
