package import Model
import Postgres

/// What `total=true` asks of the lists that are read by id.
extension Store {
  /// How many accounts a token may see (nil: all).
  package func countAccounts(visibleTo visible: [ID<Account>]?) async throws(ServiceError) -> Int64
  {
    try await count(
      """
      select count(*) from account
      where \(visible == nil) or id = any(\((visible ?? []).map(\.rawValue)))
      """
    )
  }

  /// How many jobs a token may see (nil: all).
  package func countJobs(visibleTo visible: [ID<Account>]?) async throws(ServiceError) -> Int64 {
    try await count(
      """
      select count(*) from job
      where \(visible == nil) or account_id = any(\((visible ?? []).map(\.rawValue)))
      """
    )
  }

  /// How many submissions the account has.
  package func countSubmissions(of account: ID<Account>) async throws(ServiceError) -> Int64 {
    try await count("select count(*) from submission where account_id = \(account.rawValue)")
  }

  /// How many intents of the account are on their way.
  package func countOperations(of account: ID<Account>) async throws(ServiceError) -> Int64 {
    try await count("select count(*) from operation where account_id = \(account.rawValue)")
  }

  /// How many tokens there are.
  package func countTokens() async throws(ServiceError) -> Int64 {
    try await count("select count(*) from token")
  }

  private func count(_ sql: SQL) async throws(ServiceError) -> Int64 {
    try await attempt { try await pool.query(sql).int64(0, 0) }
  }
}
