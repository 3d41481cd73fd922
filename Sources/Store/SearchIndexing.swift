package import Model
import Postgres

// The index follows the feed of all accounts, as subscribers do: which messages appeared and went stands there already, so a
// sync writes nothing for it. Everything is done by statements over ranges of the feed; no message passes through the service.

extension Store {
  /// What one step of indexing came to.
  package enum IndexStep: Sendable, Equatable {
    /// So many messages were added, and more may follow.
    case added(Int)
    /// The index has caught up.
    case done
    /// Another node is at it.
    case busy
  }

  /// Any number that nothing else locks.
  private static let indexLock: Int64 = 0x5EA2_C4ED

  /// Characters for which the index has a blank, so that words are words.
  ///
  /// PostgreSQL's parser would make addresses, hosts, paths, tags and signed numbers of what they tie together. At
  /// all else it parts words by itself; every character here costs time a message.
  private static let indexedSeparators = "@.<:/_-+&~"

  /// Adds to the index what the next `limit` rows of the feed made visible, and removes what they destroyed.
  ///
  /// The messages are parted, each part a transaction of its own on one of `width` connections: PostgreSQL indexes on one
  /// core a connection. There are twice as many parts, so that no connection waits long for another at the end. Only
  /// when all have committed does the progress move past them, so a crash in between has them looked at again, and
  /// found there.
  package func indexForSearch(
    limit: Int,
    width: Int = 1
  ) async throws(ServiceError) -> IndexStep {
    try await attempt {
      let begun = try await pool.query(
        "select xid::text::bigint, account_id, seq from search_progress"
      )
      let start = try FeedPosition(begun, 0)
      let next = try await pool.query(
        """
        select c.xid::text::bigint, c.account_id, c.seq, cardinality(c.ids)::bigint from change c
        where \(after(start)) and c.xid < pg_snapshot_xmin(pg_current_snapshot())
        order by c.xid, c.account_id, c.seq limit \(Int64(limit))
        """
      )
      guard !next.isEmpty else { return .done }
      let end = try FeedPosition(next, next.count - 1)
      var count = 0
      for row in 0..<next.count { count += Int(try next.int64(row, 3)) }
      // Few are not worth the parting.
      let parts = count > Self.idsTogether ? width * 2 : 1
      let added = try await withThrowingTaskGroup(of: Int?.self, returning: Int?.self) { group in
        var sum = 0
        var begun = 0
        while begun < min(width, parts) { begin() }
        while let part = try await group.next() {
          // Whoever has the lock of a part does the others, too.
          guard let part else { return Int?.none }
          sum += part
          if begun < parts { begin() }
        }
        return sum

        func begin() {
          let part = begun
          begun += 1
          group.addTask { [self] in try await index(after: start, upTo: end, part, of: parts) }
        }
      }
      guard let added else { return .busy }
      return try await moveOn(from: start, to: end) ? .added(added) : .busy
    }
  }

  /// Ids with numbers that are neighbours are in one part, up to so many of them.
  private static let idsTogether = 500

  /// Indexes one of the `parts` of what the feed tells between two positions; how many messages, nil where another is at it.
  private func index(
    after start: FeedPosition,
    upTo end: FeedPosition,
    _ part: Int,
    of parts: Int
  ) async throws -> Int? {
    try await pool.transaction { connection in
      // The words of a slice are sorted, in memory. Nothing waits for the disk: what a crash takes is not passed by the progress,
      // which is written after it.
      let begun = try await connection.query(
        """
        select pg_try_advisory_xact_lock(\(Self.indexLock + Int64(part))),
          set_config('work_mem', '32MB', true), set_config('synchronous_commit', 'off', true)
        """
      )
      guard try begun.bool(0, 0) else { return nil }
      let added = try await connection.query(
        indexStatement(
          joining: """
            join (select distinct c.account_id, i.id from change c
              cross join unnest(c.ids) as i (id)
              where \(after(start)) and \(upTo(end)) and c.action <> 'destroyed'
                and i.id / \(Int64(Self.idsTogether)) % \(Int64(parts)) = \(Int64(part))) as i
              on i.account_id = m.account_id and i.id = m.id
            """,
          where: """
            not exists (select 1 from message_search s
              where s.account_id = m.account_id and s.message_id = m.id)
            """,
          onConflict: "do nothing"
        )
      )
      return Int(try added.int64(0, 0))
    }
  }

  /// Takes what was destroyed out of the index and moves the progress; false where somebody else has moved it.
  private func moveOn(from start: FeedPosition, to end: FeedPosition) async throws -> Bool {
    try await pool.transaction { connection in
      let done = try await connection.pipeline([
        "set local synchronous_commit to off",
        """
        update search_progress set xid = \(String(end.xid))::xid8,
          account_id = \(end.account), seq = \(end.seq)
        where (xid, account_id, seq)
          = (\(String(start.xid))::xid8, \(start.account), \(start.seq))
        """,
        """
        delete from message_search s using change c
        where \(after(start)) and \(upTo(end)) and c.action = 'destroyed'
          and s.account_id = c.account_id and s.message_id = any (c.ids)
        """,
      ])
      return done[1].affected == 1
    }
  }

  /// The feed's rows for messages after `start`.
  ///
  /// Positions are values here: one that is joined in makes PostgreSQL walk the feed from its beginning.
  private func after(_ start: FeedPosition) -> SQL {
    """
    c.noun = 'message' and (c.xid, c.account_id, c.seq)
      > (\(String(start.xid))::xid8, \(start.account), \(start.seq))
    """
  }

  private func upTo(_ end: FeedPosition) -> SQL {
    "(c.xid, c.account_id, c.seq) <= (\(String(end.xid))::xid8, \(end.account), \(end.seq))"
  }

  /// Indexes messages anew, whose preview or body for one became known since.
  package func reindexForSearch(
    _ messages: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(reindexStatement(messages.map(\.rawValue), of: account))
    }
  }

  /// Indexes messages anew, or for the first time.
  func reindexStatement(_ messages: [Int64], of account: ID<Account>) -> SQL {
    indexStatement(
      joining: "",
      where: "m.account_id = \(account.rawValue) and m.id = any (\(messages))",
      onConflict: """
        (account_id, message_id) do update set from_text = excluded.from_text,
          rest_text = excluded.rest_text, words = excluded.words
        """
    )
  }

  /// From how many messages on PostgreSQL counts its tables anew, and does not wait for its own look.
  private static let manyIndexed = 10_000

  /// Merges the `count` messages added a moment ago into the indexes, so that searches need not read through them.
  ///
  /// PostgreSQL looks once a minute at what its tables hold. Until then it knows nothing of a first sync's rows and
  /// takes them for few, so where they are many it is told; only of columns that decide which index is taken.
  package func settleSearchIndex(after count: Int = 0) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        select gin_clean_pending_list('search_sender_part'),
          gin_clean_pending_list('message_search_words'),
          gin_clean_pending_list('search_word_part')
        """
      )
      guard count >= Self.manyIndexed else { return }
      _ = try await pool.query(
        """
        analyze message_search (account_id, message_id, received_at),
          message (account_id, id, thread_id, received_at),
          placement (account_id, mailbox_id, message_id, uid, received_at), search_word (account_id),
          search_sender (account_id)
        """
      )
    }
  }

  /// Inserts a row for each `message m` chosen, and their words where they are new; how many rows.
  ///
  /// Texts are cut where an index would choke on them: recipients, which may be many, stand behind all else.
  private func indexStatement(joining join: SQL, where condition: SQL, onConflict: SQL) -> SQL {
    """
    with added as (
      insert into message_search
        (account_id, message_id, received_at, from_text, rest_text, words)
      select m.account_id, m.id, m.received_at, lower(left(coalesce(m.from_text, ''), 2000)),
        lower(t.rest), \(Self.words("concat_ws(' ', left(m.from_text, 20000), t.rest, left(m.preview, 2000), t.body)"))
      from message m \(join)
      cross join lateral (
        select left(concat_ws(E'\\n', m.subject,
          case when m.attachments is not null then (
            select string_agg(a ->> 'name', E'\\n')
            from json_array_elements(m.attachments::json) as a) end,
          case when m.extra_fields ilike '%list-id:%' then
            regexp_replace(substring(m.extra_fields from '(?in)^list-id:\\s*([^\\r\\n]*(\\r?\\n[ \\t][^\\r\\n]*)*)'),
              '\\r?\\n[ \\t]+', ' ', 'g')
          end, m.to_text), 50000) as rest,
          case when m.blob_id is not null then (select b.body from blob b
            where b.account_id = m.account_id and b.id = m.blob_id) end as body
        offset 0
      ) as t
      where \(condition)
      on conflict \(onConflict)
      returning account_id, from_text, words
    ), met as (
      insert into search_sender (account_id, digest, from_text)
      select a.account_id, hashtextextended(a.from_text, 0), min(a.from_text) from added a
      group by 1, 2 order by 1, 2
      on conflict do nothing
    ), learnt as (
      insert into search_word (account_id, word)
      -- Known ones are found by the conflict: a condition would be answered by the trigram index, and slowly.
      select distinct a.account_id, w.word from added a
      cross join lateral unnest(tsvector_to_array(a.words)) as w (word)
      -- In one order, so that two that learn the same words wait for one another in turn.
      order by a.account_id, w.word
      on conflict do nothing
    )
    select count(*) from added
    """
  }

  /// The words of a text, as the index has them.
  ///
  /// One `replace` after the other takes a tenth of the time of `translate`, which looks at each character.
  static func words(_ text: SQL) -> SQL {
    var sql = text
    for separator in indexedSeparators {
      sql = SQL(unsafeSQL: "replace(") + sql + SQL(unsafeSQL: ", '\(separator)', ' ')")
    }
    return SQL(unsafeSQL: "to_tsvector('simple', ") + sql + ")"
  }
}

extension FeedPosition {
  /// The position in the first three columns of a row.
  fileprivate init(_ rows: PostgresRows, _ row: Int) throws(PostgresError) {
    self.init(
      xid: try rows.int64(row, 0),
      account: try rows.int64(row, 1),
      seq: try rows.int64(row, 2)
    )
  }
}
