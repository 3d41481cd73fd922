package import Bytes
package import Model
import Postgres

/// What a batch of a job that runs rules does.
package struct RuleBatch: Sendable {
  /// Messages and what happens to them.
  package var effects: [(message: ID<Message>, effect: RuleEffect)] = []
  /// How many messages of the job are behind it with this batch.
  package var done: Int64
  package var total: Int64
  /// Messages before it that the job passed over, and has to look at again.
  package var waiting: [ID<Message>] = []
  /// What was done so far, as JSON.
  package var summary: JSONValue

  package init(done: Int64, total: Int64, summary: JSONValue) {
    self.done = done
    self.total = total
    self.summary = summary
  }
}

extension Store {
  /// Carries out a batch of a job and notes how far it is, as one: false where the job was cancelled meanwhile.
  ///
  /// Nothing is sent. What messages were before is remembered, so that moves and keywords can be undone.
  package func carryOut(
    _ batch: RuleBatch,
    of job: JobRecord,
    in account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      var prepared: [(message: ID<Message>, effect: PreparedEffect)] = []
      for (message, effect) in batch.effects where effect.rewrite != nil {
        prepared.append((message, try await prepare(effect)))
      }
      let edits = prepared
      return try await mailTransaction(account) { connection in
        guard try await note(batch, job, on: connection) else { return false }
        var batch = batch
        try await rewrite(edits, in: &batch, of: account, on: connection)
        try await remember(batch, job, account, on: connection)
        let matches = batch.effects.flatMap { message, effect in
          effect.matches.map { (message: message, match: $0) }
        }
        try await log(matches, account, job.id, on: connection)
        let destroyed = batch.effects.filter(\.effect.destroys).map(\.message)
        if !destroyed.isEmpty {
          try await intend(destroyed, of: account, on: connection) { $0.destroy() }
        }
        for (patch, messages) in Self.groups(batch) {
          try await intend(messages, of: account, on: connection) { try $0.apply(patch) }
        }
        try await append(
          [FeedEntry(.job, .updated, [job.id.rawValue])],
          to: account,
          on: connection
        )
        return true
      }
    }
  }

  /// Notes how far a job is; false where it was cancelled meanwhile.
  private func note(
    _ batch: RuleBatch,
    _ job: JobRecord,
    on connection: PostgresConnection
  ) async throws -> Bool {
    let rows = try await connection.query(
      """
      update job set state = 'running', done = \(batch.done), total = \(batch.total),
        result = \(batch.summary.text)::json, updated_at = now(),
        place = to_json(\(batch.waiting.map(\.rawValue))::bigint[])
      where id = \(job.id.rawValue) and state in ('queued', 'running') returning id
      """
    )
    return rows.count == 1
  }

  /// The messages that a job passed over so far, in their order.
  package func waitingMessages(of job: ID<Job>) async throws(ServiceError) -> [ID<Message>] {
    try await attempt {
      let rows = try await pool.query(
        """
        select w.message_id::bigint
        from job j, json_array_elements_text(j.place) with ordinality as w (message_id, number)
        where j.id = \(job.rawValue) order by w.number
        """
      )
      return try (0..<rows.count).map { ID(try rows.int64($0, 0)) }
    }
  }

  /// Puts other messages in the place of those that the rules change.
  private func rewrite(
    _ edits: [(message: ID<Message>, effect: PreparedEffect)],
    in batch: inout RuleBatch,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    for (message, prepared) in edits {
      var prepared = prepared
      try await rewrite(message, &prepared, of: account, on: connection)
      guard let place = batch.effects.firstIndex(where: { $0.message == message }) else { continue }
      batch.effects[place].effect.matches = prepared.effect.matches
    }
  }

  /// Messages that change alike, together.
  private static func groups(_ batch: RuleBatch) -> [MessagePatch: [ID<Message>]] {
    let changed = batch.effects.filter { !$0.effect.destroys && !$0.effect.patch.isEmpty }
    return Dictionary(grouping: changed, by: \.effect.patch).mapValues { $0.map(\.message) }
  }

  private func remember(
    _ batch: RuleBatch,
    _ job: JobRecord,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let statements: [SQL] = Self.groups(batch).map { patch, messages in
      """
      insert into rule_undo (account_id, job_id, message_id, mailboxes, added, removed, placed)
      select p.account_id, \(job.id.rawValue), p.message_id, array_agg(p.mailbox_id),
        \(patch.addKeywords), \(patch.removeKeywords),
        array(select unnest(array_agg(p.mailbox_id)
            || \(patch.addMailboxes.map(\.rawValue))::bigint[])
          except select unnest(\(patch.removeMailboxes.map(\.rawValue))::bigint[]))
      from placement p where p.account_id = \(account.rawValue)
        and p.message_id = any (\(messages.map(\.rawValue))) and not p.is_deleted
      group by p.account_id, p.message_id
      on conflict do nothing
      """
    }
    guard !statements.isEmpty else { return }
    _ = try await connection.pipeline(statements)
  }

  /// Forgets what messages were before runs that ended long ago, of all accounts.
  package func expireRuleUndo() async throws(ServiceError) {
    try await attempt {
      let accounts = try await pool.query("select distinct account_id from rule_undo")
      for row in 0..<accounts.count {
        _ = try await pool.query(
          """
          delete from rule_undo u where u.account_id = \(try accounts.int64(row, 0))
            and not exists (select 1 from job j where j.id = u.job_id
              and j.updated_at > now() - \(RuleLogLimits().undoDays) * interval '1 day')
          """
        )
      }
    }
  }

  /// Puts some messages back to where and what they were before a job; how many, and how many are left.
  ///
  /// One that is elsewhere by now than where the job put it stays there, and gets its keywords back alone.
  package func undoBatch(
    of job: ID<Job>,
    in account: ID<Account>,
    limit: Int
  ) async throws(ServiceError) -> (undone: Int, left: Int) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let results = try await connection.pipeline([
          """
          delete from rule_undo where account_id = \(account.rawValue)
            and job_id = \(job.rawValue) and message_id = any (array(
              select message_id from rule_undo where account_id = \(account.rawValue)
                and job_id = \(job.rawValue) order by message_id limit \(Int64(limit))))
          returning message_id, mailboxes, added, removed, placed,
            array(select p.mailbox_id from placement p where p.account_id = rule_undo.account_id
              and p.message_id = rule_undo.message_id and not p.is_deleted)
          """,
          """
          select count(*) from rule_undo
          where account_id = \(account.rawValue) and job_id = \(job.rawValue)
          """,
          "select id from mailbox where account_id = \(account.rawValue)",
        ])
        let known = Set(try (0..<results[2].count).map { try results[2].int64($0, 0) })
        var groups: [MessagePatch: [ID<Message>]] = [:]
        for row in 0..<results[0].count {
          var patch = MessagePatch()
          let mailboxes = try results[0].int64Array(row, 1).filter { known.contains($0) }.sorted()
          let isThere = try Self.isWhereItWasPut(results[0], row)
          if isThere, !mailboxes.isEmpty { patch.mailboxes = mailboxes.map { ID($0) } }
          patch.removeKeywords = try results[0].stringArray(row, 2)
          patch.addKeywords = try results[0].stringArray(row, 3)
          groups[patch, default: []].append(ID(try results[0].int64(row, 0)))
        }
        for (patch, messages) in groups {
          try await intend(messages, of: account, on: connection) { try $0.apply(patch) }
        }
        return (results[0].count, Int(try results[1].int64(0, 0)))
      }
    }
  }

  /// Whether a message that `undoBatch` puts back is where the job put it.
  private static func isWhereItWasPut(_ rows: PostgresRows, _ row: Int) throws -> Bool {
    // It was not noted by jobs of earlier versions.
    guard !rows.isNull(row, 4) else { return true }
    return try Set(rows.int64Array(row, 4)) == Set(rows.int64Array(row, 5))
  }

  /// How many messages a job changed that can be put back.
  package func undoCount(
    of job: ID<Job>,
    in account: ID<Account>
  ) async throws(ServiceError) -> Int64 {
    try await attempt {
      try await pool.query(
        """
        select count(*) from rule_undo
        where account_id = \(account.rawValue) and job_id = \(job.rawValue)
        """
      ).int64(0, 0)
    }
  }
}
