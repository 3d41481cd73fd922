import Bytes
package import Model
import Postgres

/// How far the sync of a mailbox came; nil leaves what is stored.
package struct MailboxProgress: Sendable, Equatable {
  package var uidNext: Int64?
  package var highestModSeq: Int64?
  package var syncedDownTo: Int64?

  package init(uidNext: Int64? = nil, highestModSeq: Int64? = nil, syncedDownTo: Int64? = nil) {
    self.uidNext = uidNext
    self.highestModSeq = highestModSeq
    self.syncedDownTo = syncedDownTo
  }
}

/// What one transaction did to a mailbox's counters.
struct CounterChange {
  var total: Int64 = 0
  var unread: Int64 = 0

  var isZero: Bool { total == 0 && unread == 0 }

  /// Counts a placement that appears (`sign` 1) or goes (-1).
  mutating func count(isSeen: Bool, isDeleted: Bool, sign: Int64) {
    guard !isDeleted else { return }
    total += sign
    if !isSeen { unread += sign }
  }
}

extension Store {
  /// Takes note of the UIDVALIDITY that SELECT told; the mailbox as it is then.
  ///
  /// Where it changed, every UID that was known is forgotten and each message waits to be matched again.
  package func beginSync(
    of mailbox: Mailbox,
    uidValidity: Int64
  ) async throws(ServiceError) -> Mailbox {
    guard mailbox.uidValidity != uidValidity else { return mailbox }
    try await attempt {
      try await mailTransaction(mailbox.accountID) { connection in
        let account = mailbox.accountID.rawValue
        // What the caller read may be older than the answer of an APPEND or a COPY that told it first.
        let changed = try await connection.query(
          """
          update mailbox set uid_validity = \(uidValidity), uid_next = null,
            highest_mod_seq = null, synced_down_to = null
          where account_id = \(account) and id = \(mailbox.id.rawValue)
            and uid_validity is distinct from \(uidValidity)
          """
        )
        guard changed.affected == 1 else { return }
        _ = try await connection.pipeline([
          """
          update placement set uid = null, origin = \(PlacementOrigin.unmatched.rawValue)
          where account_id = \(account) and mailbox_id = \(mailbox.id.rawValue)
            and uid is not null
          """,
          """
          update operation set uid = null
          where account_id = \(account) and mailbox_id = \(mailbox.id.rawValue)
          """,
        ])
      }
    }
    guard let begun = try await self.mailbox(mailbox.id, of: mailbox.accountID) else {
      throw .notFound("mailbox")
    }
    return begun
  }

  /// Stores a batch of fetched messages: one transaction, one row of the feed.
  ///
  /// A batch stored twice changes nothing, nor does one of a mailbox that was removed while it was fetched.
  ///
  /// A message that waits here for its UID (moved, copied or appended by us, or after UIDVALIDITY
  /// changed) is known by its identity and keeps its id. Its flags become those that were fetched,
  /// under the intents on their way. What else may be known is `matching`.
  package func merge(
    _ batch: [NewMessage],
    into mailbox: Mailbox,
    progress: MailboxProgress,
    matching: Matching = .none
  ) async throws(ServiceError) {
    try await attempt {
      let account = mailbox.accountID
      let fresh = try await ids.take(batch.count, from: pool)
      let threadKeys = ThreadPlan.keys(of: batch.map(\.links))
      try await mailTransaction(
        account,
        reading: knownStatements(of: batch, in: mailbox)
          + [
            ThreadPlan.lookUp(threadKeys, of: account),
            """
            select 1 from mailbox where account_id = \(account.rawValue)
              and id = \(mailbox.id.rawValue)
            """,
          ],
        // Of a first sync the tables are empty yet, and plans for that would be kept.
        isSmall: batch.count <= Self.fewRows && progress.syncedDownTo == nil
      ) { connection, known in
        guard !known[5].isEmpty else { return }
        var plan = try MergePlan(known: known)
        if matching == .all {
          let vanished = try await connection.query(
            rematchStatement(Set(batch.map(\.identity)).map(\.self), mailbox)
          )
          plan.vanished = try RematchPool(vanished)
        }
        plan.sort(batch, fresh)
        try await plan.store(
          in: mailbox,
          newestFirst: progress.syncedDownTo != nil,
          threads: known[4],
          on: connection
        )
        if plan.hasPassedOver { try await setUnsure(mailbox, on: connection) }
        if matching != .none { try await noteCopies(plan.appeared, of: account, on: connection) }
        try await followMoved(plan.moved, to: mailbox, on: connection)
        try await touch(plan.moved.map(\.id), of: account, on: connection)
        try await store(plan.sources, of: account, on: connection)
        let told = plan.toldFlags
        if !told.isEmpty {
          let merged = try await mergeFlags(told, in: mailbox.id, of: account, on: connection)
          try await touch(merged.changed, of: account, on: connection)
          let changes = try await shownChanges(merged, in: mailbox.id, of: account, on: connection)
          plan.note(changes, merged.counters)
        }
        connection.beforeCommit = [progressStatement(progress, plan.counters, of: mailbox)]
        let arrived = progress.syncedDownTo == nil && mailbox.role == "inbox" ? plan.arrived : []
        if !arrived.isEmpty { connection.beforeCommit.append(arrivalStatement(arrived, account)) }
        let conflicts = try await tellOfReturned(plan.returned, in: mailbox, on: connection)
        appendWithCommit(plan.entries(of: mailbox) + conflicts, to: account, on: connection)
        if !arrived.isEmpty { tellOfArrivals(on: connection) }
      }
    }
  }

  /// What `MergePlan` has to know of a batch, under the account's lock.
  private func knownStatements(of batch: [NewMessage], in mailbox: Mailbox) -> [SQL] {
    let account = mailbox.accountID
    // A range and not the list of them: a batch is a run of UIDs, and PostgreSQL would hold
    // each row of a mailbox without statistics against the whole list. And in their order, which only the index of
    // UIDs has: of a new account it thinks that any index will do, and reads all that the account has.
    let uids = batch.compactMap(\.uid)
    let (lowest, highest) = (uids.min() ?? 0, uids.max() ?? -1)
    // A few that lie far apart are looked for one by one.
    let isRun = highest - lowest < Int64(uids.count) * 4
    let chosen: SQL = isRun ? "uid >= \(lowest) and uid <= \(highest)" : "uid = any (\(uids))"
    return [
      """
      select p.uid, p.message_id, (select m.identity from message m
        where m.account_id = p.account_id and m.id = p.message_id)
      from placement p where p.account_id = \(account.rawValue)
        and p.mailbox_id = \(mailbox.id.rawValue)
        and p.\(chosen)
      order by p.uid
      """,
      """
      select p.message_id, m.identity from placement p
      join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.id.rawValue)
        and p.uid is null and p.origin <> \(PlacementOrigin.local.rawValue)
        and not exists (select 1 from operation o where o.account_id = p.account_id
          and o.message_id = p.message_id and o.state in ('pending', 'running')
          and (o.target_mailbox_id = p.mailbox_id
            or (o.kind = 'append' and o.mailbox_id = p.mailbox_id)))
      order by p.message_id
      """,
      """
      select uid from operation where account_id = \(account.rawValue)
        and mailbox_id = \(mailbox.id.rawValue) and kind in \(Self.leavingKinds)
        and state in ('pending', 'running') and \(chosen)
      """,
      """
      select m.identity from operation o
      join message m on m.account_id = o.account_id and m.id = o.message_id
      where o.account_id = \(account.rawValue) and o.mailbox_id = \(mailbox.id.rawValue)
        and o.kind in \(Self.leavingKinds) and o.state in ('pending', 'running')
        and o.uid is null
      """,
    ]
  }

  /// Writes progress and counters; no row where nothing changed.
  func store(
    _ progress: MailboxProgress,
    counters: CounterChange,
    of mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws {
    _ = try await connection.query(progressStatement(progress, counters, of: mailbox))
  }

  private func progressStatement(
    _ progress: MailboxProgress,
    _ counters: CounterChange,
    of mailbox: Mailbox
  ) -> SQL {
    """
    update mailbox set
      uid_next = coalesce(\(progress.uidNext), uid_next),
      highest_mod_seq = coalesce(\(progress.highestModSeq), highest_mod_seq),
      synced_down_to = coalesce(\(progress.syncedDownTo), synced_down_to),
      total_messages = total_messages + \(counters.total),
      unread_messages = unread_messages + \(counters.unread),
      version = version + case when \(counters.isZero) then 0 else 1 end
    where account_id = \(mailbox.accountID.rawValue) and id = \(mailbox.id.rawValue)
      and (not \(counters.isZero)
        or uid_next is distinct from coalesce(\(progress.uidNext), uid_next)
        or highest_mod_seq is distinct from coalesce(\(progress.highestModSeq), highest_mod_seq)
        or synced_down_to is distinct from coalesce(\(progress.syncedDownTo), synced_down_to))
    """
  }

  /// Records progress alone; writes nothing where it is what is stored.
  package func setProgress(
    _ progress: MailboxProgress,
    of mailbox: Mailbox
  ) async throws(ServiceError) {
    try await attempt {
      try await pool.withConnection { connection in
        try await store(progress, counters: CounterChange(), of: mailbox, on: connection)
      }
    }
  }

  /// Records the end of a pass over all mailboxes: at most once a minute, so that nothing new writes no row.
  package func setSynced(_ account: ID<Account>) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update account set last_sync_at = now() where id = \(account.rawValue)
          and (last_sync_at is null or last_sync_at < now() - interval '1 minute')
        """
      )
    }
  }
}
