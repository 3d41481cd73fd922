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
  /// The draft that this sends.
  package var draft: ID<Message>?
  package var isCopyFiled: Bool
  /// Whether its sender is still to be told by mail who did not get it.
  package var owesReport: Bool
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
  /// The draft that this sends.
  package var draft: ID<Message>?
  /// Whether a copy goes to Sent; what programs send leaves none.
  package var filesCopy = true
  /// Whether its sender is told by mail who did not get it.
  package var owesReport = false

  package init(
    identityID: String?,
    sender: String,
    recipients: [String],
    message: [UInt8],
    messageID: String?,
    subject: String?,
    sendAt: Timestamp?,
    undoUntil: Timestamp?,
    answers: ID<Message>?,
    draft: ID<Message>? = nil
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
    self.draft = draft
  }
}

extension Store {
  private static let submissionColumns: SQL = """
    select id, account_id, identity_id, sender, state, send_at, undo_until, created_at,
      message_id, subject, size, last_error, blob_id, answers_message_id, is_copy_filed, attempts,
      version, draft_message_id, owes_report
    from submission
    """

  /// Queues a submission: durable, with its message, before this returns.
  package func insertSubmission(
    _ new: NewSubmission,
    of account: ID<Account>,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> SubmissionRecord {
    let id = try await attempt {
      let fresh = try await ids.take(2, from: pool)
      let blob = try RawBlob(new.message, by: compressors)
      try await pool.transaction { connection in
        try await settle(
          claim,
          location: "/v1/accounts/\(account)/submissions/\(ID<Submission>(fresh[0]))",
          on: connection
        )
        try await insert(new, blob, fresh, of: account, on: connection)
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

  /// The rows of a submission, with fresh ids for it and its blob.
  func insert(
    _ new: NewSubmission,
    _ blob: RawBlob,
    _ fresh: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let due = [new.sendAt, new.undoUntil].compactMap { $0 }.max()
    try await insertBlobs([(fresh[1], blob)], of: account, on: connection)
    _ = try await connection.pipeline([
      """
      insert into submission (account_id, id, identity_id, sender, blob_id, size, message_id,
        subject, state, send_at, undo_until, next_attempt_at, answers_message_id,
        draft_message_id, is_copy_filed, owes_report)
      values (\(account.rawValue), \(fresh[0]), \(new.identityID), \(new.sender), \(fresh[1]),
        \(Int64(new.message.count)), \(new.messageID), \(new.subject),
        \(due == nil ? "queued" : "held"), \(new.sendAt), \(new.undoUntil),
        coalesce(\(due), now()), \(new.answers?.rawValue), \(new.draft?.rawValue),
        \(!new.filesCopy), \(new.owesReport))
      """,
      """
      insert into submission_recipient (account_id, submission_id, position, address)
      select \(account.rawValue), \(fresh[0]), r.position::integer, r.address
      from unnest(\(new.recipients)::text[]) with ordinality as r (address, position)
      """,
    ])
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

  /// The soonest submission whose time has come of each account that is not `busy`, soonest first.
  ///
  /// One an account, however many wait there: the queue of one account hides no other's. The accounts
  /// that have a queue are stepped through by its index, since most of a long queue is never looked at.
  package func dueSubmissions(
    at now: Timestamp,
    busy: [ID<Account>] = [],
    limit: Int
  ) async throws(ServiceError) -> [SubmissionRecord] {
    try await submissions(
      """
       where (account_id, id) in (
        with recursive waiting (account_id) as (
          (select account_id from submission where state in ('held', 'queued', 'sending')
            order by account_id limit 1)
          union all
          select (select s.account_id from submission s
            where s.state in ('held', 'queued', 'sending') and s.account_id > waiting.account_id
            order by s.account_id limit 1)
          from waiting where waiting.account_id is not null)
        select waiting.account_id, soonest.id
        from waiting cross join lateral (
          select s.id, s.next_attempt_at from submission s
          where s.account_id = waiting.account_id and s.state in ('held', 'queued', 'sending')
            and s.next_attempt_at <= \(now)
          order by s.next_attempt_at, s.id limit 1) as soonest
        where waiting.account_id <> all (\(busy.map(\.rawValue)))
        order by soonest.next_attempt_at limit \(Int64(limit)))
       order by next_attempt_at, id
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

  /// The submissions that meet `condition`, which begins with `where`, with their recipients and attempts.
  func submissions(_ condition: SQL) async throws(ServiceError) -> [SubmissionRecord] {
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
      draft: try rows.optionalInt64(row, 17).map { ID($0) },
      isCopyFiled: try rows.bool(row, 14),
      owesReport: try rows.bool(row, 18),
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
            and state in ('held', 'queued')
            and not exists (select 1 from submission_recipient r
              where r.account_id = submission.account_id and r.submission_id = submission.id
                and r.state in ('accepted', 'unknown'))
          returning id
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

  /// Sent submissions of all accounts whose copy has not been filed: a crash came in between.
  package func submissionsToFile() async throws(ServiceError) -> [SubmissionRecord] {
    try await submissions(" where state = 'sent' and not is_copy_filed order by id limit 1000")
  }
}
