package import Bytes
package import Model
import Postgres

/// A rule as it is stored.
package struct RuleRecord: Sendable {
  package var id: ID<MailRule>
  package var position: Int
  package var name: String
  package var isEnabled: Bool
  /// Since when it is enabled.
  package var enabledAt: Timestamp
  /// `delivery`, `stored`, `outbound` or `schedule`.
  package var trigger: String
  /// The whole rule as JSON.
  package var definition: JSONValue
  package var version: Int64
  package var createdAt: Timestamp
}

/// A rule to be stored.
package struct NewRule: Sendable {
  package var name: String
  package var isEnabled: Bool
  package var trigger: String
  /// After how many hours it runs again by the clock; nil for one that does not.
  package var hours: Int?
  /// The whole rule as JSON.
  package var definition: JSONValue

  package init(
    name: String,
    isEnabled: Bool,
    trigger: String,
    hours: Int? = nil,
    definition: JSONValue
  ) {
    self.name = name
    self.isEnabled = isEnabled
    self.trigger = trigger
    self.hours = hours
    self.definition = definition
  }

  /// The hours where it runs at all.
  fileprivate var enabledHours: Int32? { isEnabled ? hours.map { Int32(clamping: $0) } : nil }
}

extension Store {
  private static let ruleColumns: SQL = """
    select id, position, name, is_enabled, enabled_at, trigger, definition::text, version, created_at
    from rule
    """

  /// The rules of an account in their order, and where its feed stood.
  package func rules(
    of account: ID<Account>
  ) async throws(ServiceError) -> (rules: [RuleRecord], state: FeedState) {
    try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account),
        Self.ruleColumns + " where account_id = \(account.rawValue) order by position, id",
      ])
      return (try rules(results[1]), try feedState(results[0]))
    }
  }

  /// The ids and versions of the rules and lists of an account: where they are the same, so is all of these.
  package func ruleStamp(of account: ID<Account>) async throws(ServiceError) -> [Int64] {
    try await attempt {
      let rows = try await pool.query(
        """
        select id, version from rule where account_id = \(account.rawValue)
        union all
        select id, version from address_list where account_id = \(account.rawValue)
        order by 1
        """
      )
      return try (0..<rows.count).flatMap { [try rows.int64($0, 0), try rows.int64($0, 1)] }
    }
  }

  /// One rule; nil where there is none.
  package func rule(
    _ id: ID<MailRule>,
    of account: ID<Account>
  ) async throws(ServiceError) -> RuleRecord? {
    try await attempt {
      let rows = try await pool.query(
        Self.ruleColumns + " where account_id = \(account.rawValue) and id = \(id.rawValue)"
      )
      return try rules(rows).first
    }
  }

  /// Adds a rule at a place of the order, from 0; at the end where nil.
  package func insertRule(
    _ rule: NewRule,
    at position: Int?,
    of account: ID<Account>,
    limit: Int,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> RuleRecord {
    defer { scriptServers.tell() }
    return try await attempt {
      let id = try await ids.take(from: pool)
      return try await pool.transaction { connection in
        let order = try await lockedRules(of: account, on: connection)
        guard order.count < limit else {
          throw ServiceError(.conflict, "An account has at most \(limit) rules.")
        }
        try await settle(
          claim,
          location: "/v1/accounts/\(account)/rules/\(ID<MailRule>(id))",
          on: connection
        )
        _ = try await connection.pipeline(
          Self.inserts([rule], [id], from: order.count, of: account)
        )
        var moved: [Int64] = []
        if let position, position < order.count {
          var wanted = order
          wanted.insert(id, at: max(position, 0))
          moved = try await reorder(wanted, of: account, on: connection)
        }
        try await append(
          [
            FeedEntry(.rule, .created, [id]),
            FeedEntry(.rule, .updated, moved.filter { $0 != id }),
          ],
          to: account,
          on: connection
        )
        return try await requireRule(id, of: account, on: connection)
      }
    }
  }

  /// Puts other contents, and with `position` another place, to a rule that is at `version`.
  package func updateRule(
    _ id: ID<MailRule>,
    of account: ID<Account>,
    _ rule: NewRule,
    position: Int?,
    ifVersion version: Int64
  ) async throws(ServiceError) -> RuleRecord {
    defer { scriptServers.tell() }
    return try await attempt {
      try await pool.transaction { connection in
        let order = try await lockedRules(of: account, on: connection)
        let rows = try await connection.query(
          """
          update rule set name = \(rule.name), trigger = \(rule.trigger),
            definition = \(rule.definition.text)::json, version = version + 1,
            enabled_at = case when \(rule.isEnabled) and not is_enabled then now()
              else enabled_at end,
            is_enabled = \(rule.isEnabled), schedule_hours = \(rule.enabledHours),
            next_run_at = case when \(rule.enabledHours)::integer = schedule_hours then next_run_at
              else now() + \(rule.enabledHours)::integer * interval '1 hour' end
          where account_id = \(account.rawValue) and id = \(id.rawValue)
            and version = \(version) returning id
          """
        )
        guard rows.count == 1 else {
          guard order.contains(id.rawValue) else { throw ServiceError.notFound("rule") }
          throw ServiceError(.preconditionFailed, "The rule changed meanwhile.")
        }
        var changed = [id.rawValue]
        if let position {
          var wanted = order.filter { $0 != id.rawValue }
          wanted.insert(id.rawValue, at: min(max(position, 0), wanted.count))
          changed += try await reorder(wanted, of: account, on: connection)
        }
        try await append(
          [FeedEntry(.rule, .updated, Set(changed).sorted())],
          to: account,
          on: connection
        )
        return try await requireRule(id.rawValue, of: account, on: connection)
      }
    }
  }

  /// Forgets a rule; the ones behind it move up.
  package func deleteRule(
    _ id: ID<MailRule>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    defer { scriptServers.tell() }
    return try await attempt {
      try await pool.transaction { connection in
        let order = try await lockedRules(of: account, on: connection)
        guard order.contains(id.rawValue) else { throw ServiceError.notFound("rule") }
        _ = try await connection.query(
          "delete from rule where account_id = \(account.rawValue) and id = \(id.rawValue)"
        )
        let moved = try await reorder(
          order.filter { $0 != id.rawValue },
          of: account,
          on: connection
        )
        try await append(
          [
            FeedEntry(.rule, .destroyed, [id.rawValue]), FeedEntry(.rule, .updated, moved),
          ],
          to: account,
          on: connection
        )
      }
    }
  }

  /// Adds rules behind those that an account has; their ids.
  package func appendRules(
    _ rules: [NewRule],
    of account: ID<Account>,
    limit: Int,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> [ID<MailRule>] {
    defer { scriptServers.tell() }
    return try await attempt {
      let fresh = try await ids.take(rules.count, from: pool)
      return try await pool.transaction { connection in
        let order = try await lockedRules(of: account, on: connection)
        guard order.count + rules.count <= limit else {
          throw ServiceError(.conflict, "An account has at most \(limit) rules.")
        }
        try await settle(claim, location: "/v1/accounts/\(account)/rules", on: connection)
        _ = try await connection.pipeline(
          Self.inserts(rules, fresh, from: order.count, of: account)
        )
        try await append([FeedEntry(.rule, .created, fresh)], to: account, on: connection)
        return fresh.map { ID($0) }
      }
    }
  }

  private static func inserts(
    _ rules: [NewRule],
    _ fresh: [Int64],
    from position: Int,
    of account: ID<Account>
  ) -> [SQL] {
    zip(rules, fresh).enumerated().map { index, entry in
      let (rule, id) = entry
      return """
        insert into rule (account_id, id, position, name, is_enabled, trigger, definition,
          schedule_hours, next_run_at)
        values (\(account.rawValue), \(id), \(Int32(position + index)), \(rule.name),
          \(rule.isEnabled), \(rule.trigger), \(rule.definition.text)::json, \(rule.enabledHours),
          now() + \(rule.enabledHours)::integer * interval '1 hour')
        """
    }
  }

  /// Puts `rules` in the place of all rules of an account, and of the script that ran here in their place.
  package func replaceRules(
    _ rules: [NewRule],
    of account: ID<Account>
  ) async throws(ServiceError) {
    defer { scriptServers.tell() }
    return try await attempt {
      let fresh = try await ids.take(rules.count, from: pool)
      try await pool.transaction { connection in
        let old = try await lockedRules(of: account, on: connection)
        let statements: [SQL] = [
          """
          update script set is_active = false
          where account_id = \(account.rawValue) and is_active and content is not null
          """,
          "delete from rule where account_id = \(account.rawValue)",
        ]
        let results = try await connection.pipeline(
          statements + Self.inserts(rules, fresh, from: 0, of: account)
        )
        let ended = results[0].affected > 0 ? [account.rawValue] : []
        try await append(
          [
            FeedEntry(.rule, .destroyed, old), FeedEntry(.rule, .created, fresh),
            FeedEntry(.account, .updated, ended),
          ],
          to: account,
          on: connection
        )
      }
    }
  }

  // MARK: - Rows

  /// The ids of an account's rules in their order; nobody else changes them until the transaction's end.
  private func lockedRules(
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let results = try await connection.pipeline([
      "select id from account where id = \(account.rawValue) for no key update",
      "select id from rule where account_id = \(account.rawValue) order by position, id",
      republishStatement(account),
    ])
    guard !results[0].isEmpty else { throw ServiceError.notFound("account") }
    return try (0..<results[1].count).map { try results[1].int64($0, 0) }
  }

  /// Gives rules their places in `order`; those that moved.
  private func reorder(
    _ order: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    let rows = try await connection.query(
      """
      update rule r set position = (o.place - 1)::integer, version = version + 1
      from unnest(\(order)::bigint[]) with ordinality as o (id, place)
      where r.account_id = \(account.rawValue) and r.id = o.id and r.position <> o.place - 1
      returning r.id
      """
    )
    return try (0..<rows.count).map { try rows.int64($0, 0) }.sorted()
  }

  private func requireRule(
    _ id: Int64,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> RuleRecord {
    let rows = try await connection.query(
      Self.ruleColumns + " where account_id = \(account.rawValue) and id = \(id)"
    )
    guard let record = try rules(rows).first else { throw ServiceError.notFound("rule") }
    return record
  }

  func rules(_ rows: PostgresRows) throws -> [RuleRecord] {
    try (0..<rows.count).map { row in
      RuleRecord(
        id: ID(try rows.int64(row, 0)),
        position: Int(try rows.int32(row, 1)),
        name: try rows.string(row, 2),
        isEnabled: try rows.bool(row, 3),
        enabledAt: try rows.timestamp(row, 4),
        trigger: try rows.string(row, 5),
        definition: try JSONValue(column: rows.string(row, 6)),
        version: try rows.int64(row, 7),
        createdAt: try rows.timestamp(row, 8)
      )
    }
  }
}
