import Crypto
import Bytes
package import Model
import Postgres

extension Store {
  private static let accountColumns: SQL = """
    select id, name, email, mode, incoming, outgoing, identities, state, last_error, last_sync_at,
      first_synced_at, capabilities, created_at, version, kept_bytes, quota_bytes,
      sieve, sieve_extensions
    from account
    """

  /// The accounts that a token may see (nil: all), by id after `after`.
  package func accounts(
    visibleTo visible: [ID<Account>]? = nil,
    after: ID<Account>? = nil,
    limit: Int
  ) async throws(ServiceError) -> [Account] {
    try await attempt {
      let rows = try await pool.query(
        Self.accountColumns + """
           where id > \(after?.rawValue ?? 0)
             and (\(visible == nil) or id = any(\((visible ?? []).map(\.rawValue))))
           order by id limit \(Int64(limit))
          """
      )
      return try (0..<rows.count).map { try account(rows, $0) }
    }
  }

  /// The accounts for which `condition` holds, by id, at most a hundred.
  func accounts(where condition: SQL) async throws(ServiceError) -> [Account] {
    try await attempt {
      let rows = try await pool.query(
        Self.accountColumns + " where " + condition + " order by id limit 100"
      )
      return try (0..<rows.count).map { try account(rows, $0) }
    }
  }

  /// One account; nil where there is none.
  package func account(_ id: ID<Account>) async throws(ServiceError) -> Account? {
    try await attempt {
      let rows = try await pool.query(Self.accountColumns + " where id = \(id.rawValue)")
      return rows.count == 1 ? try account(rows, 0) : nil
    }
  }

  /// Stores a new account, its secrets sealed, in state `connecting`, with the mailboxes that it keeps here.
  ///
  /// With `isReady` there is nothing to connect to.
  package func insertAccount(
    name: String,
    email: String,
    mode: AccountMode,
    incoming: BackendSettings,
    incomingSecret: Secret?,
    outgoing: BackendSettings?,
    outgoingSecret: Secret?,
    identities: [Identity],
    quotaBytes: Int64? = nil,
    sieve: SieveSettings? = nil,
    sieveSecret: Secret? = nil,
    localMailboxes: [MailboxListing] = [],
    isReady: Bool = false,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> Account {
    try await attempt {
      let id = ID<Account>(try await ids.take(from: pool))
      let fresh = try await ids.take(localMailboxes.count, from: pool)
      let state: AccountState = isReady ? .ready : .connecting
      let sealedIncoming = try seal(incomingSecret, "incoming_secret", id)
      let sealedOutgoing = try seal(outgoingSecret, "outgoing_secret", id)
      let sealedSieve = try seal(sieveSecret, "sieve_secret", id)
      let rows = try await pool.transaction { connection in
        try await settle(claim, location: "/v1/accounts/\(id)", on: connection)
        _ = try await connection.query(
          """
          insert into account (id, name, email, mode, incoming, outgoing, identities,
            incoming_secret, outgoing_secret, quota_bytes, sieve, sieve_secret, state,
            first_synced_at)
          values (\(id.rawValue), \(name), \(email), \(mode.rawValue),
            \(incoming.json)::json, \(outgoing?.json)::json, \(identities.json)::json,
            \(sealedIncoming), \(sealedOutgoing), \(quotaBytes), \(sieve?.json)::json, \(sealedSieve),
            \(state.rawValue),
            case when \(isReady) then now() end)
          """
        )
        if !localMailboxes.isEmpty {
          let plan = ListingPlan(localMailboxes, known: [], renamed: [:])
          try await store(plan, fresh, id, on: connection)
        }
        if sieve != nil { _ = try await connection.query(scriptServerStatement(id)) }
        try await append([FeedEntry(.account, .created, [id.rawValue])], to: id, on: connection)
        return try await connection.query(Self.accountColumns + " where id = \(id.rawValue)")
      }
      return try account(rows, 0)
    }
  }

  /// Stores changed settings.
  ///
  /// A secret that is nil stays unless it is erased: no later change of the settings can send it anywhere then.
  package func updateAccount(
    _ changed: Account,
    incomingSecret: Secret?,
    outgoingSecret: Secret?,
    erasesIncomingSecret: Bool,
    erasesOutgoingSecret: Bool,
    sieveSecret: Secret? = nil,
    ifVersion: Int64?
  ) async throws(ServiceError) -> Account {
    try await attempt {
      let id = changed.id
      let sealedIncoming = try seal(incomingSecret, "incoming_secret", id)
      let sealedOutgoing = try seal(outgoingSecret, "outgoing_secret", id)
      let sealedSieve = try seal(sieveSecret, "sieve_secret", id)
      let hasSieveSecret =
        changed.sieve.map { $0.hasOwnLogin && $0.server.authType.hasSecret } ?? false
      return try await pool.transaction { connection in
        let rows = try await connection.query(
          """
          update account set name = \(changed.name), email = \(changed.email),
            mode = \(changed.mode.rawValue), incoming = \(changed.incoming.json)::json,
            outgoing = \(changed.outgoing?.json)::json,
            identities = \(changed.identities.json)::json, quota_bytes = \(changed.quotaBytes),
            incoming_secret = case when \(erasesIncomingSecret) then \(sealedIncoming)
              else coalesce(\(sealedIncoming), incoming_secret) end,
            outgoing_secret = case when \(erasesOutgoingSecret) then \(sealedOutgoing)
              else coalesce(\(sealedOutgoing), outgoing_secret) end,
            sieve = \(changed.sieve?.json)::json,
            sieve_secret = case when \(hasSieveSecret)
              then coalesce(\(sealedSieve), sieve_secret) end,
            sieve_extensions = \(changed.sieveExtensions),
            version = version + 1
          where id = \(id.rawValue) and (\(ifVersion == nil) or version = \(ifVersion ?? 0))
          returning id
          """
        )
        guard rows.count == 1 else {
          throw ServiceError(.preconditionFailed, "The account changed meanwhile.")
        }
        _ = try await connection.query(
          changed.sieve == nil
            ? "delete from script_server where account_id = \(id.rawValue)"
            : scriptServerStatement(id)
        )
        if changed.sieve == nil {
          _ = try await connection.query(
            "delete from script where account_id = \(id.rawValue) and content is null"
          )
        }
        try await append([FeedEntry(.account, .updated, [id.rawValue])], to: id, on: connection)
        return try account(
          try await connection.query(Self.accountColumns + " where id = \(id.rawValue)"),
          0
        )
      }
    }
  }

  /// Removes the account and all that is its own; false where there is none.
  package func deleteAccount(_ id: ID<Account>) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.transaction { connection in
        let results = try await connection.pipeline([
          "select pg_advisory_xact_lock(\(id.rawValue))",
          // First, as whoever makes a blob's texts searchable locks it first: each would wait for the other.
          "delete from blob where account_id = \(id.rawValue)",
          "delete from placement where account_id = \(id.rawValue)",
          "delete from message where account_id = \(id.rawValue)",
          "delete from message_search where account_id = \(id.rawValue)",
          "delete from search_word where account_id = \(id.rawValue)",
          "delete from search_sender where account_id = \(id.rawValue)",
          "delete from thread_key where account_id = \(id.rawValue)",
          "delete from thread_subject where account_id = \(id.rawValue)",
          "delete from thread_answer where account_id = \(id.rawValue)",
          "delete from thread_alias where account_id = \(id.rawValue)",
          "delete from dead_thread where account_id = \(id.rawValue)",
          "delete from uidl where account_id = \(id.rawValue)",
          "delete from account where id = \(id.rawValue)",
          // And last: a submission that was under way has its bytes here by now, and no other can begin.
          "delete from blob where account_id = \(id.rawValue)",
        ])
        return results[results.count - 2].affected > 0
      }
    }
  }

  /// The secrets of an account, opened.
  package func secrets(
    of id: ID<Account>
  ) async throws(ServiceError) -> (incoming: Secret?, outgoing: Secret?) {
    try await attempt {
      let rows = try await pool.query(
        "select incoming_secret, outgoing_secret from account where id = \(id.rawValue)"
      )
      guard rows.count == 1 else { throw ServiceError.notFound("account") }
      return (
        try open(rows, column: 0, "incoming_secret", id),
        try open(rows, column: 1, "outgoing_secret", id)
      )
    }
  }

  /// The secret of an account's ManageSieve server: its own, or where it has none that of the incoming server.
  package func sieveSecret(of account: Account) async throws(ServiceError) -> Secret? {
    guard account.sieve?.hasOwnLogin == true else {
      return try await secrets(of: account.id).incoming
    }
    return try await attempt {
      let rows = try await pool.query(
        "select sieve_secret from account where id = \(account.id.rawValue)"
      )
      guard rows.count == 1 else { throw ServiceError.notFound("account") }
      return try open(rows, column: 0, "sieve_secret", account.id)
    }
  }

  /// Records how the account's connection stands, and tells the feed, where that changed.
  ///
  /// The same failure again is none: its time stays that of the first. Without a `state` it stays as it is.
  package func setState(
    _ state: AccountState?,
    failure: AccountFailure?,
    of id: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await pool.transaction { connection in
        let rows = try await connection.query(
          "select state, last_error from account where id = \(id.rawValue)"
        )
        guard rows.count == 1 else { return }
        // Compared here: a server's words may hold what jsonb does not take.
        var known = try rows.optionalString(0, 1).map { try AccountFailure(json: $0) }
        if let failure { known?.at = failure.at }
        let before = try rows.string(0, 0)
        let state = state?.rawValue ?? before
        guard before != state || known != failure else { return }
        _ = try await connection.query(
          """
          update account set state = \(state), last_error = \(failure?.json)::json
          where id = \(id.rawValue)
          """
        )
        try await append([FeedEntry(.account, .updated, [id.rawValue])], to: id, on: connection)
      }
    }
  }

  /// Records what the server can do, where that changed.
  package func setCapabilities(
    _ capabilities: [String],
    of id: ID<Account>
  ) async throws(ServiceError) {
    try await change(
      id,
      """
      update account set capabilities = \(capabilities), version = version + 1
      where id = \(id.rawValue) and capabilities <> \(capabilities)
      """
    )
  }

  /// Records that every mailbox of the account is current.
  package func setFirstSynced(_ id: ID<Account>) async throws(ServiceError) {
    try await attempt {
      let isFirst = try await pool.query(
        "select 1 from account where id = \(id.rawValue) and first_synced_at is null"
      )
      guard !isFirst.isEmpty else { return }
      try await mailTransaction(id) { connection in
        let first = try await connection.query(
          """
          update account set first_synced_at = now()
          where id = \(id.rawValue) and first_synced_at is null
          """
        )
        guard first.affected == 1 else { return }
        // A mailbox that is kept here, and that a server fills.
        let filled = try await connection.query(
          """
          update mailbox set synced_down_to = 1, version = version + 1
          where account_id = \(id.rawValue) and is_local and synced_down_to is null returning id
          """
        )
        let mailboxes = try (0..<filled.count).map { try filled.int64($0, 0) }
        try await append(
          [
            FeedEntry(.account, .updated, [id.rawValue]),
            FeedEntry(.mailbox, .updated, mailboxes, properties: ["syncState"]),
          ],
          to: id,
          on: connection
        )
      }
    }
  }

  /// Runs `statement`, and tells the feed where it changed the account.
  private func change(_ id: ID<Account>, _ statement: SQL) async throws(ServiceError) {
    try await attempt {
      try await pool.transaction { connection in
        guard try await connection.query(statement).affected == 1 else { return }
        try await append([FeedEntry(.account, .updated, [id.rawValue])], to: id, on: connection)
      }
    }
  }

  private func seal(_ secret: Secret?, _ column: String, _ id: ID<Account>) throws -> [UInt8]? {
    guard let secret else { return nil }
    return try sealer.seal([UInt8](secret.value.utf8), context: "account.\(column):\(id.rawValue)")
  }

  private func open(
    _ rows: PostgresRows,
    column: Int,
    _ name: String,
    _ id: ID<Account>
  ) throws -> Secret? {
    guard !rows.isNull(0, column) else { return nil }
    let sealed = rows.bytes(0, column)
    let plain = try sealer.open(sealed, context: "account.\(name):\(id.rawValue)")
    return Secret(String(decoding: plain, as: UTF8.self))
  }

  private func account(_ rows: PostgresRows, _ row: Int) throws -> Account {
    var account = Account(
      id: ID(try rows.int64(row, 0)),
      name: try rows.string(row, 1),
      email: try rows.string(row, 2),
      mode: AccountMode(rawValue: try rows.string(row, 3)) ?? .online,
      incoming: try BackendSettings(json: try rows.string(row, 4)),
      outgoing: try rows.optionalString(row, 5).map { try BackendSettings(json: $0) },
      identities: try [Identity](json: try rows.string(row, 6)),
      state: AccountState(rawValue: try rows.string(row, 7)) ?? .connecting,
      lastError: try rows.optionalString(row, 8).map { try AccountFailure(json: $0) },
      lastSyncAt: try rows.optionalTimestamp(row, 9),
      firstSyncedAt: try rows.optionalTimestamp(row, 10),
      capabilities: try rows.stringArray(row, 11),
      createdAt: try rows.timestamp(row, 12),
      version: try rows.int64(row, 13)
    )
    account.keptBytes = try rows.int64(row, 14)
    account.quotaBytes = try rows.optionalInt64(row, 15)
    account.sieve = try rows.optionalString(row, 16).map { try SieveSettings(json: $0) }
    if !rows.isNull(row, 17) { account.sieveExtensions = try rows.stringArray(row, 17) }
    return account
  }
}
