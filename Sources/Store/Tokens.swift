package import Bytes
package import Model
import Postgres

/// A bearer token, of which only a digest is kept.
package struct TokenRecord: Sendable {
  package var id: ID<Token>
  package var name: String?
  package var scopes: Set<String>
  /// Nil: every account.
  package var accounts: [ID<Account>]?
  package var expiresAt: Timestamp?
  package var createdAt: Timestamp
  package var lastUsedAt: Timestamp?
  package var isRevoked: Bool
}

extension Store {
  private static let tokenColumns: SQL = """
    select id, name, scopes, accounts, expires_at, created_at, last_used_at, is_revoked from token
    """

  /// Stores a token by its digest.
  package func insertToken(
    name: String?,
    digest: [UInt8],
    scopes: [String],
    accounts: [ID<Account>]?,
    expiresAt: Timestamp?,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> TokenRecord {
    try await attempt {
      let id = try await ids.take(from: pool)
      return try await pool.transaction { connection in
        try await settle(claim, location: "/v1/tokens/\(ID<Token>(id))", on: connection)
        let results = try await connection.pipeline([
          """
          insert into token (id, name, digest, scopes, accounts, expires_at)
          values (\(id), \(name), \(digest), \(scopes), \(accounts?.map(\.rawValue)),
            \(expiresAt))
          """,
          Self.tokenColumns + " where id = \(id)",
        ])
        return try token(results[1], 0)
      }
    }
  }

  /// The token with this digest, revoked or not; nil where there is none.
  package func token(digest: [UInt8]) async throws(ServiceError) -> TokenRecord? {
    try await attempt {
      let rows = try await pool.query(Self.tokenColumns + " where digest = \(digest)")
      return rows.count == 1 ? try token(rows, 0) : nil
    }
  }

  /// Tokens by id after `after`.
  package func tokens(
    after: ID<Token>? = nil,
    limit: Int
  ) async throws(ServiceError) -> [TokenRecord] {
    try await attempt {
      let rows = try await pool.query(
        Self.tokenColumns
          + " where id > \(after?.rawValue ?? 0) order by id limit \(Int64(limit))"
      )
      return try (0..<rows.count).map { try token(rows, $0) }
    }
  }

  /// Revokes a token for good; false where there is none.
  package func revokeToken(_ id: ID<Token>) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.query("update token set is_revoked = true where id = \(id.rawValue)")
        .affected > 0
    }
  }

  /// Records that a token was used, at most once a minute.
  package func touchToken(_ id: ID<Token>) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update token set last_used_at = now() where id = \(id.rawValue)
          and (last_used_at is null or last_used_at < now() - interval '1 minute')
        """
      )
    }
  }

  private func token(_ rows: PostgresRows, _ row: Int) throws -> TokenRecord {
    TokenRecord(
      id: ID(try rows.int64(row, 0)),
      name: try rows.optionalString(row, 1),
      scopes: Set(try rows.stringArray(row, 2)),
      accounts: try rows.optionalInt64Array(row, 3)?.map { ID($0) },
      expiresAt: try rows.optionalTimestamp(row, 4),
      createdAt: try rows.timestamp(row, 5),
      lastUsedAt: try rows.optionalTimestamp(row, 6),
      isRevoked: try rows.bool(row, 7)
    )
  }
}
