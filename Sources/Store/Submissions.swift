package import Bytes
package import Model
import Postgres

/// One recipient of a submission and what became of it.
package struct RecipientRecord: Sendable, Equatable {
  package var address: String
  /// `pending`, `accepted`, `refused` or `unknown`.
  package var state: String
  package var code: Int?
  package var enhancedStatus: String?
  package var reply: String?

  package init(
    address: String,
    state: String,
    code: Int? = nil,
    enhancedStatus: String? = nil,
    reply: String? = nil
  ) {
    self.address = address
    self.state = state
    self.code = code
    self.enhancedStatus = enhancedStatus
    self.reply = reply
  }
}

/// One try at sending.
package struct AttemptRecord: Sendable {
  package var number: Int
  package var startedAt: Timestamp
  package var endedAt: Timestamp?
  /// `sent`, `deferred`, `refused` or `unknown`; nil while it runs.
  package var outcome: String?
  package var response: String?
}

/// Handing a message to SMTP, and how far it came.
package struct SubmissionRecord: Sendable {
  package var id: ID<Submission>
  package var accountID: ID<Account>
  package var identityID: String?
  package var sender: String
  /// `held`, `queued`, `sending`, `sent`, `failed` or `cancelled`.
  package var state: String
  package var sendAt: Timestamp?
  package var undoUntil: Timestamp?
  package var createdAt: Timestamp
  package var messageID: String?
  package var subject: String?
  package var size: Int64
  package var lastError: String?
  package var blob: ID<Blob>
  package var answers: ID<Message>?
  package var isCopyFiled: Bool
  package var attemptCount: Int
  package var version: Int64
  package var recipients: [RecipientRecord]
  package var attempts: [AttemptRecord]
}

/// A submission to be queued.
package struct NewSubmission: Sendable {
  package var identityID: String?
  package var sender: String
  package var recipients: [String]
  package var message: [UInt8]
  package var messageID: String?
  package var subject: String?
  /// Not before this.
  package var sendAt: Timestamp?
  /// May be taken back until then.
  package var undoUntil: Timestamp?
  package var answers: ID<Message>?

  package init(
    identityID: String?,
    sender: String,
    recipients: [String],
    message: [UInt8],
    messageID: String?,
    subject: String?,
    sendAt: Timestamp?,
    undoUntil: Timestamp?,
    answers: ID<Message>?
  ) {
    self.identityID = identityID
    self.sender = sender
    self.recipients = recipients
    self.message = message
    self.messageID = messageID
    self.subject = subject
    self.sendAt = sendAt
    self.undoUntil = undoUntil
    self.answers = answers
  }
}

extension Store {
  private static let submissionColumns: SQL = """
    select id, account_id, identity_id, sender, state, send_at, undo_until, created_at,
      message_id, subject, size, last_error, blob_id, answers_message_id, is_copy_filed, attempts,
      version
    from submission
    """

  /// Queues a submission: durable, with its message, before this returns.
  package func insertSubmission(
    _ new: NewSubmission,
    of account: ID<Account>
  ) async throws(ServiceError) -> SubmissionRecord {
    let id = try await attempt {
      let fresh = try await ids.take(2, from: pool)
      let due = [new.sendAt, new.undoUntil].compactMap { $0 }.max()
      try await pool.transaction { connection in
        try await insertBlob(fresh[1], new.message, of: account, on: connection)
        _ = try await connection.pipeline([
          """
          insert into submission (account_id, id, identity_id, sender, blob_id, size, message_id,
            subject, state, send_at, undo_until, next_attempt_at, answers_message_id)
          values (\(account.rawValue), \(fresh[0]), \(new.identityID), \(new.sender), \(fresh[1]),
            \(Int64(new.message.count)), \(new.messageID), \(new.subject),
            \(due == nil ? "queued" : "held"), \(new.sendAt), \(new.undoUntil),
            coalesce(\(due), now()), \(new.answers?.rawValue))
          """,
          """
          insert into submission_recipient (account_id, submission_id, position, address)
          select \(account.rawValue), \(fresh[0]), r.position::integer, r.address
          from unnest(\(new.recipients)::text[]) with ordinality as r (address, position)
          """,
        ])
        try await append(
          [FeedEntry(.submission, .created, [fresh[0]])],
          to: account,
          on: connection
        )
      }
      return ID<Submission>(fresh[0])
    }
    guard let record = try await submission(id, of: account) else {
      throw ServiceError.notFound("submission")
    }
    return record
  }

  /// Submissions of the account, newest first, before `after`.
  package func submissions(
    of account: ID<Account>,
    after: ID<Submission>? = nil,
    limit: Int
  ) async throws(ServiceError) -> [SubmissionRecord] {
    try await submissions(
      """
       where account_id = \(account.rawValue) and id < \(after?.rawValue ?? .max)
       order by id desc limit \(Int64(limit))
      """
    )
  }

  /// One submission; nil where there is none.
  package func submission(
    _ id: ID<Submission>,
    of account: ID<Account>
  ) async throws(ServiceError) -> SubmissionRecord? {
    try await submissions(
      " where account_id = \(account.rawValue) and id = \(id.rawValue)"
    ).first
  }

  /// Submissions of all accounts whose time has come, soonest first.
  package func dueSubmissions(
    at now: Timestamp,
    limit: Int
  ) async throws(ServiceError) -> [SubmissionRecord] {
    try await submissions(
      """
       where state in ('held', 'queued', 'sending') and next_attempt_at <= \(now)
       order by next_attempt_at limit \(Int64(limit))
      """
    )
  }

  /// When the next submission that is not due at `now` will be; nil where none waits.
  package func nextSubmissionDue(
    after now: Timestamp
  ) async throws(ServiceError) -> Timestamp? {
    try await attempt {
      try await pool.query(
        """
        select min(next_attempt_at) from submission
        where state in ('held', 'queued', 'sending') and next_attempt_at > \(now)
        """
      ).optionalTimestamp(0, 0)
    }
  }

  private func submissions(_ condition: SQL) async throws(ServiceError) -> [SubmissionRecord] {
    try await attempt {
      let rows = try await pool.query(Self.submissionColumns + condition)
      var records = try (0..<rows.count).map { try submission(rows, $0) }
      let keys = records.map(\.id.rawValue)
      guard !keys.isEmpty else { return [] }
      let details = try await pool.pipeline([
        """
        select submission_id, address, state, reply_code, enhanced_status, reply
        from submission_recipient
        where account_id = any (\(records.map(\.accountID.rawValue)))
          and submission_id = any (\(keys))
        order by submission_id, position
        """,
        """
        select submission_id, number, started_at, ended_at, outcome, response from attempt
        where account_id = any (\(records.map(\.accountID.rawValue)))
          and submission_id = any (\(keys))
        order by submission_id, number
        """,
      ])
      let places = Dictionary(uniqueKeysWithValues: zip(keys, records.indices))
      for row in 0..<details[0].count {
        guard let place = places[try details[0].int64(row, 0)] else { continue }
        records[place].recipients.append(try recipient(details[0], row))
      }
      for row in 0..<details[1].count {
        guard let place = places[try details[1].int64(row, 0)] else { continue }
        records[place].attempts.append(try attemptRecord(details[1], row))
      }
      return records
    }
  }

  private func submission(_ rows: PostgresRows, _ row: Int) throws -> SubmissionRecord {
    SubmissionRecord(
      id: ID(try rows.int64(row, 0)),
      accountID: ID(try rows.int64(row, 1)),
      identityID: try rows.optionalString(row, 2),
      sender: try rows.string(row, 3),
      state: try rows.string(row, 4),
      sendAt: try rows.optionalTimestamp(row, 5),
      undoUntil: try rows.optionalTimestamp(row, 6),
      createdAt: try rows.timestamp(row, 7),
      messageID: try rows.optionalString(row, 8),
      subject: try rows.optionalString(row, 9),
      size: try rows.int64(row, 10),
      lastError: try rows.optionalString(row, 11),
      blob: ID(try rows.int64(row, 12)),
      answers: try rows.optionalInt64(row, 13).map { ID($0) },
      isCopyFiled: try rows.bool(row, 14),
      attemptCount: Int(try rows.int32(row, 15)),
      version: try rows.int64(row, 16),
      recipients: [],
      attempts: []
    )
  }

  private func recipient(_ rows: PostgresRows, _ row: Int) throws -> RecipientRecord {
    RecipientRecord(
      address: try rows.string(row, 1),
      state: try rows.string(row, 2),
      code: try rows.optionalInt32(row, 3).map(Int.init),
      enhancedStatus: try rows.optionalString(row, 4),
      reply: try rows.optionalString(row, 5)
    )
  }

  private func attemptRecord(_ rows: PostgresRows, _ row: Int) throws -> AttemptRecord {
    AttemptRecord(
      number: Int(try rows.int32(row, 1)),
      startedAt: try rows.timestamp(row, 2),
      endedAt: try rows.optionalTimestamp(row, 3),
      outcome: try rows.optionalString(row, 4),
      response: try rows.optionalString(row, 5)
    )
  }

  /// Takes a submission back before it is sent; false where it is too late.
  package func cancelSubmission(
    _ id: ID<Submission>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.transaction { connection in
        let rows = try await connection.query(
          """
          update submission set state = 'cancelled', version = version + 1
          where account_id = \(account.rawValue) and id = \(id.rawValue)
            and state in ('held', 'queued') returning id
          """
        )
        guard rows.count == 1 else { return false }
        try await append(
          [FeedEntry(.submission, .updated, [id.rawValue])],
          to: account,
          on: connection
        )
        return true
      }
    }
  }

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
  package func markDataBegun(
    _ number: Int,
    of submission: SubmissionRecord,
    deadline: Timestamp
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update attempt set is_data_begun = true, deadline = \(deadline)
        where account_id = \(submission.accountID.rawValue)
          and submission_id = \(submission.id.rawValue) and number = \(Int32(clamping: number))
        """
      )
    }
  }

  /// Records how an attempt ended: the recipients' replies, and what is next.
  package func endAttempt(
    _ number: Int,
    of submission: SubmissionRecord,
    outcome: String,
    response: String?,
    recipients: [RecipientRecord],
    state: String,
    nextAttemptAt: Timestamp?,
    lastError: String?
  ) async throws(ServiceError) {
    try await attempt {
      let account = submission.accountID
      let id = submission.id.rawValue
      try await pool.transaction { connection in
        var statements: [SQL] = [
          """
          update attempt set ended_at = now(), outcome = \(outcome), response = \(response)
          where account_id = \(account.rawValue) and submission_id = \(id)
            and number = \(Int32(clamping: number))
          """,
          """
          update submission set state = \(state), last_error = \(lastError),
            next_attempt_at = coalesce(\(nextAttemptAt), next_attempt_at), version = version + 1
          where account_id = \(account.rawValue) and id = \(id)
          """,
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
      }
    }
  }

  /// Sent submissions of all accounts whose copy has not been filed: a crash came in between.
  package func submissionsToFile() async throws(ServiceError) -> [SubmissionRecord] {
    try await submissions(" where state = 'sent' and not is_copy_filed order by id limit 1000")
  }
}
