package import Model
import Postgres

// What is known of a thread outlives its messages: answers that come later stay together, and a message that comes back finds its
// thread. When no tombstone can bring a message of it back, it goes.

extension Store {
  /// Forgets the Message-IDs and subjects of threads that lost their last message `days` ago, by default when no tombstone is left.
  ///
  /// Nothing finds them by their thread, so an account in which threads died is read through, once for all of them.
  package func forgetDeadThreads(
    olderThan days: Int64? = nil
  ) async throws(ServiceError) {
    let days = days ?? Self.tombstoneDays + 1
    try await attempt {
      let accounts = try await pool.query(
        """
        select distinct account_id from dead_thread where at <= now() - \(days) * interval '1 day'
        """
      )
      for row in 0..<accounts.count {
        try await forgetDeadThreads(of: ID(try accounts.int64(row, 0)), olderThan: days)
      }
    }
  }

  private func forgetDeadThreads(of account: ID<Account>, olderThan days: Int64) async throws {
    let id = account.rawValue
    try await mailTransaction(account) { connection in
      let due = try await connection.query(
        """
        with due as (
          delete from dead_thread where account_id = \(id)
            and at <= now() - \(days) * interval '1 day'
          returning thread_id
        )
        select d.thread_id from due d
        -- A message came back, or the thread became part of another.
        where not exists (select 1 from message m
            where m.account_id = \(id) and m.thread_id = d.thread_id)
          and not exists (select 1 from thread_alias a
            where a.account_id = \(id) and a.id = d.thread_id)
        """
      )
      let dead = try (0..<due.count).map { try due.int64($0, 0) }
      guard !dead.isEmpty else { return }
      let aliases = try await connection.query(
        """
        delete from thread_alias where account_id = \(id) and thread_id = any (\(dead))
        returning id
        """
      )
      var names = dead
      for row in 0..<aliases.count { names.append(try aliases.int64(row, 0)) }
      _ = try await connection.pipeline([
        "delete from thread_key where account_id = \(id) and thread_id = any (\(names))",
        "delete from thread_subject where account_id = \(id) and thread_id = any (\(names))",
        "delete from thread_answer where account_id = \(id) and thread_id = any (\(names))",
      ])
    }
  }
}
