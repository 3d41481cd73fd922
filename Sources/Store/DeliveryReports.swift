package import Model
import Postgres

// What could not be delivered of mail that was brought by SMTP is told to its sender by mail.

extension Store {
  /// Submissions of all accounts that have ended and owe their senders a report.
  package func submissionsToReport() async throws(ServiceError) -> [SubmissionRecord] {
    try await submissions(
      " where owes_report and state in ('sent', 'failed') order by id limit 1000"
    )
  }

  /// Keeps the report of a submission in its account, once, however often it is called; without one none is owed any more.
  package func fileReport(
    of submission: SubmissionRecord,
    _ report: Delivery?
  ) async throws(ServiceError) {
    try await attempt {
      let fresh = try await ids.take(3, from: pool)
      let account = submission.accountID
      try await mailTransaction(account) { connection in
        let claimed = try await connection.query(
          """
          update submission set owes_report = false
          where account_id = \(account.rawValue) and id = \(submission.id.rawValue)
            and owes_report
          """
        )
        guard claimed.affected == 1, let report else { return }
        _ = try await file([report], fresh, of: account, on: connection)
      }
    }
  }
}
