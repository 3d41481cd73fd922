package import Model
import Postgres

/// What one transaction of an import adds to how far its job is.
package struct ImportStep: Sendable {
  /// How many steps the job had taken; it takes this one only if that is still so.
  package var number: Int64
  /// How many bytes of the archive are done with after it.
  package var position: Int64
  /// What the reader has to know to go on from there, as JSON.
  package var place: String
  /// How many messages of the archive were left out.
  package var skipped: Int64 = 0
  /// What is added to the report.
  package var errors: [String] = []
  /// Whether the archive is done with.
  package var isLast = false

  package init(number: Int64, position: Int64, place: String) {
    self.number = number
    self.position = position
    self.place = place
  }
}

/// An import that somebody sends the archive of.
package struct ImportClaim: Sendable {
  package var job: JobRecord
  /// How many steps it has taken.
  package var steps: Int64
  /// What the last of them left for the reader; nil before the first.
  package var place: String?
}

extension Store {
  /// What `job.kind` says of an import.
  package static let importKind = "importMessages"

  /// Takes an import over: whoever sent its archive until now can store nothing more.
  ///
  /// - Throws: `conflict` unless it waits for the byte `offset` of the archive.
  package func claimImport(
    _ id: ID<Job>,
    of account: ID<Account>,
    from offset: Int64
  ) async throws(ServiceError) -> ImportClaim {
    try await attempt {
      try await pool.transaction { connection in
        let rows = try await connection.query(
          """
          update job set state = 'running', steps = steps + 1, updated_at = now()
          where id = \(id.rawValue) and account_id = \(account.rawValue)
            and kind = \(Self.importKind) and state in ('queued', 'running')
            and position = \(offset)
          returning id, account_id, kind, state, done, total, errors, request::text, created_at,
            position, skipped, result::text, steps, place::text
          """
        )
        guard rows.count == 1 else {
          let found = try await connection.query(
            """
            select state, position from job where id = \(id.rawValue)
              and account_id = \(account.rawValue) and kind = \(Self.importKind)
            """
          )
          guard found.count == 1 else { throw ServiceError.notFound("import") }
          let state = try found.string(0, 0)
          guard ["queued", "running"].contains(state) else {
            throw ServiceError(.conflict, "The import has ended: it is \(state).")
          }
          let position = try found.int64(0, 1)
          throw ServiceError(
            .conflict,
            "The rest of the archive is wanted from byte \(position) on."
          )
        }
        try await append(
          [FeedEntry(.job, .updated, [id.rawValue])],
          to: account,
          on: connection
        )
        return ImportClaim(
          job: try job(rows, 0),
          steps: try rows.int64(0, 12),
          place: try rows.optionalString(0, 13)
        )
      }
    }
  }

  /// Stores messages of an archive, and how far the import is with them: both, or neither.
  ///
  /// What stands before a message that is refused is stored, and the import ends there: as failed, with what it was refused for.
  ///
  /// - Throws: `conflict` where the import was cancelled or taken over, and what a message was refused for.
  package func store(
    _ batch: [Delivery],
    of id: ID<Job>,
    _ step: ImportStep,
    to account: ID<Account>,
    quota: Int64?
  ) async throws(ServiceError) {
    try await attempt {
      let fresh = try await ids.take(batch.count * 3, from: pool)
      let refusal: ServiceError? = try await mailTransaction(
        account,
        reading: lookUps(for: batch, to: account)
      ) { connection, found in
        let taken = try await connection.query(
          """
          update job set state = \(step.isLast ? "done" : "running"), steps = steps + 1,
            done = done + \(Int64(batch.count)), skipped = skipped + \(step.skipped),
            errors = errors || \(step.errors), position = \(step.position),
            place = \(step.place)::json, updated_at = now()
          where id = \(id.rawValue) and steps = \(step.number)
            and state in ('queued', 'running')
          """
        )
        guard taken.affected == 1 else {
          throw ServiceError(
            .conflict,
            "The import was cancelled, or somebody else goes on with it."
          )
        }
        let told = FeedEntry(.job, .updated, [id.rawValue])
        guard !batch.isEmpty else {
          try await append([told], to: account, on: connection)
          return nil
        }
        let outcomes = try await deliver(
          batch,
          fresh,
          found,
          to: account,
          quota: quota,
          upToRefused: true,
          telling: [told],
          on: connection
        )
        let refused = outcomes.compactMap(\.refusal)
        if let first = refused.first {
          // Where nothing is stored, nothing else tells of the job.
          if refused.count == batch.count { try await append([told], to: account, on: connection) }
          try await fail(id, refused.count, first, on: connection)
        }
        return refused.first
      }
      if let refusal { throw refusal }
    }
  }

  /// Ends the import whose step has just been taken, of which `count` messages were refused.
  private func fail(
    _ id: ID<Job>,
    _ count: Int,
    _ error: ServiceError,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(
      """
      update job set state = 'failed', done = done - \(Int64(count)),
        errors = errors || \([error.message])
      where id = \(id.rawValue)
      """
    )
  }

  /// Notes that nobody sends the archive of an import any more; with a failure it has ended.
  ///
  /// One that was taken over meanwhile stays as it is.
  package func releaseImport(
    _ id: ID<Job>,
    of account: ID<Account>,
    after steps: Int64,
    failure: String?
  ) async throws(ServiceError) {
    try await attempt {
      try await pool.transaction { connection in
        let rows = try await connection.query(
          """
          update job set state = \(failure == nil ? "queued" : "failed"),
            errors = errors || \(failure.map { [$0] } ?? []), updated_at = now()
          where id = \(id.rawValue) and steps = \(steps) and state = 'running'
          """
        )
        guard rows.affected == 1 else { return }
        try await append([FeedEntry(.job, .updated, [id.rawValue])], to: account, on: connection)
      }
    }
  }

  /// What the messages of a mailbox are known by, where they are kept here: the first half of their digests.
  package func contentIdentities(
    in mailbox: ID<Mailbox>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Set<ContentIdentity> {
    try await attempt {
      let rows = try await pool.query(
        """
        select m.identity from placement p
        join message m on m.account_id = p.account_id and m.id = p.message_id
        where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.rawValue)
        """
      )
      var found: Set<ContentIdentity> = []
      found.reserveCapacity(rows.count)
      for row in 0..<rows.count { found.insert(ContentIdentity(try rows.byteArray(row, 0))) }
      return found
    }
  }
}

/// By what equal messages are known, in a form that a million of takes little room.
package struct ContentIdentity: Hashable, Sendable {
  private let value: UInt128

  /// Of the digest's first bytes.
  package init(_ identity: [UInt8]) {
    value = identity.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }
}

extension Result {
  /// What was refused; nil where nothing was.
  fileprivate var refusal: Failure? {
    if case .failure(let error) = self { error } else { nil }
  }
}
