package import Bytes
package import Model
import Postgres

/// A Sieve script of an account.
package struct ScriptRecord: Sendable, Equatable {
  package var id: ID<SieveScript>
  package var name: String
  package var isActive: Bool
  /// Nil where a ManageSieve server has it.
  package var content: [UInt8]?
  /// Since when it is the active one, where it is.
  package var activatedAt: Timestamp
}

/// A script as a server tells of it.
package struct ServerScript: Sendable {
  package var name: String
  package var isActive: Bool

  package init(name: String, isActive: Bool) {
    self.name = name
    self.isActive = isActive
  }
}

extension Store {
  private static let scriptColumns: SQL = """
    select id, name, is_active, content, activated_at from script
    """

  /// The scripts of an account, by name; those alone that are kept here, or those alone that its server has.
  package func scripts(
    of account: ID<Account>,
    atServer: Bool
  ) async throws(ServiceError) -> [ScriptRecord] {
    try await attempt {
      try scripts(
        try await pool.query(
          Self.scriptColumns + """
             where account_id = \(account.rawValue) and (content is null) = \(atServer)
            order by name
            """
        )
      )
    }
  }

  /// One script; nil where there is none.
  package func script(
    _ id: ID<SieveScript>,
    of account: ID<Account>
  ) async throws(ServiceError) -> ScriptRecord? {
    try await attempt {
      let rows = try await pool.query(
        Self.scriptColumns + " where account_id = \(account.rawValue) and id = \(id.rawValue)"
      )
      return try scripts(rows).first
    }
  }

  /// The script that runs here on new mail in the place of the rules; nil where none does.
  package func activeScript(
    of account: ID<Account>
  ) async throws(ServiceError) -> ScriptRecord? {
    try await attempt {
      let rows = try await pool.query(
        Self.scriptColumns + """
           where account_id = \(account.rawValue) and is_active and content is not null
          """
      )
      return try scripts(rows).first
    }
  }

  /// Adds a script, or with `replaces` puts it in the place of one of the same name; with `activates` it is the active one.
  package func putScript(
    _ name: String,
    _ content: [UInt8],
    of account: ID<Account>,
    activates: Bool,
    replaces: Bool,
    limit: Int,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> ScriptRecord {
    try await attempt {
      let id = try await ids.take(from: pool)
      return try await scriptTransaction(account) { connection in
        let old = try await script(called: name, of: account, limit: limit, on: connection)
        guard old == nil || replaces else {
          throw ServiceError(.conflict, "There is a script of this name.")
        }
        let chosen = old ?? ID<SieveScript>(id)
        try await settle(
          claim,
          location: "/v1/accounts/\(account)/scripts/\(chosen)",
          on: connection
        )
        _ = try await connection.query(
          """
          insert into script (account_id, id, name, content)
          values (\(account.rawValue), \(chosen.rawValue), \(name), \(content))
          on conflict (account_id, id) do update set content = excluded.content
          """
        )
        if activates { try await activate(chosen, of: account, on: connection) }
        return try await requireScript(chosen, of: account, on: connection)
      }
    }
  }

  /// The script of this name; nil where there is none and room for one more.
  private func script(
    called name: String,
    of account: ID<Account>,
    limit: Int,
    on connection: PostgresConnection
  ) async throws -> ID<SieveScript>? {
    let known = try await connection.query(
      "select id, name from script where account_id = \(account.rawValue)"
    )
    for row in 0..<known.count where try known.string(row, 1) == name {
      return ID(try known.int64(row, 0))
    }
    guard known.count < limit else {
      throw ServiceError(.conflict, "An account has at most \(limit) scripts.")
    }
    return nil
  }

  /// Gives a script another name or other contents; what is nil stays.
  package func updateScript(
    _ id: ID<SieveScript>,
    of account: ID<Account>,
    name: String?,
    content: [UInt8]?
  ) async throws(ServiceError) -> ScriptRecord {
    try await attempt {
      try await scriptTransaction(account) { connection in
        if let name {
          let taken = try await connection.query(
            """
            select id from script where account_id = \(account.rawValue) and name = \(name)
              and id <> \(id.rawValue)
            """
          )
          guard taken.isEmpty else {
            throw ServiceError(.conflict, "There is a script of this name.")
          }
        }
        _ = try await connection.query(
          """
          update script set name = coalesce(\(name), name), content = coalesce(\(content), content)
          where account_id = \(account.rawValue) and id = \(id.rawValue)
          """
        )
        return try await requireScript(id, of: account, on: connection)
      }
    }
  }

  /// Makes a script the one that runs on new mail; nil has none run.
  package func activateScript(
    _ id: ID<SieveScript>?,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await scriptTransaction(account) { connection in
        if let id { _ = try await requireScript(id, of: account, on: connection) }
        try await activate(id, of: account, on: connection)
      }
    }
  }

  /// Forgets a script that is not the active one.
  package func deleteScript(
    _ id: ID<SieveScript>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await scriptTransaction(account) { connection in
        let script = try await requireScript(id, of: account, on: connection)
        guard !script.isActive else {
          throw ServiceError(
            .conflict,
            "The script is active; activate none or another first."
          )
        }
        _ = try await connection.query(
          "delete from script where account_id = \(account.rawValue) and id = \(id.rawValue)"
        )
      }
    }
  }

  /// Has ids for the scripts that an account's server has, and for no others; these, by name.
  package func reconcileScripts(
    _ scripts: [ServerScript],
    of account: ID<Account>
  ) async throws(ServiceError) -> [ScriptRecord] {
    try await attempt {
      let fresh = try await ids.take(scripts.count, from: pool)
      let rows = try await pool.transaction { connection in
        let results = try await connection.pipeline([
          "select id from account where id = \(account.rawValue) for no key update",
          """
          delete from script where account_id = \(account.rawValue) and content is null
            and name <> all (\(scripts.map(\.name))::text[])
          """,
          "update script set is_active = false where account_id = \(account.rawValue) and is_active",
          """
          insert into script (account_id, id, name, is_active)
          select \(account.rawValue), s.id, s.name, s.is_active
          from unnest(\(fresh)::bigint[], \(scripts.map(\.name))::text[],
            \(scripts.map(\.isActive))::boolean[]) as s (id, name, is_active)
          on conflict (account_id, name) do update set is_active = excluded.is_active
          """,
          Self.scriptColumns + " where account_id = \(account.rawValue) order by name",
        ])
        return results[4]
      }
      return try self.scripts(rows)
    }
  }

  /// Gives the script of a server another name here too.
  package func renameServerScript(
    _ id: ID<SieveScript>,
    of account: ID<Account>,
    to name: String
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update script set name = \(name)
        where account_id = \(account.rawValue) and id = \(id.rawValue) and content is null
        """
      )
    }
  }

  // MARK: - What scripts have seen

  /// Whether a script has seen what has this digest, and it is not forgotten yet.
  package func hasMark(
    _ digest: [UInt8],
    of account: ID<Account>,
    at now: Timestamp
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      !(try await pool.query(
        """
        select 1 from script_mark where account_id = \(account.rawValue) and digest = \(digest)
          and until > \(now)
        """
      ).isEmpty)
    }
  }

  func markStatements(_ marks: [RuleEffect.Mark], _ account: ID<Account>) -> [SQL] {
    guard !marks.isEmpty else { return [] }
    return [
      "delete from script_mark where account_id = \(account.rawValue) and until < now()"
    ]
      + marks.map { mark in
        """
        insert into script_mark (account_id, digest, until)
        values (\(account.rawValue), \(mark.digest), \(mark.until))
        on conflict (account_id, digest) do update set until = excluded.until
        """
      }
  }

  // MARK: - Rows

  /// A transaction that changes the scripts of an account, of which there is one at a time; the feed tells of it.
  private func scriptTransaction<R>(
    _ account: ID<Account>,
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    try await pool.transaction { connection in
      let rows = try await connection.query(
        "select id from account where id = \(account.rawValue) for no key update"
      )
      guard !rows.isEmpty else { throw ServiceError.notFound("account") }
      let result = try await body(connection)
      try await append(
        [FeedEntry(.account, .updated, [account.rawValue])],
        to: account,
        on: connection
      )
      return result
    }
  }

  private func activate(
    _ id: ID<SieveScript>?,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var statements: [SQL] = [
      """
      update script set is_active = false
      where account_id = \(account.rawValue) and is_active and id <> \(id?.rawValue ?? 0)
      """
    ]
    if let id {
      statements.append(
        """
        update script set is_active = true, activated_at = now()
        where account_id = \(account.rawValue) and id = \(id.rawValue) and not is_active
        """
      )
    }
    _ = try await connection.pipeline(statements)
  }

  private func requireScript(
    _ id: ID<SieveScript>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> ScriptRecord {
    let rows = try await connection.query(
      Self.scriptColumns + " where account_id = \(account.rawValue) and id = \(id.rawValue)"
    )
    guard let record = try scripts(rows).first else { throw ServiceError.notFound("script") }
    return record
  }

  private func scripts(_ rows: PostgresRows) throws -> [ScriptRecord] {
    try (0..<rows.count).map { row in
      ScriptRecord(
        id: ID(try rows.int64(row, 0)),
        name: try rows.string(row, 1),
        isActive: try rows.bool(row, 2),
        content: rows.isNull(row, 3) ? nil : rows.bytes(row, 3).array,
        activatedAt: try rows.timestamp(row, 4)
      )
    }
  }
}
