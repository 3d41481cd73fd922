package import Bytes
package import Model
import Postgres

/// A rule that matched a message, as the log has it; or why the rules could not be run on it.
package struct RuleMatchRecord: Sendable {
  /// Nil where the rules could not be run.
  package var rule: ID<MailRule>?
  /// Whether the id is that of a script, which ran in the place of the rules.
  package var isScript = false
  package var name: String
  /// The job that ran the rules; nil where the message had just come.
  package var job: ID<Job>?
  package var actions: JSONValue
  /// Those of the actions that were not carried out, each with why.
  package var refused: JSONValue
  /// Why the rules could not be run.
  package var error: String?
  package var at: Timestamp
}

/// How long what rules did is kept.
package struct RuleLogLimits: Sendable {
  /// For how many days it is told which rules matched a message.
  package var matchDays: Int64 = 90
  /// For how many days what a run over stored mail did can be undone.
  package var undoDays: Int64 = 30

  package init() {}
}

extension Store {
  /// Notes which rules matched which messages.
  func log(
    _ entries: [(message: ID<Message>, match: RuleEffect.Match)],
    _ account: ID<Account>,
    _ job: ID<Job>?,
    on connection: PostgresConnection
  ) async throws {
    guard !entries.isEmpty else { return }
    let none = JSONValue.array([]).text
    let refused = entries.map { entry in
      entry.match.refused.isEmpty ? none : JSONValue.array(entry.match.refused).text
    }
    _ = try await connection.pipeline([
      """
      insert into rule_match (account_id, message_id, rule_id, rule_name, job_id, actions, refused)
      select \(account.rawValue), e.message, e.rule, e.name, \(job?.rawValue), e.actions::json,
        e.refused::json
      from unnest(\(entries.map(\.message.rawValue))::bigint[],
        \(entries.map(\.match.rule.rawValue))::bigint[], \(entries.map(\.match.name))::text[],
        \(entries.map(\.match.actions.text))::text[], \(refused)::text[])
        with ordinality as e (message, rule, name, actions, refused, place)
      order by e.place
      """,
      """
      delete from rule_match where account_id = \(account.rawValue)
        and at < now() - \(RuleLogLimits().matchDays) * interval '1 day'
      """,
    ])
  }

  /// Notes what a script did, and what it has seen.
  func log(
    _ effect: RuleEffect,
    _ message: ID<Message>,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var statements = markStatements(effect.marks, account)
    if let run = effect.script {
      statements.append(
        """
        insert into rule_match
          (account_id, message_id, rule_id, rule_name, actions, refused, is_script)
        values (\(account.rawValue), \(message.rawValue), \(run.script.rawValue), \(run.name),
          \(run.actions.text)::json, \(JSONValue.array(run.refused).text)::json, true)
        """
      )
    }
    if !statements.isEmpty { _ = try await connection.pipeline(statements) }
  }

  /// The rules that matched a message, in the order in which they did.
  package func ruleMatches(
    of message: ID<Message>,
    in account: ID<Account>
  ) async throws(ServiceError) -> [RuleMatchRecord] {
    try await attempt {
      let rows = try await pool.query(
        """
        select rule_id, rule_name, job_id, actions::text, refused::text, error, at, is_script
        from rule_match
        where account_id = \(account.rawValue) and message_id = \(message.rawValue)
        order by ordinal
        """
      )
      return try (0..<rows.count).map { row in
        RuleMatchRecord(
          rule: try rows.optionalInt64(row, 0).map { ID($0) },
          isScript: try rows.bool(row, 7),
          name: try rows.string(row, 1),
          job: try rows.optionalInt64(row, 2).map { ID($0) },
          actions: try JSONValue(column: rows.string(row, 3)),
          refused: try JSONValue(column: rows.string(row, 4)),
          error: try rows.optionalString(row, 5),
          at: try rows.timestamp(row, 6)
        )
      }
    }
  }
}
