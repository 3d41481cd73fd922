package import Bytes
package import Model
import Postgres

/// What is to be done at the ManageSieve server of an account, and what was.
package struct ScriptServerRecord: Sendable {
  package var account: ID<Account>
  package var lookAt: Timestamp
  package var attempts: Int
  package var lastError: AccountFailure?
  /// Whether a script there runs the rules; else the service does.
  package var runsRules: Bool
  /// Of the script that is there from us; nil where none is known to be.
  package var checksum: String?
  package var publishedAt: Timestamp?
  /// Whether it takes the place of whatever runs there, as was asked for when it was last published.
  package var replaces: Bool
}

/// The moment in an inbox at which others began to run the rules: mail from `firstUID` on is theirs.
package struct RuleBoundary: Sendable {
  package var uidValidity: Int64
  package var firstUID: Int64

  package init(uidValidity: Int64, firstUID: Int64) {
    self.uidValidity = uidValidity
    self.firstUID = firstUID
  }
}

extension Store {
  private static let scriptServerColumns: SQL = """
    select account_id, look_at, attempts, last_error, runs_rules, checksum, published_at,
      replaces
    from script_server
    """

  /// Has the account's ManageSieve server looked at soon.
  func scriptServerStatement(_ account: ID<Account>) -> SQL {
    """
    insert into script_server (account_id) values (\(account.rawValue))
    on conflict (account_id) do update set look_at = now(), attempts = 0
    """
  }

  /// The same, where the account has one that runs its rules.
  func republishStatement(_ account: ID<Account>) -> SQL {
    """
    update script_server set look_at = now(), attempts = 0
    where account_id = \(account.rawValue) and runs_rules
    """
  }

  /// Whether the rules of the account of message `m` are not the service's to run on it: another server's script has.
  ///
  /// Who runs them is decided for the account; mail that was in the inbox when that changed is left to who ran them before.
  var isFilteredElsewhere: SQL {
    """
    exists (select 1 from script_server s
      left join mailbox b on b.account_id = s.account_id and b.role = 'inbox'
      left join placement p on p.account_id = s.account_id and p.mailbox_id = b.id
        and p.message_id = m.id
      where s.account_id = m.account_id
        and case when b.uid_validity = s.uid_validity and p.uid < s.first_uid
          then not s.runs_rules else s.runs_rules end)
    """
  }

  /// The server of one account; nil where it has none.
  package func scriptServer(
    of account: ID<Account>
  ) async throws(ServiceError) -> ScriptServerRecord? {
    try await attempt {
      let rows = try await pool.query(
        Self.scriptServerColumns + " where account_id = \(account.rawValue)"
      )
      return try scriptServers(rows).first
    }
  }

  /// The servers whose turn has come, of accounts that are not `busy`.
  package func dueScriptServers(
    at now: Timestamp,
    busy: [ID<Account>],
    limit: Int
  ) async throws(ServiceError) -> [ScriptServerRecord] {
    try await attempt {
      let rows = try await pool.query(
        Self.scriptServerColumns + """
           where look_at <= \(now) and account_id <> all (\(busy.map(\.rawValue)))
          order by look_at limit \(Int64(limit))
          """
      )
      return try scriptServers(rows)
    }
  }

  /// When the next server's turn comes, of accounts that are not `busy`; nil where there is none.
  package func nextScriptServer(
    busy: [ID<Account>]
  ) async throws(ServiceError) -> Timestamp? {
    try await attempt {
      let rows = try await pool.query(
        "select min(look_at) from script_server where account_id <> all (\(busy.map(\.rawValue)))"
      )
      return try rows.optionalTimestamp(0, 0)
    }
  }

  /// Records how a look at a server ended, and has the next one at `time` unless somebody wants one sooner.
  package func settleScriptServer(
    _ record: ScriptServerRecord,
    failure: AccountFailure?,
    next time: Timestamp
  ) async throws(ServiceError) {
    try await changeScriptServer(
      record.account,
      isVisible: failure?.message != record.lastError?.message,
      """
      update script_server set last_error = \(failure?.json)::json,
        attempts = case when look_at <> \(record.lookAt) then attempts
          when \(failure == nil) then 0 else attempts + 1 end,
        look_at = case when look_at = \(record.lookAt) then \(time) else look_at end
      where account_id = \(record.account.rawValue)
      """
    )
  }

  /// Decides who runs the rules of an account from `boundary` on; a server that is to run them is looked at soon.
  package func switchRules(
    of account: ID<Account>,
    toServer: Bool,
    from boundary: RuleBoundary?
  ) async throws(ServiceError) {
    try await changeScriptServer(
      account,
      """
      update script_server set runs_rules = \(toServer), checksum = null, published_at = null,
        uid_validity = \(boundary?.uidValidity), first_uid = \(boundary?.firstUID),
        replaces = replaces and \(toServer), last_error = null, attempts = 0,
        look_at = case when \(toServer) then now() else look_at end
      where account_id = \(account.rawValue)
      """
    )
  }

  /// Records that the script with this checksum runs at the account's server.
  package func setPublished(
    _ checksum: String,
    of account: ID<Account>,
    at time: Timestamp
  ) async throws(ServiceError) {
    try await changeScriptServer(
      account,
      """
      update script_server set checksum = \(checksum), published_at = \(time), last_error = null,
        attempts = 0, replaces = false
      where account_id = \(account.rawValue)
      """
    )
  }

  /// Records whether the rules of an account are to take the place of a script that others wrote: until they run, or are asked for anew.
  package func setReplacing(
    _ replaces: Bool,
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await changeScriptServer(
      account,
      isVisible: false,
      """
      update script_server set replaces = \(replaces)
      where account_id = \(account.rawValue) and replaces <> \(replaces)
      """
    )
  }

  /// Records that it is not known which script runs at the account's server: the next look puts the right one there.
  package func forgetPublished(of account: ID<Account>) async throws(ServiceError) {
    try await changeScriptServer(
      account,
      "update script_server set checksum = null where account_id = \(account.rawValue)"
    )
  }

  /// Records what scripts may require at the account's server, where that changed.
  package func setSieveExtensions(
    _ extensions: [String],
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await changeScriptServer(
      account,
      """
      update account set sieve_extensions = \(extensions), version = version + 1
      where id = \(account.rawValue) and sieve is not null
        and sieve_extensions is distinct from \(extensions)
      """
    )
  }

  /// Runs `statement` with the account's row locked, as who changes its rules does first: else each could wait for the other.
  private func changeScriptServer(
    _ account: ID<Account>,
    isVisible: Bool = true,
    _ statement: SQL
  ) async throws(ServiceError) {
    try await attempt {
      try await pool.transaction { connection in
        let results = try await connection.pipeline([
          "select id from account where id = \(account.rawValue) for no key update", statement,
        ])
        guard results[1].affected == 1, isVisible else { return }
        try await append(
          [FeedEntry(.account, .updated, [account.rawValue])],
          to: account,
          on: connection
        )
      }
    }
  }

  private func scriptServers(_ rows: PostgresRows) throws -> [ScriptServerRecord] {
    try (0..<rows.count).map { row in
      ScriptServerRecord(
        account: ID(try rows.int64(row, 0)),
        lookAt: try rows.timestamp(row, 1),
        attempts: Int(try rows.int32(row, 2)),
        lastError: try rows.optionalString(row, 3).map { try AccountFailure(json: $0) },
        runsRules: try rows.bool(row, 4),
        checksum: try rows.optionalString(row, 5),
        publishedAt: try rows.optionalTimestamp(row, 6),
        replaces: try rows.bool(row, 7)
      )
    }
  }
}
