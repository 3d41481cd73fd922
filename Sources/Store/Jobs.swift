package import Bytes
package import Model
import Postgres

/// Long work and how far it came.
package struct JobRecord: Sendable {
  package var id: ID<Job>
  package var accountID: ID<Account>?
  package var kind: String
  /// `queued`, `running`, `done`, `failed` or `cancelled`.
  package var state: String
  package var done: Int64
  package var total: Int64?
  package var errors: [String]
  /// Of an import: how many bytes of the archive are done with, and how many of its messages were left out.
  package var position: Int64 = 0
  package var skipped: Int64 = 0
  /// What was asked for, as JSON; for the worker alone, and empty for everybody else.
  package var request: String
  package var createdAt: Timestamp
  /// What it came to so far; nil where there is nothing to tell.
  package var result: JSONValue?
}

extension Store {
  /// Without the request: that of a large job lists up to a million messages.
  private static let jobColumns: SQL = """
    select id, account_id, kind, state, done, total, errors, '' as request, created_at,
      position, skipped, result::text
    from job
    """

  private static let jobColumnsWithRequest: SQL = """
    select id, account_id, kind, state, done, total, errors, request::text, created_at,
      position, skipped, result::text
    from job
    """

  /// Queues a job.
  package func insertJob(
    kind: String,
    of account: ID<Account>,
    request: String,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> JobRecord {
    try await attempt {
      let id = try await ids.take(from: pool)
      return try await pool.transaction { connection in
        try await settle(claim, location: "/v1/jobs/\(ID<Job>(id))", on: connection)
        try await insertJob(id, kind: kind, of: account, request: request, on: connection)
        return try job(try await connection.query(Self.jobColumns + " where id = \(id)"), 0)
      }
    }
  }

  /// The row of a job, and what the feed says of it.
  func insertJob(
    _ id: Int64,
    kind: String,
    of account: ID<Account>,
    request: String,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      insert into job (id, account_id, kind, state, request)
      values (\(id), \(account.rawValue), \(kind), 'queued', \(request)::json)
      """
    )
    try await append([FeedEntry(.job, .created, [id])], to: account, on: connection)
  }

  /// One job; nil where there is none.
  package func job(_ id: ID<Job>) async throws(ServiceError) -> JobRecord? {
    try await attempt {
      let rows = try await pool.query(Self.jobColumns + " where id = \(id.rawValue)")
      return rows.count == 1 ? try job(rows, 0) : nil
    }
  }

  /// Jobs of the accounts that a token may see (nil: all), newest first, before `after`.
  package func jobs(
    visibleTo visible: [ID<Account>]?,
    after: ID<Job>? = nil,
    limit: Int
  ) async throws(ServiceError) -> [JobRecord] {
    try await attempt {
      let rows = try await pool.query(
        Self.jobColumns
          + """
           where id < \(after?.rawValue ?? .max)
             and (\(visible == nil) or account_id = any(\((visible ?? []).map(\.rawValue))))
           order by id desc limit \(Int64(limit))
          """
      )
      return try (0..<rows.count).map { try job(rows, $0) }
    }
  }

  /// Jobs of the account that a restart has to go on with, oldest first, but for those of `kinds`.
  package func unfinishedJobs(
    of account: ID<Account>,
    except kinds: [String] = []
  ) async throws(ServiceError) -> [JobRecord] {
    try await attempt {
      let rows = try await pool.query(
        Self.jobColumnsWithRequest
          + """
           where account_id = \(account.rawValue) and state in ('queued', 'running')
             and kind <> all (\(kinds))
           order by id
          """
      )
      return try (0..<rows.count).map { try job(rows, $0) }
    }
  }

  /// The oldest job of these kinds that has not ended of each account that is not `busy`, but for those that are `waiting`.
  package func unfinishedJobs(
    ofKinds kinds: [String],
    busy: [ID<Account>],
    waiting: [ID<Job>]
  ) async throws(ServiceError) -> [JobRecord] {
    try await attempt {
      let rows = try await pool.query(
        Self.jobColumnsWithRequest
          + """
           where id in (select min(id) from job where state in ('queued', 'running')
             and kind = any (\(kinds)) and account_id <> all (\(busy.map(\.rawValue)))
             group by account_id)
             and id <> all (\(waiting.map(\.rawValue)))
          """
      )
      return try (0..<rows.count).map { try job(rows, $0) }
    }
  }

  /// Records progress; false where the job was cancelled meanwhile.
  package func progressJob(
    _ record: JobRecord,
    state: String,
    done: Int64,
    total: Int64?,
    errors: [String]
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.transaction { connection in
        let rows = try await connection.query(
          """
          update job set state = \(state), done = \(done), total = \(total),
            errors = \(errors), updated_at = now()
          where id = \(record.id.rawValue) and state in ('queued', 'running') returning id
          """
        )
        guard rows.count == 1 else { return false }
        if let account = record.accountID {
          try await append(
            [FeedEntry(.job, .updated, [record.id.rawValue])],
            to: account,
            on: connection
          )
        }
        return true
      }
    }
  }

  /// Ends a job that has not ended; how far it came meanwhile stays as its worker wrote it.
  package func cancelJob(_ record: JobRecord) async throws(ServiceError) {
    try await attempt {
      try await pool.transaction { connection in
        let rows = try await connection.query(
          """
          update job set state = 'cancelled', updated_at = now()
          where id = \(record.id.rawValue) and state in ('queued', 'running')
          """
        )
        guard rows.affected == 1, let account = record.accountID else { return }
        try await append(
          [FeedEntry(.job, .updated, [record.id.rawValue])],
          to: account,
          on: connection
        )
      }
    }
  }

  func job(_ rows: PostgresRows, _ row: Int) throws -> JobRecord {
    var job = JobRecord(
      id: ID(try rows.int64(row, 0)),
      accountID: try rows.optionalInt64(row, 1).map { ID($0) },
      kind: try rows.string(row, 2),
      state: try rows.string(row, 3),
      done: try rows.int64(row, 4),
      total: try rows.optionalInt64(row, 5),
      errors: try rows.stringArray(row, 6),
      request: try rows.string(row, 7),
      createdAt: try rows.timestamp(row, 8),
      result: try rows.optionalString(row, 11).map { try JSONValue(column: $0) }
    )
    job.position = try rows.int64(row, 9)
    job.skipped = try rows.int64(row, 10)
    return job
  }
}
