import Logging
package import Model
package import Net
package import Store
import Synchronization

/// Keeps every account current, carries out what callers ask of mail, and sends.
///
/// Each account has a worker on one loop; submissions have a worker of their own. The engine owns
/// all of these tasks: `start` makes them, `shutdown` cancels and awaits them.
package final class Engine: Sendable {
  package let services: EngineServices
  /// Who listens to the feed.
  package let feed: FeedHub
  private let state = Mutex(State())

  private struct Running {
    var backend: any MailBackend
    var task: Task<Void, Never>
  }

  private struct State {
    var accounts: [ID<Account>: Running] = [:]
    var submissions: (worker: SubmissionWorker, task: Task<Void, Never>)?
    var feed: Task<Void, Never>?
    var rules: Task<Void, Never>?
    var scripts: Task<Void, Never>?
    var isRunning = false
  }

  /// An engine that does nothing until `start`.
  package init(_ services: EngineServices) {
    self.services = services
    feed = FeedHub(services.configuration.feed)
  }

  package var store: Store { services.store }

  /// Starts all that answers are made of: from its return on callers may ask; `startAccounts` follows.
  package func start() async throws(ServiceError) {
    try await store.settleIdempotency()
    try await store.expireIdempotency()
    state.withLock { $0.isRunning = true }
    startFeed()
    startSubmissions()
    startRules()
    startScripts()
  }

  /// Starts a worker for every account that has none.
  ///
  /// What is kept here can be read before it; whoever needs an account's server starts its worker.
  package func startAccounts() async throws(ServiceError) {
    var last: ID<Account>?
    while true {
      let accounts = try await store.accounts(after: last, limit: 500)
      for account in accounts { startWorker(account) }
      guard let end = accounts.last?.id, accounts.count == 500 else { return }
      last = end
    }
  }

  /// Whether the database answers and the engine runs.
  package func checkReadiness() async throws(ServiceError) {
    guard state.withLock({ $0.isRunning }) else {
      throw ServiceError(.unavailable, "The service is starting or stopping.", isRetryable: true)
    }
    try await store.ping()
  }

  /// Begins to send nothing more, and waits until what is being sent has ended; at `deadline` that is cancelled.
  package func finishSending(until deadline: Deadline) async {
    let submissions = state.withLock { state in
      defer { state.submissions = nil }
      return state.submissions
    }
    guard let submissions else { return }
    submissions.worker.stop()
    let limit = Task {
      // A sleep that ends early was cancelled: everything was sent in time.
      guard (try? await Task.sleep(until: deadline)) != nil else { return }
      submissions.task.cancel()
    }
    await submissions.task.value
    limit.cancel()
    await limit.value
  }

  /// Cancels every account's worker, lets messages that are being sent end for up to five seconds, and waits for all.
  package func shutdown() async {
    feed.close()
    let (workers, others) = state.withLock { state in
      state.isRunning = false
      defer {
        state.accounts = [:]
        state.feed = nil
        state.rules = nil
        state.scripts = nil
      }
      let others = [state.feed, state.rules, state.scripts].compactMap(\.self)
      return (state.accounts.values.map(\.task), others)
    }
    for task in others { task.cancel() }
    for task in others { await task.value }
    for task in workers { task.cancel() }
    for task in workers { await task.value }
    await finishSending(until: .after(.seconds(5)))
  }

  // MARK: - Workers

  /// Has the account kept current by the back end that its settings name.
  func startWorker(_ account: Account) {
    state.withLock { state in
      guard state.isRunning, state.accounts[account.id] == nil else { return }
      let loop = services.group.next()
      let backend = services.backend(for: account, on: loop)
      let task = Task(executorPreference: loop) { await backend.run() }
      state.accounts[account.id] = Running(backend: backend, task: task)
    }
  }

  /// Ends the worker of an account and waits for it.
  func stopWorker(_ account: ID<Account>) async {
    let running = state.withLock { $0.accounts.removeValue(forKey: account) }
    running?.task.cancel()
    await running?.task.value
  }

  /// The back end of an account that runs here.
  func backend(of account: ID<Account>) async throws(ServiceError) -> any MailBackend {
    var running = state.withLock { $0.accounts[account] }
    if running == nil, let known = try await store.account(account) {
      // The service has just started, and its turn has not come yet.
      startWorker(known)
      running = state.withLock { $0.accounts[account] }
    }
    guard let running else {
      throw ServiceError(
        .unavailable,
        "The account is not running on this service.",
        isRetryable: true,
        retryAfter: 1
      )
    }
    return running.backend
  }

  /// What is known of an account from its connections; of one that does not run here, nothing.
  package func connection(of account: ID<Account>) -> AccountConnection {
    state.withLock { $0.accounts[account] }?.backend.connection ?? AccountConnection()
  }

  /// What is known of an account from its connections, and how much it keeps here where that is limited.
  package func connection(of account: Account) -> AccountConnection {
    var connection = connection(of: account.id)
    if account.incoming.kind.hasLocalMailboxes,
      let limit = account.quotaBytes ?? services.configuration.quotaBytes
    {
      connection.quotas.append(
        AccountConnection.Quota(
          name: "",
          resource: "storage",
          used: account.keptBytes,
          limit: limit
        )
      )
    }
    return connection
  }

  func wake(_ account: ID<Account>, _ reasons: LoopSignal.Reasons) {
    state.withLock { $0.accounts[account] }?.backend.signal.notify(reasons)
  }

  func wakeSubmissions() {
    state.withLock { $0.submissions?.worker }?.signal.notify(.operations)
  }

  private func startFeed() {
    state.withLock { state in
      guard state.feed == nil else { return }
      let loop = services.group.next()
      let worker = FeedWorker(feed, on: loop, services)
      state.feed = Task(executorPreference: loop) { await worker.run() }
    }
  }

  private func startRules() {
    state.withLock { state in
      guard state.rules == nil else { return }
      let loop = services.group.next()
      let worker = RuleWorker(on: loop, services, RuleHands(self))
      state.rules = Task(executorPreference: loop) { await worker.run() }
    }
  }

  private func startScripts() {
    state.withLock { state in
      guard state.scripts == nil else { return }
      let loop = services.group.next()
      let worker = ScriptServerWorker(on: loop, services)
      state.scripts = Task(executorPreference: loop) { await worker.run() }
    }
  }

  private func startSubmissions() {
    state.withLock { state in
      guard state.submissions == nil else { return }
      let loop = services.group.next()
      let worker = SubmissionWorker(on: loop, services) { [weak self] account in
        self?.wake(account, .operations)
      }
      let task = Task(executorPreference: loop) { await worker.run() }
      state.submissions = (worker, task)
    }
  }

  /// Runs `body` and turns what a back end throws into the one error that callers see.
  func serviceErrors<R>(
    _ account: ID<Account>,
    _ body: () async throws -> R
  ) async throws(ServiceError) -> R {
    do {
      return try await body()
    } catch {
      throw serviceError(error, account)
    }
  }

  /// The one error that callers see for what a back end threw.
  package func serviceError(_ error: any Error, _ account: ID<Account>) -> ServiceError {
    services.serviceError(error, account)
  }
}
