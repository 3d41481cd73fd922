import Logging
import MailTransport
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
    var worker: AccountWorker
    var task: Task<Void, Never>
  }

  private struct State {
    var workers: [ID<Account>: Running] = [:]
    var submissions: (worker: SubmissionWorker, task: Task<Void, Never>)?
    var feed: Task<Void, Never>?
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
  }

  /// Starts a worker for every account that has none.
  ///
  /// What is kept here can be read before it; whoever needs an account's server starts its worker.
  package func startAccounts() async throws(ServiceError) {
    var last: ID<Account>?
    while true {
      let accounts = try await store.accounts(after: last, limit: 500)
      for account in accounts { startWorker(account.id, known: account) }
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
    let (workers, reader) = state.withLock { state in
      state.isRunning = false
      defer {
        state.workers = [:]
        state.feed = nil
      }
      return (state.workers.values.map(\.task), state.feed)
    }
    reader?.cancel()
    await reader?.value
    for task in workers { task.cancel() }
    for task in workers { await task.value }
    await finishSending(until: .after(.seconds(5)))
  }

  // MARK: - Workers

  func startWorker(_ account: ID<Account>, known: Account? = nil) {
    state.withLock { state in
      guard state.isRunning, state.workers[account] == nil else { return }
      let loop = services.group.next()
      let worker = AccountWorker(account, known: known, on: loop, services)
      let task = Task(executorPreference: loop) { await worker.run() }
      state.workers[account] = Running(worker: worker, task: task)
    }
  }

  /// Ends the worker of an account and waits for it.
  func stopWorker(_ account: ID<Account>) async {
    let running = state.withLock { $0.workers.removeValue(forKey: account) }
    running?.task.cancel()
    await running?.task.value
  }

  func worker(of account: ID<Account>) -> AccountWorker? {
    state.withLock { $0.workers[account]?.worker }
  }

  /// What is known of an account from its connections; of one that does not run here, nothing.
  package func connection(of account: ID<Account>) -> AccountConnection {
    worker(of: account)?.record.current ?? AccountConnection()
  }

  func wake(_ account: ID<Account>, _ reasons: LoopSignal.Reasons) {
    worker(of: account)?.signal.notify(reasons)
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

  /// A task on the loop of the account's connections; whoever makes it awaits it.
  func accountTask<R: Sendable>(
    _ account: ID<Account>,
    _ body: @escaping @Sendable (BodyPool) async throws -> R
  ) async throws -> Task<R, any Error> {
    if worker(of: account) == nil, let known = try await store.account(account) {
      // The service has just started, and its turn has not come yet.
      startWorker(account, known: known)
    }
    guard let worker = worker(of: account) else {
      throw ServiceError(
        .unavailable,
        "The account is not running on this service.",
        isRetryable: true,
        retryAfter: 1
      )
    }
    return Task(executorPreference: worker.loop) { try await body(worker.bodies) }
  }

  /// Runs `body` on the loop of the account's connections; the caller goes on where it was.
  func onAccountLoop<R: Sendable>(
    _ account: ID<Account>,
    _ body: @escaping @Sendable (BodyPool) async throws -> R
  ) async throws -> R {
    let task = try await accountTask(account, body)
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
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
    switch error {
    case let error as ServiceError: error
    case let error as IMAPError: ServiceError(error, host: services.host(of: account))
    case is CancellationError:
      ServiceError(.unavailable, "The request was cancelled.", isRetryable: true)
    default: ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
  }
}
