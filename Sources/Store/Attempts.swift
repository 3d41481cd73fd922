package import Bytes
package import Model
import Postgres

// One try at sending: its row is written before the connection, before DATA, and at the end.

extension Store {
  /// Begins an attempt; nil where the submission was cancelled or another attempt's deadline has not passed.
  ///
  /// What an attempt that ended in a crash had begun to send is `unknown` from here on: never sent again.
  package func beginAttempt(
    _ submission: SubmissionRecord,
    now: Timestamp,
    deadline: Timestamp
  ) async throws(ServiceError) -> Int? {
    try await attempt {
      let account = submission.accountID
      let id = submission.id.rawValue
      return try await pool.transaction { connection in
        let locked = try await connection.query(
          """
          select s.attempts, a.deadline, a.is_data_begun, a.ended_at is null
          from submission s left join attempt a on a.account_id = s.account_id
            and a.submission_id = s.id and a.number = s.attempts
          where s.account_id = \(account.rawValue) and s.id = \(id)
            and s.state in ('held', 'queued', 'sending')
          for update of s
          """
        )
        guard locked.count == 1 else { return nil }
        let number = try locked.int32(0, 0) + 1
        if let open = try locked.optionalBool(0, 3), open,
          let until = try locked.optionalTimestamp(0, 1)
        {
          let isDataBegun = try locked.bool(0, 2)
          guard !isDataBegun || until <= now else {
            // The server may still take the message: nothing is known before that has passed.
            _ = try await connection.query(
              """
              update submission set next_attempt_at = \(until)
              where account_id = \(account.rawValue) and id = \(id)
              """
            )
            return nil
          }
          try await closeCrashed(number - 1, isDataBegun, submission, on: connection)
          if isDataBegun { return nil }
        }
        _ = try await connection.pipeline([
          """
          update submission set state = 'sending', attempts = \(number), version = version + 1
          where account_id = \(account.rawValue) and id = \(id)
          """,
          """
          insert into attempt (account_id, submission_id, number, started_at, deadline)
          values (\(account.rawValue), \(id), \(number), \(now), \(deadline))
          """,
        ])
        try await append(
          [FeedEntry(.submission, .updated, [id])],
          to: account,
          on: connection
        )
        return Int(number)
      }
    }
  }

  private func closeCrashed(
    _ number: Int32,
    _ isDataBegun: Bool,
    _ submission: SubmissionRecord,
    on connection: PostgresConnection
  ) async throws {
    let account = submission.accountID.rawValue
    let id = submission.id.rawValue
    var statements: [SQL] = [
      """
      update attempt set ended_at = now(), outcome = \(isDataBegun ? "unknown" : "deferred"),
        response = 'The service stopped during this attempt.'
      where account_id = \(account) and submission_id = \(id) and number = \(number)
      """
    ]
    if isDataBegun {
      statements += [
        """
        update submission_recipient set state = 'unknown',
          reply = 'The service stopped before the server answered.'
        where account_id = \(account) and submission_id = \(id) and state = 'pending'
        """,
        """
        update submission set state = 'failed', version = version + 1,
          last_error = 'The service stopped before the server answered; it may have been sent.'
        where account_id = \(account) and id = \(id)
        """,
      ]
    }
    _ = try await connection.pipeline(statements)
    try await append(
      [FeedEntry(.submission, .updated, [id])],
      to: submission.accountID,
      on: connection
    )
  }

  /// Commits, before DATA, that from here on the server may take the message.
  ///
  /// Throws where another attempt has begun or this one counts as crashed: then DATA must not be sent.
  package func markDataBegun(
    _ number: Int,
    of submission: SubmissionRecord,
    deadline: Timestamp
  ) async throws(ServiceError) {
    try await attempt {
      let marked = try await pool.query(
        """
        update attempt a set is_data_begun = true, deadline = \(deadline)
        from submission s
        where a.account_id = \(submission.accountID.rawValue)
          and a.submission_id = \(submission.id.rawValue)
          and a.number = \(Int32(clamping: number)) and a.ended_at is null
          and s.account_id = a.account_id and s.id = a.submission_id and s.attempts = a.number
          and s.state = 'sending'
        """
      )
      guard marked.affected == 1 else { throw Self.attemptTaken }
    }
  }

  private static let attemptTaken = ServiceError(
    .unavailable,
    "Another attempt at this submission has begun.",
    isRetryable: false
  )

  /// Records how an attempt ended: the recipients' replies, and what is next.
  ///
  /// An attempt that has ended already, by this or as crashed, stays as it is: false.
  @discardableResult
  package func endAttempt(
    _ number: Int,
    of submission: SubmissionRecord,
    outcome: String,
    response: String?,
    recipients: [RecipientRecord],
    state: String,
    nextAttemptAt: Timestamp?,
    lastError: String?
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      let account = submission.accountID
      let id = submission.id.rawValue
      return try await pool.transaction { connection in
        let ended = try await connection.query(
          """
          update attempt set ended_at = now(), outcome = \(outcome), response = \(response)
          where account_id = \(account.rawValue) and submission_id = \(id)
            and number = \(Int32(clamping: number)) and ended_at is null
          """
        )
        guard ended.affected == 1 else { return false }
        var statements: [SQL] = [
          """
          update submission set state = \(state), last_error = \(lastError),
            next_attempt_at = coalesce(\(nextAttemptAt), next_attempt_at), version = version + 1
          where account_id = \(account.rawValue) and id = \(id)
          """
        ]
        for recipient in recipients {
          statements.append(
            """
            update submission_recipient set state = \(recipient.state),
              reply_code = \(recipient.code.map { Int32(clamping: $0) }),
              enhanced_status = \(recipient.enhancedStatus), reply = \(recipient.reply)
            where account_id = \(account.rawValue) and submission_id = \(id)
              and address = \(recipient.address) and state = 'pending'
            """
          )
        }
        _ = try await connection.pipeline(statements)
        try await append(
          [FeedEntry(.submission, .updated, [id])],
          to: account,
          on: connection
        )
        return true
      }
    }
  }
}
