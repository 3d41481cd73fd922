package import Bytes
package import Crypto
package import Model
package import Postgres

/// Every SQL statement of the product, by noun.
///
/// A method is one transaction or one read. What it throws is safe to show to a caller.
package final class Store: Sendable {
  package let pool: PostgresPool
  let sealer: Sealer
  let ids = IDAllocator()
  /// Compresses what is kept.
  package let compressors = Compressors()
  /// The first syncs under way.
  package let firstSyncs = FirstSyncs()
  /// Told of every commit that appended to a feed.
  package let commits = CommitListener()
  /// Told of every commit by which mail may have come that rules have to look at.
  package let arrivals = CommitListener()
  /// Told where something may be to do at an account's ManageSieve server.
  package let scriptServers = CommitListener()

  /// A store over `pool` whose secrets are sealed by `sealer`.
  package init(pool: PostgresPool, sealer: Sealer) {
    self.pool = pool
    self.sealer = sealer
  }

  /// Whether the database answers.
  package func ping() async throws(ServiceError) {
    try await attempt { _ = try await pool.query("select 1") }
  }

  /// Takes the turn to serve from this database, on the current loop; nil where another service has it.
  ///
  /// Two services on one database would each replay every intent and try every submission.
  package func takeServiceTurn() async throws(ServiceError) -> SessionLock? {
    try await attempt { try await SessionLock.take((1_919_251_316, 1), on: pool) }
  }

  /// A transaction that changes mail of `account`; those of one account come one after another.
  ///
  /// The account is there for as long as it runs. They touch placements, messages, mailboxes and the feed in orders of their own: without the lock two
  /// of them can wait for each other. The feed's row would part them at their end all the same.
  func mailTransaction<R>(
    _ account: ID<Account>,
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    try await mailTransaction(account, reading: []) { connection, _ in try await body(connection) }
  }

  /// Up to how many rows PostgreSQL takes longer to plan the statements of a transaction than to run them.
  static let fewRows = 64

  /// Has the statements that follow in a transaction run by the plans that are there, whatever their values.
  static let keepPlans: SQL = "select set_config('plan_cache_mode', 'force_generic_plan', true)"

  /// The same, with what `statements` read once it has its turn, in the round trip that it takes to get that.
  ///
  /// With `isSmall` nothing is planned anew.
  func mailTransaction<R>(
    _ account: ID<Account>,
    reading statements: [SQL],
    isSmall: Bool = false,
    _ body: (PostgresConnection, [PostgresRows]) async throws -> R
  ) async throws -> R {
    try await pool.transaction { connection in
      let begin: [SQL] = [
        "select pg_advisory_xact_lock(\(account.rawValue))",
        "select 1 from account where id = \(account.rawValue)",
      ]
      let kept = isSmall ? [Self.keepPlans] : []
      let results = try await connection.pipeline(begin + kept + statements)
      guard !results[1].isEmpty else { throw ServiceError.notFound("account") }
      return try await body(connection, Array(results.suffix(statements.count)))
    }
  }

  /// Runs `body` and turns what it throws into the one error that callers see.
  func attempt<R>(_ body: () async throws -> R) async throws(ServiceError) -> R {
    do {
      return try await body()
    } catch let error as ServiceError {
      throw error
    } catch let error as PostgresError {
      throw ServiceError(error)
    } catch is CancellationError {
      throw ServiceError(.unavailable, "The request was cancelled.", isRetryable: true)
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
  }
}

extension ServiceError {
  /// What a caller sees of a failed statement: that the database is away, or a defect of ours.
  init(_ error: PostgresError) {
    if case .server(sqlState: "22021", _, _) = error {
      self.init(.invalidRequest, "A text holds U+0000, which cannot be stored.")
    } else if case .server(sqlState: "53100", _, _) = error {
      self.init(
        .unavailable,
        "The disk of the database is full.",
        cause: "\(error)",
        isRetryable: true,
        retryAfter: 60
      )
    } else if error == .cancelled {
      self.init(.unavailable, "The request was cancelled.", isRetryable: true)
    } else if error.isRetryable {
      self.init(
        .unavailable,
        "The database is not available at the moment.",
        cause: "\(error)",
        isRetryable: true,
        retryAfter: 1
      )
    } else {
      self.init(.internalError, "An internal error occurred.", cause: "\(error)")
    }
  }

  /// The row that the caller names is not there.
  package static func notFound(_ noun: String) -> ServiceError {
    ServiceError(.notFound, "There is no such \(noun).")
  }
}
