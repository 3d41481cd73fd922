package import Model
import Postgres

extension Store {
  /// The messages that have these UIDs in a mailbox; those that are not here yet, or hidden, are left out.
  package func messages(
    withUIDs uids: [Int64],
    in mailbox: ID<Mailbox>,
    of account: ID<Account>
  ) async throws(ServiceError) -> [ID<Message>] {
    guard let lowest = uids.min(), let highest = uids.max() else { return [] }
    return try await attempt {
      // The range lets the index lead: PostgreSQL would hold every message of an account against a long list.
      let rows = try await pool.query(
        """
        select p.message_id from placement p where p.account_id = \(account.rawValue)
          and p.mailbox_id = \(mailbox.rawValue) and p.uid >= \(lowest) and p.uid <= \(highest)
          and p.uid = any (\(uids)) and not p.is_deleted
        """
      )
      return try (0..<rows.count).map { ID(try rows.int64($0, 0)) }
    }
  }

  /// The messages kept here whose header has what `term` asks; none for other terms, which the database answers itself.
  ///
  /// - Throws: `unavailable` where the database has not told by `deadline`: it reads every header that is kept.
  package func localMessages(
    with term: SearchTerm,
    of account: ID<Account>,
    deadline: ContinuousClock.Instant
  ) async throws(ServiceError) -> [ID<Message>] {
    guard case .header(let name, let value) = term else { return [] }
    return try await attempt {
      let rows = try await pool.query(
        """
        select m.id from message m join blob b on b.account_id = m.account_id and b.id = m.blob_id
        where m.account_id = \(account.rawValue) and m.blob_id is not null
          and b.header ~* \(SearchSQL.fieldPattern(name, value ?? ""))
        """,
        deadline: deadline
      )
      return try (0..<rows.count).map { ID(try rows.int64($0, 0)) }
    }
  }
}

/// What a search looks into of a raw message kept here.
package struct BlobTexts: Sendable, Equatable {
  /// The fields of the header as they came, with decoded words behind them.
  package var header: String
  /// The texts of the parts that a reader is shown.
  package var body: String

  package init(header: String, body: String) {
    self.header = header
    self.body = body
  }
}

extension Store {
  /// Raw messages kept here that no search knows the texts of yet.
  package func unreadBlobs(
    limit: Int
  ) async throws(ServiceError) -> [(id: ID<Blob>, account: ID<Account>)] {
    try await attempt {
      let rows = try await pool.query(
        """
        select id, account_id from blob where body is null
        order by account_id, id limit \(Int64(limit))
        """
      )
      return try (0..<rows.count).map { row in
        (ID(try rows.int64(row, 0)), ID(try rows.int64(row, 1)))
      }
    }
  }

  /// Takes note of the texts of a raw message, and indexes the messages that it is anew.
  package func setTexts(
    _ texts: BlobTexts,
    of blob: ID<Blob>,
    in account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      // Both or neither: texts that are there already are not read again.
      try await pool.transaction { connection in
        let results = try await connection.pipeline([
          """
          update blob set header = \(texts.header), body = \(texts.body)
          where account_id = \(account.rawValue) and id = \(blob.rawValue)
          """,
          """
          select id from message where account_id = \(account.rawValue)
            and blob_id = \(blob.rawValue)
          """,
        ])
        let messages = try (0..<results[1].count).map { try results[1].int64($0, 0) }
        guard !messages.isEmpty else { return }
        _ = try await connection.query(reindexStatement(messages, of: account))
      }
    }
  }
}
