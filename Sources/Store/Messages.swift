package import Model
import Postgres

extension Store {
  /// How many of the newest messages a search looks through before it turns to the index of texts.
  ///
  /// What is common enough to fill a page from these is found by it; what is not is rare enough for the index.
  private static let newestSearched = 4000

  /// One page of messages after `position`.
  package func messages(
    of account: ID<Account>,
    _ query: MessageQuery,
    _ findings: SearchFindings = SearchFindings(),
    after position: MessagePosition?,
    limit: Int
  ) async throws(ServiceError) -> MessagePage {
    let sql = MessageSQL(account: account, query: query, findings: findings)
    return try await attempt {
      let (rows, state) = try await page(sql, after: position, limit: limit)
      return try page(rows, query, state, limit: limit, of: query.mailbox != nil)
    }
  }

  /// One page of the mailbox with `role`; nil where the account has no such mailbox.
  package func messages(
    of account: ID<Account>,
    role: String,
    _ query: MessageQuery,
    _ findings: SearchFindings = SearchFindings(),
    after position: MessagePosition?,
    limit: Int
  ) async throws(ServiceError) -> MessagePage? {
    let sql = MessageSQL(account: account, query: query, role: role, findings: findings)
    return try await attempt {
      let (rows, state) = try await page(sql, after: position, limit: limit)
      let page = try page(rows, query, state, limit: limit, of: true)
      guard page.count == 0 else { return page }
      let known = try await pool.query(
        "select 1 from mailbox where account_id = \(account.rawValue) and role = \(role) limit 1"
      )
      return known.isEmpty ? nil : page
    }
  }

  /// The rows of a page and the state of the feed before them.
  private func page(
    _ sql: MessageSQL,
    after position: MessagePosition?,
    limit: Int
  ) async throws -> (rows: PostgresRows, state: PostgresRows) {
    var sql = sql
    if sql.canWalkNewest {
      sql.way = .newest(Self.newestSearched)
      let found = try await pool.pipeline([
        stateStatement(sql.account), sql.page(after: position, limit: limit),
      ])
      if found[1].count > limit { return (found[1], found[0]) }
    }
    try await takeIndex(&sql)
    let found = try await pool.pipeline([
      stateStatement(sql.account), sql.page(after: position, limit: limit),
    ])
    return (found[1], found[0])
  }

  /// Lets the statement look messages up by their texts, where that helps.
  private func takeIndex(_ sql: inout MessageSQL) async throws {
    sql.narrowings = try await narrowings(of: sql.parts, in: sql.account)
    sql.way = sql.canUseIndex ? .index : .straight
  }

  /// One message with its structure: a page of one row, or of none.
  package func message(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) -> MessagePage {
    let query = MessageQuery()
    return try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account), MessageSQL(account: account, query: query).single(id),
      ])
      return try page(results[1], query, results[0], limit: 1, of: false)
    }
  }

  /// How many messages the query finds.
  package func countMessages(
    of account: ID<Account>,
    _ query: MessageQuery,
    _ findings: SearchFindings = SearchFindings()
  ) async throws(ServiceError) -> Int64 {
    try await attempt {
      var sql = MessageSQL(account: account, query: query, findings: findings)
      try await takeIndex(&sql)
      return try await pool.query(sql.count()).int64(0, 0)
    }
  }

  /// The ids that the query finds, at most `limit`.
  package func messageIDs(
    of account: ID<Account>,
    _ query: MessageQuery,
    _ findings: SearchFindings = SearchFindings(),
    limit: Int
  ) async throws(ServiceError) -> [ID<Message>] {
    try await attempt {
      var sql = MessageSQL(account: account, query: query, findings: findings)
      try await takeIndex(&sql)
      let rows = try await pool.query(sql.ids(limit: limit))
      return try (0..<rows.count).map { ID(try rows.int64($0, 0)) }
    }
  }

  private func page(
    _ rows: PostgresRows,
    _ query: MessageQuery,
    _ state: PostgresRows,
    limit: Int,
    of oneMailbox: Bool
  ) throws -> MessagePage {
    let count = min(rows.count, limit)
    for index in 0..<count { try MessageRow(rows: rows, index: index).check() }
    return MessagePage(
      rows: rows,
      sort: query.sort,
      isOfOneMailbox: oneMailbox,
      count: count,
      hasMore: rows.count > limit,
      state: try feedState(state)
    )
  }
}

extension Store {
  /// Where the server keeps a message: the wire name of a mailbox and the UID in it.
  ///
  /// A message whose move is still under way is where it was before; nil where no place is known.
  package func location(
    of id: ID<Message>,
    in account: ID<Account>
  ) async throws(ServiceError) -> (encodedName: String, uidValidity: Int64, uid: Int64)? {
    try await attempt {
      let rows = try await pool.query(
        """
        select b.encoded_name, coalesce(b.uid_validity, 0), place.uid from (
          select mailbox_id, uid from placement where account_id = \(account.rawValue)
            and message_id = \(id.rawValue) and uid is not null
          union all
          select mailbox_id, uid from operation where account_id = \(account.rawValue)
            and message_id = \(id.rawValue) and uid is not null and kind in ('move', 'copy')
        ) as place
        join mailbox b on b.account_id = \(account.rawValue) and b.id = place.mailbox_id
        limit 1
        """
      )
      guard rows.count == 1 else { return nil }
      return (try rows.string(0, 0), try rows.int64(0, 1), try rows.int64(0, 2))
    }
  }
}

extension Store {
  /// Whether an intent that concerns the message has not reached the server yet.
  package func isPending(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      try await pool.query(
        """
        select exists (select 1 from operation where account_id = \(account.rawValue)
            and message_id = \(id.rawValue) and state in ('pending', 'running'))
          or exists (select 1 from placement where account_id = \(account.rawValue)
            and message_id = \(id.rawValue) and uid is null)
        """
      ).bool(0, 0)
    }
  }
}
