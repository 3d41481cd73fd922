package import Bytes
package import Logging
import Model
package import Net
package import Store
import Synchronization

/// What the engine is built from.
///
/// One object, since each account's tasks hold it: its configuration alone is a kilobyte.
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
  /// What servers found for searches whose pages somebody goes through.
  let searches = RecentSearches()
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
    firstPasses = FirstPasses(
      atOneServer: configuration.firstPasses,
      atOnce: configuration.allFirstPasses,
      group
    )
  }

  func remember(_ host: String, of account: ID<Account>) { hosts.set(host, account) }

  func host(of account: ID<Account>) -> String { hosts.host(account) }
}

/// A small shared table.
private final class HostNames: Sendable {
  private let names = Mutex<[ID<Account>: String]>([:])

  func set(_ host: String, _ account: ID<Account>) { names.withLock { $0[account] = host } }

  func host(_ account: ID<Account>) -> String { names.withLock { $0[account] ?? "" } }
}
