package import Bytes
package import Model
import Postgres

extension Store {
  /// With so many runs of an account not ended its rules by the clock are passed over.
  private static let mostWaiting: Int64 = 10

  /// The rules that run by the clock and whose time has come, the longest due first.
  package func dueSchedules(
    at now: Timestamp,
    limit: Int
  ) async throws(ServiceError) -> [(account: ID<Account>, rule: ID<MailRule>)] {
    try await attempt {
      let rows = try await pool.query(
        """
        select account_id, id from rule where next_run_at <= \(now)
        order by next_run_at limit \(Int64(limit))
        """
      )
      return try (0..<rows.count).map {
        (account: ID(try rows.int64($0, 0)), rule: ID(try rows.int64($0, 1)))
      }
    }
  }

  /// Queues a job for a rule that is due, where `request` has anything to do, and sets its next time: once, however many ask.
  package func queueScheduled(
    _ rule: ID<MailRule>,
    of account: ID<Account>,
    kind: String,
    request: String?,
    at now: Timestamp
  ) async throws(ServiceError) {
    try await attempt {
      let id = try await ids.take(from: pool)
      try await pool.transaction { connection in
        let claimed = try await connection.query(
          """
          update rule set next_run_at = \(now) + schedule_hours * interval '1 hour'
          where account_id = \(account.rawValue) and id = \(rule.rawValue)
            and next_run_at <= \(now)
          """
        )
        guard claimed.affected == 1, let request else { return }
        let waiting = try await connection.query(
          """
          select count(*) from job where account_id = \(account.rawValue) and kind = \(kind)
            and state in ('queued', 'running')
          """
        )
        guard try waiting.int64(0, 0) < Self.mostWaiting else { return }
        try await insertJob(id, kind: kind, of: account, request: request, on: connection)
      }
    }
  }
}
