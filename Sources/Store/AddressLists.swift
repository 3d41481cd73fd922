package import Model
import Postgres

/// Addresses and domains that rules name together.
package struct AddressListRecord: Sendable {
  package var id: ID<AddressListing>
  package var name: String
  package var entries: [String]
  package var version: Int64
}

extension Store {
  private static let listColumns: SQL = "select id, name, entries, version from address_list"

  /// The lists of an account, by creation.
  package func addressLists(
    of account: ID<Account>
  ) async throws(ServiceError) -> [AddressListRecord] {
    try await attempt {
      try lists(
        try await pool.query(
          Self.listColumns + " where account_id = \(account.rawValue) order by id"
        )
      )
    }
  }

  /// One list; nil where there is none.
  package func addressList(
    _ id: ID<AddressListing>,
    of account: ID<Account>
  ) async throws(ServiceError) -> AddressListRecord? {
    try await attempt {
      try lists(
        try await pool.query(
          Self.listColumns + " where account_id = \(account.rawValue) and id = \(id.rawValue)"
        )
      ).first
    }
  }

  /// Adds a list.
  package func insertAddressList(
    name: String,
    entries: [String],
    of account: ID<Account>,
    limit: Int,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> AddressListRecord {
    try await attempt {
      let id = try await ids.take(from: pool)
      return try await pool.transaction { connection in
        let results = try await connection.pipeline([
          "select id from account where id = \(account.rawValue) for no key update",
          "select count(*) from address_list where account_id = \(account.rawValue)",
        ])
        guard !results[0].isEmpty else { throw ServiceError.notFound("account") }
        guard try results[1].int64(0, 0) < Int64(limit) else {
          throw ServiceError(.conflict, "An account has at most \(limit) lists.")
        }
        try await settle(
          claim,
          location: "/v1/accounts/\(account)/lists/\(ID<AddressListing>(id))",
          on: connection
        )
        _ = try await connection.query(
          """
          insert into address_list (account_id, id, name, entries)
          values (\(account.rawValue), \(id), \(name), \(entries))
          """
        )
        return AddressListRecord(id: ID(id), name: name, entries: entries, version: 1)
      }
    }
  }

  /// Changes a list that is at `version`; what is nil stays.
  package func updateAddressList(
    _ id: ID<AddressListing>,
    of account: ID<Account>,
    name: String?,
    entries: [String]?,
    ifVersion version: Int64
  ) async throws(ServiceError) -> AddressListRecord {
    defer { scriptServers.tell() }
    return try await attempt {
      let results = try await pool.pipeline([
        """
        update address_list set name = coalesce(\(name), name),
          entries = case when \(entries == nil) then entries else \(entries ?? []) end,
          version = version + 1
        where account_id = \(account.rawValue) and id = \(id.rawValue) and version = \(version)
        returning id, name, entries, version
        """,
        republishStatement(account),
      ])
      guard let record = try lists(results[0]).first else {
        throw ServiceError(.preconditionFailed, "The list changed meanwhile.")
      }
      return record
    }
  }

  /// Forgets a list; false where there was none.
  package func deleteAddressList(
    _ id: ID<AddressListing>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    defer { scriptServers.tell() }
    return try await attempt {
      try await pool.pipeline([
        "delete from address_list where account_id = \(account.rawValue) and id = \(id.rawValue)",
        republishStatement(account),
      ])[0].affected == 1
    }
  }

  private func lists(_ rows: PostgresRows) throws -> [AddressListRecord] {
    try (0..<rows.count).map { row in
      AddressListRecord(
        id: ID(try rows.int64(row, 0)),
        name: try rows.string(row, 1),
        entries: try rows.stringArray(row, 2),
        version: try rows.int64(row, 3)
      )
    }
  }
}
