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
  /// A batch stored twice changes nothing.
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
          + [ThreadPlan.lookUp(threadKeys, of: account)],
        // Of a first sync the tables are empty yet, and plans for that would be kept.
        isSmall: batch.count <= Self.fewRows && progress.syncedDownTo == nil
      ) { connection, known in
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
          plan.note(changed: merged.changed, merged.counters)
          try await touch(merged.changed, of: account, on: connection)
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

  /// The lowest of the `count` highest UIDs known below `top`; nil where none is known.
  package func lowestUID(
    of mailbox: Mailbox,
    ofNewest count: Int,
    below top: Int64 = .max
  ) async throws(ServiceError) -> Int64? {
    try await attempt {
      try await pool.query(
        """
        select min(uid) from (select uid from placement
          where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid is not null and uid < \(top)
          order by uid desc limit \(Int64(count))) as newest
        """
      ).optionalInt64(0, 0)
    }
  }

  /// Every UID that is known of a mailbox, ascending, those of moves and deletions under way included.
  package func knownUIDs(of mailbox: Mailbox) async throws(ServiceError) -> [Int64] {
    try await attempt {
      let rows = try await pool.query(
        """
        select uid from placement where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and uid is not null
        union
        select uid from operation where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and kind in \(Self.leavingKinds)
          and state in ('pending', 'running') and uid is not null
        order by uid
        """
      )
      return try (0..<rows.count).map { try rows.int64($0, 0) }
    }
  }

  /// What some of the oldest and of the newest messages of a mailbox are known by, by their UIDs.
  package func sampleIdentities(
    of mailbox: Mailbox,
    count: Int
  ) async throws(ServiceError) -> [Int64: [UInt8]] {
    try await attempt {
      let rows = try await pool.query(
        """
        select p.uid, m.identity from (
          (select uid, message_id from placement where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid is not null
          order by uid limit \(Int64(count)))
          union
          (select uid, message_id from placement where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid is not null
          order by uid desc limit \(Int64(count)))
        ) as p join message m on m.account_id = \(mailbox.accountID.rawValue) and m.id = p.message_id
        """
      )
      var found: [Int64: [UInt8]] = [:]
      for row in 0..<rows.count { found[try rows.int64(row, 0)] = try rows.byteArray(row, 1) }
      return found
    }
  }

  /// Those of `uids` that other messages than `message` are known to have in a mailbox.
  ///
  /// With `intent` only messages that were here before it was made count: ids grow with time.
  package func placedUIDs(
    _ uids: [Int64],
    in mailbox: Mailbox,
    notOf message: ID<Message>,
    before intent: ID<MailOperation>? = nil
  ) async throws(ServiceError) -> Set<Int64> {
    try await attempt {
      let rows = try await pool.query(
        """
        select uid from placement where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and uid = any (\(uids))
          and message_id <> \(message.rawValue)
          and message_id < \(intent?.rawValue ?? .max)
        """
      )
      return Set(try (0..<rows.count).map { try rows.int64($0, 0) })
    }
  }

  /// Whether as many UIDs are known of a mailbox as the server has messages, and none may be unknown all the same.
  ///
  /// Those of messages hidden by `\Deleted` and of moves under way are among them.
  package func knowsUIDs(
    of mailbox: Mailbox,
    count: Int64
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      let rows = try await pool.query(
        """
        select (select count(*) from placement where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid is not null)
          + (select count(*) from operation where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and kind in \(Self.leavingKinds)
            and state in ('pending', 'running') and uid is not null),
          (select is_unsure from mailbox where account_id = \(mailbox.accountID.rawValue)
            and id = \(mailbox.id.rawValue))
        """
      )
      return try rows.int64(0, 0) == count && rows.optionalBool(0, 1) != true
    }
  }

  /// Notes that the UIDs of a mailbox were compared one by one; what is fetched after that may make it unsure again.
  package func setSure(_ mailbox: Mailbox) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update mailbox set is_unsure = false where account_id = \(mailbox.accountID.rawValue)
          and id = \(mailbox.id.rawValue) and is_unsure
        """
      )
    }
  }

  func setUnsure(_ mailbox: Mailbox, on connection: PostgresConnection) async throws {
    _ = try await connection.query(
      """
      update mailbox set is_unsure = true
      where account_id = \(mailbox.accountID.rawValue) and id = \(mailbox.id.rawValue)
      """
    )
  }

  /// Destroys those of `messages` that no mailbox holds and no intent waits for, with what is kept of them; their ids.
  ///
  /// With `buries` each leaves a tombstone, by which it gets its id back when it appears again. A copy that
  /// appeared not long ago takes over the id of what is gone: then the id that the copy had is the one destroyed.
  func destroyUnplaced(
    _ messages: [Int64],
    of account: ID<Account>,
    buries: Bool = false,
    on connection: PostgresConnection
  ) async throws -> [Int64] {
    guard !messages.isEmpty else { return [] }
    let copies =
      buries ? try await handOver(idsOf: messages, of: account, on: connection) : []
    let rows = try await connection.query(
      """
      with gone as (
      delete from message m where m.account_id = \(account.rawValue)
        and m.id = any (\(messages + copies))
        and not exists (select 1 from placement p
          where p.account_id = m.account_id and p.message_id = m.id)
        and not exists (select 1 from operation o where o.account_id = m.account_id
          and o.message_id = m.id and o.state in ('pending', 'running'))
      returning account_id, id, identity, received_at, thread_id, blob_id
      ), dropped as (
        delete from blob where account_id = \(account.rawValue)
          and id = any (array(select blob_id from gone where blob_id is not null))
        returning size
      ), freed as (
        update account set kept_bytes = greatest(kept_bytes - (select sum(size) from dropped), 0)
        where id = \(account.rawValue) and exists (select 1 from dropped)
      ), expired as (
        delete from tombstone where \(buries) and account_id = \(account.rawValue)
          and at < now() - \(Self.tombstoneDays) * interval '1 day'
      ), buried as (
        insert into tombstone (account_id, identity, message_id, received_at)
        select account_id, identity, id, received_at from gone where \(buries)
        on conflict do nothing
      )
      select id, thread_id from gone
      """
    )
    let threads = Set(try (0..<rows.count).map { try rows.int64($0, 1) })
    try await tellThreads(leftBy: threads, of: account, on: connection)
    return try (0..<rows.count).map { try rows.int64($0, 0) }
  }

  /// Makes the `ETag` of each message another.
  func touch(
    _ messages: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !messages.isEmpty else { return }
    _ = try await connection.query(
      """
      update message set version = version + 1
      where account_id = \(account.rawValue) and id = any (\(messages))
      """
    )
  }

  /// What the feed says of a mailbox whose counters changed.
  func counterEntries(_ mailbox: ID<Mailbox>, _ counters: CounterChange) -> [FeedEntry] {
    counters.isZero
      ? []
      : [
        FeedEntry(
          .mailbox,
          .updated,
          [mailbox.rawValue],
          properties: ["totalMessages", "unreadMessages"]
        )
      ]
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
