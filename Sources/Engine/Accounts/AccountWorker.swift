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
///
/// Thousands of these wait at once, so its task is small: what an `AccountSession` does between two waits
/// is done in a child task, which ends.
final class AccountWorker: Sendable {
  let account: ID<Account>
  let loop: EventLoop
  let signal = LoopSignal()
  let bodies: BodyPool
  let record = ConnectionRecord()
  /// Wakes whoever copies messages: there may be new ones.
  let copies = LoopSignal()
  let services: EngineServices
  let logger: Logger
  /// What is known of the account already, for the first try: a thousand that start ask for nothing.
  private let known: Mutex<Account?>
  let doubts: Mutex<ListDoubts>

  /// The server lists to this connection what it then says is not there, or what cannot be; or may do so, as old as it is.
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
        longest: services.configuration.longestStaleness,
        interval: services.configuration.pollInterval ?? .zero
      )
    )
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
        guard let session = try await connect() else { return }
        let result = await follow(session, &backoff)
        await session.end()
        if let error = result { throw error }
        guard !Task.isCancelled else { break }
        // It gave way to others: its turn comes again with the next look, or when there is something to do.
        let pause = configuration.pollInterval ?? configuration.longestBackoff
        _ = await signal.wait(until: .now + pause, on: loop)
        continue
      } catch is StaleSession {
        let end = Deadline.now + doubts.withLock(\.wait)
        while !Task.isCancelled, .now < end { _ = await signal.wait(until: end, on: loop) }
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

  /// Lets `session` do what there is to do, and waits in between; why it broke off, or nil where the task
  /// is cancelled or others wait for the connections.
  private func follow(_ session: AccountSession, _ backoff: inout Backoff) async -> (any Error)? {
    var reasons: LoopSignal.Reasons = .everything.union(.jobs)
    while !Task.isCancelled {
      do {
        let turn = try await inChildTask { [reasons] in try await session.turn(reasons) }
        if session.hasPassed { backoff.reset() }
        guard case .waits(let deadline) = turn else { return nil }
        reasons = await signal.wait(until: deadline, on: loop)
      } catch {
        if session.hasPassed { backoff.reset() }
        return error
      }
    }
    return nil
  }

  private func waitForRetry(until deadline: Deadline) async {
    while !Task.isCancelled, Deadline.now < deadline {
      if await signal.wait(until: deadline, on: loop).contains(.everything) { return }
    }
  }

  // MARK: - Connecting

  /// A session that is logged in; nil where the account is gone.
  private func connect() async throws -> AccountSession? {
    try await inChildTask { [self] in
      guard let record = try await loadRecord() else { return nil }
      return try await openSession(record)
    }
  }

  private func loadRecord() async throws(ServiceError) -> Account? {
    let known = known.withLock { known in
      defer { known = nil }
      return known
    }
    if let known { return known }
    return try await store.account(account)
  }

  private func openSession(_ record: Account) async throws -> AccountSession {
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
    do {
      try await store.setCapabilities(client.capabilities.names.sorted(), of: account)
      if record.firstSyncedAt == nil {
        try await store.setState(.syncing, failure: nil, of: account)
      }
      // What a first sync stored before it was broken off may be elsewhere by now.
      let rematches =
        if record.firstSyncedAt != nil { true } else { try await store.holdsMessages(account) }
      return AccountSession(self, record, client, secret, rematches: rematches)
    } catch {
      client.close()
      throw error
    }
  }

  // MARK: - The account's state

  private func note(_ error: any Error) async {
    let failure = serviceError(error)
    logger.accountFailed(failure)
    // The database being away says nothing of the account.
    guard failure.code != .unavailable else { return }
    // A fault of ours is none of the server's: the state stays, and says that no pass came to its end.
    let isOurs = failure.code == .internalError
    await setState(isOurs ? nil : failure.accountState, failure)
  }

  /// Stores what became of the account; a `state` of nil is the one that it has.
  func setState(_ state: AccountState?, _ failure: ServiceError?) async {
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
}

extension AccountState {
  /// The state of an account that waits for its turn to connect.
  var whileWaiting: AccountState {
    switch self {
    case .authenticationFailed, .unreachable: .connecting
    case .connecting, .syncing, .ready: self
    }
  }
}
