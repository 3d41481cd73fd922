package import Bytes
package import Model
import Postgres

/// A thread as a list shows it: what those of its messages that are shown have in common.
package struct ThreadSummary: Sendable {
  package var id: ID<MessageThread>
  /// Of its first message.
  package var subject: String?
  /// When its newest message came; in a list of one mailbox the newest there.
  package var receivedAt: Timestamp
  package var totalMessages: Int64
  package var unreadMessages: Int64
  package var hasAttachment: Bool
  package var mailboxes: [ID<Mailbox>]
  /// Oldest first.
  package var messages: [ID<Message>]
  /// Grows with every visible change of one of its messages.
  package var version: Int64
  /// Where the next page of a list begins after it.
  package var position: MessagePosition
}

/// A slice of the list of threads.
package struct ThreadPage: Sendable {
  package var threads: [ThreadSummary]
  package var hasMore: Bool
  package var state: FeedState
}

extension Store {
  /// One page of threads, those with the newest messages first, of all mailboxes or those that have a message in one.
  package func threads(
    of account: ID<Account>,
    in mailbox: ID<Mailbox>? = nil,
    after position: MessagePosition? = nil,
    limit: Int
  ) async throws(ServiceError) -> ThreadPage {
    let newest = try newestOfThreads(account, mailbox, after: position, limit: limit)
    return try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account),
        Self.summaries(of: newest) + " order by w.received_at desc, w.uid desc, w.id desc",
      ])
      let rows = results[1]
      return ThreadPage(
        threads: try (0..<min(rows.count, limit)).map { try thread(rows, $0) },
        hasMore: rows.count > limit,
        state: try feedState(results[0])
      )
    }
  }

  /// A thread, also by the id that it had before it was joined with another; nil where no message of it is shown.
  package func thread(
    _ id: ID<MessageThread>,
    of account: ID<Account>
  ) async throws(ServiceError) -> ThreadSummary? {
    try await attempt {
      let newest: SQL = """
        select m.account_id, m.thread_id, m.id, m.received_at, 0::bigint as uid from message m
        where m.account_id = \(account.rawValue) and m.thread_id = coalesce((
            select thread_id from thread_alias
            where account_id = \(account.rawValue) and id = \(id.rawValue)), \(id.rawValue))
          and \(Self.isShown)
        order by m.received_at desc, m.id desc limit 1
        """
      let rows = try await pool.query(Self.summaries(of: newest))
      return rows.count == 1 ? try thread(rows, 0) : nil
    }
  }

  /// How many threads the account, or one mailbox, has.
  package func countThreads(
    of account: ID<Account>,
    in mailbox: ID<Mailbox>? = nil
  ) async throws(ServiceError) -> Int64 {
    try await attempt {
      var sql: SQL = """
        select count(distinct m.thread_id) from placement p
        join message m on m.account_id = p.account_id and m.id = p.message_id
        where p.account_id = \(account.rawValue) and not p.is_deleted
        """
      if let mailbox { sql += " and p.mailbox_id = \(mailbox.rawValue)" }
      return try await pool.query(sql).int64(0, 0)
    }
  }

  private static let isShown: SQL = """
    exists (select 1 from placement v where v.account_id = m.account_id
      and v.message_id = m.id and not v.is_deleted)
    """

  private static let orderUID: SQL = "coalesce(p.uid, 9223372036854775807)"

  /// The newest message of each thread, by walking the messages and passing over those that are not.
  ///
  /// The subquery of each row reads one entry of an index, so a page costs as many as its threads have messages. In one mailbox that is
  /// fenced by `offset 0`: before PostgreSQL has counted what a first sync stored, it would rather read all messages for each.
  private func newestOfThreads(
    _ account: ID<Account>,
    _ mailbox: ID<Mailbox>?,
    after position: MessagePosition?,
    limit: Int
  ) throws(ServiceError) -> SQL {
    var after: SQL = ""
    if let position {
      guard let key = Int64(position.key) else {
        throw ServiceError(.cursorInvalid, "The cursor is not one of this list.")
      }
      let time = Timestamp(microseconds: key)
      after =
        mailbox == nil
        ? " and (m.received_at, m.id) < (\(time), \(position.id.rawValue))"
        : """
         and (p.received_at, \(Self.orderUID), p.message_id)
           < (\(time), \(position.uid), \(position.id.rawValue))
        """
    }
    guard let mailbox else {
      return """
        select m.account_id, m.thread_id, m.id, m.received_at, 0::bigint as uid from message m
        where m.account_id = \(account.rawValue)\(after) and \(Self.isShown) and m.id = (
          select n.id from message n where n.account_id = m.account_id
            and n.thread_id = m.thread_id and exists (select 1 from placement v
              where v.account_id = n.account_id and v.message_id = n.id and not v.is_deleted)
          order by n.received_at desc, n.id desc limit 1)
        order by m.received_at desc, m.id desc limit \(Int64(limit + 1))
        """
    }
    return """
      select m.account_id, m.thread_id, m.id, p.received_at, \(Self.orderUID) as uid
      from placement p cross join lateral (select x.account_id, x.id, x.thread_id from message x
        where x.account_id = p.account_id and x.id = p.message_id offset 0) as m
      where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.rawValue)
        and not p.is_deleted\(after) and m.id = (
          select v.message_id
          from (select x.account_id, x.id from message x
            where x.account_id = m.account_id and x.thread_id = m.thread_id offset 0) as n
          cross join lateral (
            select x.message_id, x.received_at, x.uid from placement x
            where x.account_id = n.account_id and x.mailbox_id = \(mailbox.rawValue)
              and x.message_id = n.id and not x.is_deleted offset 0) as v
          order by v.received_at desc, coalesce(v.uid, 9223372036854775807) desc,
            v.message_id desc limit 1)
      order by p.received_at desc, \(Self.orderUID) desc, p.message_id desc
      limit \(Int64(limit + 1))
      """
  }

  /// What is shown of the threads of the messages that `newest` selects.
  private static func summaries(of newest: SQL) -> SQL {
    """
    select w.thread_id, w.received_at, w.uid, w.id, t.total, t.unread, t.has_attachment,
      t.messages, t.version, b.mailboxes,
      (select subject from message f where f.account_id = w.account_id and f.id = t.messages[1])
    from (\(newest)) as w
    cross join lateral (
      select count(*) as total, count(*) filter (where not is_seen) as unread,
        bool_or(has_attachment) as has_attachment, sum(version)::bigint as version,
        array_agg(id order by received_at, id) as messages
      from (
        select n.id, n.received_at, n.has_attachment, n.version, (
            select bool_and(p.is_seen) from placement p where p.account_id = n.account_id
              and p.message_id = n.id and not p.is_deleted) as is_seen
        from message n where n.account_id = w.account_id and n.thread_id = w.thread_id
      ) as n where is_seen is not null
    ) as t
    cross join lateral (
      select array_agg(distinct p.mailbox_id) as mailboxes from placement p
      where p.account_id = w.account_id and p.message_id = any (t.messages) and not p.is_deleted
    ) as b
    """
  }

  private func thread(_ rows: PostgresRows, _ row: Int) throws -> ThreadSummary {
    let receivedAt = try rows.timestamp(row, 1)
    return ThreadSummary(
      id: ID(try rows.int64(row, 0)),
      subject: try rows.optionalString(row, 10),
      receivedAt: receivedAt,
      totalMessages: try rows.int64(row, 4),
      unreadMessages: try rows.int64(row, 5),
      hasAttachment: try rows.bool(row, 6),
      mailboxes: try rows.int64Array(row, 9).map { ID($0) },
      messages: try rows.int64Array(row, 7).map { ID($0) },
      version: try rows.int64(row, 8),
      position: MessagePosition(
        key: String(receivedAt.microseconds),
        uid: try rows.int64(row, 2),
        id: ID(try rows.int64(row, 3))
      )
    )
  }
}
