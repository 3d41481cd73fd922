import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// Looks at an account's POP3 server now and then, and when asked to; tries again after failures.
///
/// A server lets nobody else into the mailbox meanwhile, so no session is longer than what it has to do, and none begins before
/// the server's LOGIN-DELAY has passed (RFC 2449 §6.5).
final class POP3Worker: @unchecked Sendable {  // Confined to its loop, but for what is `let`.
  let signal = LoopSignal()
  let record = ConnectionRecord()
  private let account: ID<Account>
  private let loop: EventLoop
  private let services: EngineServices
  private let logger: Logger
  private var backoff: Backoff
  /// What the last look left.
  private var last: POP3Pass.Outcome?
  private var tooLong: Set<[UInt8]> = []
  /// With which message the next session begins, where sessions hand out few of them.
  private var start = 0
  /// Whether headers are asked for: not of a server that ended a session over it.
  private var usesTop = true
  /// When the server lets the account in again.
  private var nextLogin = Deadline.now
  /// What the server last asked for between two logins.
  private var loginDelay: Duration?
  private var hasLooked = false

  init(_ account: ID<Account>, on loop: EventLoop, _ services: EngineServices) {
    self.account = account
    self.loop = loop
    self.services = services
    backoff = Backoff(
      first: services.configuration.firstBackoff,
      longest: services.configuration.longestBackoff
    )
    var logger = services.logger
    logger[metadataKey: "account"] = "\(account)"
    self.logger = logger
  }

  private var store: Store { services.store }
  private var configuration: EngineConfiguration { services.configuration }

  /// Runs until the task is cancelled or the account is gone.
  func run() async {
    while !Task.isCancelled {
      await waitUntil(nextLogin, endsEarly: false)
      if Task.isCancelled { break }
      let next: Deadline?
      do {
        guard let outcome = try await inChildTask({ [self] in try await look() }) else { return }
        next = outcome.hasMore ? .now : interval.map { .now + $0 }
      } catch {
        if Task.isCancelled { break }
        await note(error)
        next = .now + backoff.next(spread: Double.random(in: 0...1))
      }
      await waitUntil(next, endsEarly: true)
    }
    record.end()
  }

  /// Between two looks that nobody asked for.
  private var interval: Duration? {
    configuration.pollInterval.map { poll in
      max(poll, configuration.pop3Interval, loginDelay ?? .zero)
    }
  }

  /// Waits, with `endsEarly` no longer than until somebody asks for a look.
  private func waitUntil(_ deadline: Deadline?, endsEarly: Bool) async {
    while !Task.isCancelled, deadline.map({ $0 > .now }) ?? true {
      let reasons = await signal.wait(until: deadline, on: loop)
      guard reasons.contains(.everything) else { continue }
      // Who asks wants to see more than that nothing changed since.
      last = nil
      if endsEarly { return }
    }
  }

  // MARK: - A look

  /// One session; nil where the account is gone.
  private func look() async throws -> POP3Pass.Outcome? {
    guard let account = try await store.account(account),
      let inbox = try await store.mailbox(role: "inbox", of: account.id)
    else { return nil }
    services.remember(account.incoming.host, of: account.id)
    guard !hasLooked else { return try await look(account, inbox) }
    return try await services.firstPasses.run(
      at: account.incoming,
      isShort: account.firstSyncedAt != nil
    ) {
      try await look(account, inbox)
    }
  }

  private func look(_ account: Account, _ inbox: Mailbox) async throws -> POP3Pass.Outcome {
    let client = try await services.backends.pop3(
      account.incoming,
      for: account.id,
      whenFull: { await setState(account.state.whileWaiting, $0) },
      secret: { [store] () throws(ServiceError) in try await store.secrets(of: account.id).incoming
      }
    )
    defer {
      client.close()
      nextLogin = .now + (loginDelay ?? .zero)
    }
    loginDelay = client.capabilities?.loginDelay
    try await store.setCapabilities(client.capabilities?.lines ?? [], of: account.id)
    if account.firstSyncedAt == nil {
      try await store.setState(.syncing, failure: nil, of: account.id)
    }
    let pass = POP3Pass(
      account: account.id,
      client: client,
      services: services,
      inbox: inbox.id,
      logger: logger,
      tooLong: tooLong,
      start: start,
      retention: account.incoming.retention(in: account.mode)
    )
    pass.usesTop = usesTop
    let outcome: POP3Pass.Outcome
    do {
      outcome = try await pass.run(after: last)
      take(from: pass)
    } catch {
      take(from: pass)
      throw error
    }
    hasLooked = true
    last = outcome
    usesTop = true
    try await noteLooked(outcome)
    return outcome
  }

  /// What a session, ended well or not, leaves for the next one.
  private func take(from pass: POP3Pass) {
    tooLong = pass.tooLong
    usesTop = pass.usesTop
    start = pass.isStuck ? start + 1 : 0
    if pass.stored > 0 { backoff.reset() }
  }

  private func noteLooked(_ outcome: POP3Pass.Outcome) async throws {
    let now = services.now()
    if record.current.watching == nil { record.begin(.poll, at: now) }
    record.heard(by: .poll, at: now)
    if outcome.failure == nil { backoff.reset() }
    guard !outcome.hasMore else { return }
    try await store.setState(.ready, failure: outcome.failure?.failure(at: now), of: account)
    try await store.setFirstSynced(account)
    try await store.setSynced(account)
  }

  // MARK: - The account's state

  private func note(_ error: any Error) async {
    record.end()
    let failure = services.serviceError(error, account)
    logger.accountFailed(failure)
    switch failure.code {
    // The database being away says nothing of the account.
    case .unavailable, .internalError: return
    case .backendLimited:
      nextLogin = .now + (loginDelay ?? .zero)
      // Nobody's fault, and it passes: the account is what it was, with a reason why it is late.
      do {
        let known = try await store.account(account)?.state ?? .connecting
        await setState(known.whileWaiting, failure)
      } catch {
        logger.warning("state not stored", metadata: ["cause": "\(error.cause ?? error.message)"])
      }
    default: await setState(failure.accountState, failure)
    }
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
}
