package import Bytes
package import Logging
import MailTransport
import Model
package import Net
package import Store
import Synchronization

/// What the engine is built from.
///
/// A class, since each of thousands of accounts holds it several times: with its configuration it is some 2 KB.
package final class EngineServices: Sendable {
  package let store: Store
  package let backends: BackendConnector
  package let group: EventLoopGroup
  package let configuration: EngineConfiguration
  /// The clock.
  package let now: @Sendable () -> Timestamp
  package let logger: Logger
  /// The host names of accounts, for what is said of failures.
  private let hosts = HostNames()
  /// Held over a list of an account's mailboxes, or a change of them, until it is stored.
  let mailboxLocks = AccountLocks()
  /// Held over a change of who runs an account's rules, and of what its ManageSieve server has of them.
  let publishing = AccountLocks()
  /// What servers found for searches whose pages somebody goes through.
  let searches = RecentSearches()
  /// What was read from servers a moment ago.
  let bodies: BodyCache
  /// Messages on their way into the database.
  let deliveries: DeliveryLine
  /// The first passes of accounts that have connected.
  let firstPasses: FirstPasses

  package init(
    store: Store,
    backends: BackendConnector,
    group: EventLoopGroup,
    configuration: EngineConfiguration,
    now: @escaping @Sendable () -> Timestamp,
    logger: Logger
  ) {
    self.store = store
    self.backends = backends
    self.group = group
    self.configuration = configuration
    self.now = now
    self.logger = logger
    bodies = BodyCache(configuration.bodyCache)
    deliveries = DeliveryLine(store: store, configuration: configuration)
    firstPasses = FirstPasses(
      atOneServer: configuration.firstPasses,
      atOnce: configuration.allFirstPasses,
      group
    )
  }

  func remember(_ host: String, of account: ID<Account>) { hosts.set(host, account) }

  func host(of account: ID<Account>) -> String { hosts.host(account) }

  /// The one error that callers see for what a back end threw.
  func serviceError(_ error: any Error, _ account: ID<Account>) -> ServiceError {
    switch error {
    case let error as ServiceError: error
    case let error as IMAPError: ServiceError(error, host: host(of: account))
    case let error as POP3Error: ServiceError(error, host: host(of: account))
    case let error as ManageSieveError: ServiceError(error, host: host(of: account))
    case is CancellationError:
      ServiceError(.unavailable, "The request was cancelled.", isRetryable: true)
    default: ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
  }

  /// What stands behind the mailboxes of an account.
  func backend(for account: Account, on loop: EventLoop) -> any MailBackend {
    switch account.incoming.kind {
    case .local: LocalBackend(account.id, on: loop, self)
    case .pop3: POP3Backend(account, on: loop, self)
    case .imap, .smtp, .managesieve: IMAPBackend(account, on: loop, self)
    }
  }

  /// Does what is left of an account's jobs.
  func runJobs(of account: ID<Account>, _ logger: Logger) async throws {
    let others = RuleWorker.kinds + [Store.importKind]
    for job in try await store.unfinishedJobs(of: account, except: others) {
      try await BatchJob(
        record: job,
        store: store,
        configuration: configuration,
        logger: logger
      ).run()
    }
  }
}

/// A small shared table.
private final class HostNames: Sendable {
  private let names = Mutex<[ID<Account>: String]>([:])

  func set(_ host: String, _ account: ID<Account>) { names.withLock { $0[account] = host } }

  func host(_ account: ID<Account>) -> String { names.withLock { $0[account] ?? "" } }
}
