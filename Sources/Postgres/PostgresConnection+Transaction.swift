import CPostgres
import Net

extension PostgresConnection {
  /// How long taking a transaction back may take before its connection is closed instead.
  private static let rollbackTimeout: Duration = .seconds(5)

  /// Runs `body` in a transaction, committed when it returns and rolled back when it throws.
  ///
  /// A cancelled task's transaction is rolled back. `begin` travels with the first statement, so it
  /// costs no round trip. Inside another transaction this is a savepoint.
  package func transaction<R>(
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    try await begin()
    do {
      let value = try await body(self)
      try await commit()
      return value
    } catch {
      await rollBack()
      throw error
    }
  }

  private func begin() async throws(PostgresError) {
    if let refusal = refusal() { throw refusal }
    if transactionDepth == 0 {
      owesBegin = true
    } else {
      _ = try await query(SQL(unsafeSQL: "savepoint level\(transactionDepth)"))
    }
    transactionDepth += 1
  }

  private func commit() async throws(PostgresError) {
    if owesBegin, beforeCommit.isEmpty {
      // Nothing was sent, so there is nothing to commit.
      if let refusal = refusal() { throw refusal }
      owesBegin = false
      transactionDepth = 0
    } else if transactionDepth > 1 {
      _ = try await query(SQL(unsafeSQL: "release savepoint level\(transactionDepth - 1)"))
      transactionDepth -= 1
    } else {
      let last = beforeCommit
      beforeCommit = []
      let results = try await pipeline(last + ["commit"])
      transactionDepth = 0
      let afterCommit = afterCommit
      self.afterCommit = nil
      // A transaction that an error has ended is rolled back by `commit`, without an error.
      guard let end = results.last, unsafe String(cString: PQcmdStatus(end.result)) == "COMMIT"
      else {
        throw .server(
          sqlState: "25P02",
          message: "an error had ended the transaction",
          constraint: nil
        )
      }
      afterCommit?()
    }
  }

  /// Takes the innermost transaction back, also for a cancelled task; failing that, closes.
  private func rollBack() async {
    guard transactionDepth > 0 else { return }
    transactionDepth -= 1
    if transactionDepth == 0 {
      afterCommit = nil
      beforeCommit = []
    }
    if owesBegin, transactionDepth == 0 {
      owesBegin = false
      return
    }
    guard failure == nil, !owesBegin else { return }
    let level = "level\(transactionDepth)"
    let statements: [SQL] =
      transactionDepth == 0
      ? ["rollback"]
      : [
        SQL(unsafeSQL: "rollback to savepoint \(level)"),
        SQL(unsafeSQL: "release savepoint \(level)"),
      ]
    let outcome = await run(
      PostgresCall(.pipeline(statements)),
      deadline: ContinuousClock.now + Self.rollbackTimeout,
      ignoringCancellation: true
    )
    if case .failure = outcome { close() }
  }

  /// Tells the server of a transaction before something that cannot carry `begin` along.
  func beginIfOwed() async throws(PostgresError) {
    guard owesBegin else { return }
    // An empty statement: `begin` goes before it.
    _ = try await query("")
  }
}
