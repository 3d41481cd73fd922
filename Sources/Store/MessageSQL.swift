import Bytes
import Model
import Postgres

/// The statements that list messages.
///
/// Texts vary only with which filters are used, so each is prepared once.
struct MessageSQL {
  let account: ID<Account>
  let query: MessageQuery
  /// The mailbox by role, where the list names one so.
  var role: String?

  /// What servers found for the search.
  var findings = SearchFindings()
  /// Where parts of texts may be found.
  var narrowings: [String: WordNarrowing] = [:]

  /// Which way to the messages a search takes.
  var way = Way.straight

  enum Way: Equatable {
    /// In the order of the list, until the page is full.
    case straight
    /// The same, but no further than so many messages: quick, and enough for what is common.
    case newest(Int)
    /// By the index of texts: quick for what is rare.
    case index
  }

  private var isOfOneMailbox: Bool { query.mailbox != nil || role != nil }

  private var search: SearchSQL? {
    query.search.map {
      SearchSQL(account: account, query: $0, findings: findings, narrowings: narrowings)
    }
  }

  /// The parts of texts whose places help to find the messages.
  var parts: [String] { search?.parts ?? [] }

  /// Whether the messages that a search finds can be looked up by their texts.
  var canUseIndex: Bool { search?.prefilter != nil }

  /// Whether rows of the index lead, in the order of the list, so that what else is shown is looked up for a page only.
  private var isLedByIndex: Bool { !isOfOneMailbox && isWalked }

  /// Whether what is searched is walked in the order of the list, in a subquery that keeps PostgreSQL from other ways.
  private var isWalked: Bool { canWalkNewest && way != .straight }

  /// Whether looking through the newest messages first is worth its while.
  var canWalkNewest: Bool {
    search?.mayUseIndex == true && query.sort == .receivedAt && !query.isAscending
  }

  /// One page after `position`, one row longer than `limit` to tell whether more follow.
  func page(after position: MessagePosition?, limit: Int) throws(ServiceError) -> SQL {
    var keyset: SQL?
    if let position { keyset = try self.keyset(after: position) }
    var sql: SQL = "select \(columns), \(sortKey) as sort_key \(source(keyset)) where \(filters)"
    if let keyset { sql += " and \(keyset)" }
    let direction: SQL = query.isAscending ? "asc" : "desc"
    sql += " order by \(sortKey) \(direction), "
    if isOfOneMailbox {
      sql += "\(isWalked ? "p.order_uid" : Self.orderUID) \(direction), "
    }
    sql += "\(idColumn) \(direction) limit \(Int64(limit + 1))"
    return sql
  }

  /// One message, with its structure.
  func single(_ id: ID<Message>) -> SQL {
    """
    select \(columns), m.received_at as sort_key, m.body_structure, m.blob_id,
      m.text_body, m.html_body \(source())
    where m.account_id = \(account.rawValue) and m.id = \(id.rawValue)
    """
  }

  /// How many messages the filters let through.
  func count() -> SQL { "select count(*) \(source()) where \(filters)" }

  /// The ids that the filters let through, at most `limit`.
  func ids(limit: Int) -> SQL {
    "select \(idColumn) \(source()) where \(filters) order by \(idColumn) limit \(Int64(limit))"
  }

  /// A message whose UID the server has not told yet counts as the newest of its instant.
  private static let orderUID: SQL = "coalesce(p.uid, 9223372036854775807)"

  private var idColumn: SQL {
    isOfOneMailbox ? "p.message_id" : isLedByIndex ? "s.message_id" : "m.id"
  }

  private var sortKey: SQL {
    switch query.sort {
    case .receivedAt:
      isOfOneMailbox ? "p.received_at" : isLedByIndex ? "s.received_at" : "m.received_at"
    case .sentAt: "coalesce(m.sent_at, m.received_at)"
    case .size: "m.size"
    // No more of a text than a cursor can carry: what is alike so far is in the order of the ids.
    case .subject: "left(lower(coalesce(m.subject, '')), 250)"
    case .from: "left(lower(coalesce(m.from_text, '')), 250)"
    }
  }

  private var columns: SQL {
    """
    m.id, m.thread_id, m.size, m.received_at, m.sent_at, m.version, m.message_ids,
      m.in_reply_to, m.reference_ids, m.from_addresses, m.to_addresses, m.cc_addresses,
      m.bcc_addresses, m.reply_to_addresses, m.sender_addresses, m.subject, m.preview,
      m.has_attachment, m.attachments, p.keywords, p.uid, p.mailbox_id,
      (select array_agg(o.mailbox_id) from placement o
       where o.account_id = m.account_id and o.message_id = m.id and not o.is_deleted),
      exists (select 1 from operation o where o.account_id = m.account_id
              and o.message_id = m.id and o.state in ('pending', 'running'))
    """
  }

  /// A list of one mailbox walks that mailbox's index; any other list the account's, with one placement a message.
  private func source(_ keyset: SQL? = nil) -> SQL {
    let joinsIndex = search?.needsIndex == true
    if isLedByIndex {
      return """
        from \(walkedIndex(keyset)) join message m
          on m.account_id = s.account_id and m.id = s.message_id \(onePlacement)
        """
    }
    if isWalked {
      // Fenced by `offset 0`: PostgreSQL would rather find all rows of a text first than look each up.
      return """
        from \(walkedPlacements(keyset)) cross join lateral (
          select s.from_text, s.rest_text, s.words, s.message_id from message_search s
          where s.account_id = p.account_id and s.message_id = p.message_id offset 0) as s
        join message m on m.account_id = p.account_id and m.id = p.message_id
        """
    }
    let index: SQL =
      joinsIndex
      ? " join message_search s on s.account_id = m.account_id and s.message_id = m.id" : ""
    if isOfOneMailbox {
      return """
        from placement p join message m
          on m.account_id = p.account_id and m.id = p.message_id\(index)
        """
    }
    return "from message m\(index) \(onePlacement)"
  }

  /// Rows of the index in the order of the list: the newest, or those that texts are found by.
  private func walkedIndex(_ keyset: SQL?) -> SQL {
    var narrowed: SQL = keyset.map { " and \($0)" } ?? ""
    if way == .index, let prefilter = search?.prefilter { narrowed += " and \(prefilter)" }
    return """
      (select s.* from message_search s
       where s.account_id = \(account.rawValue)\(narrowed)
       order by s.received_at desc, s.message_id desc \(end)) as s
      """
  }

  /// Placements of one mailbox in the order of the list: the newest, or those that texts are found by.
  private func walkedPlacements(_ keyset: SQL?) -> SQL {
    let after: SQL = keyset.map { " and \($0)" } ?? ""
    var found: SQL = "placement p where \(places)\(after)"
    if way == .index, let prefilter = search?.prefilter {
      found = """
        (select s.account_id, s.message_id from message_search s
          where s.account_id = \(account.rawValue) and \(prefilter) offset 0) as s
        cross join lateral (select p.* from placement p where p.account_id = s.account_id
          and p.message_id = s.message_id and \(places)\(after) offset 0) as p
        """
    }
    return """
      (select p.*, \(Self.orderUID) as order_uid from \(found)
       order by p.received_at desc, \(Self.orderUID) desc, p.message_id desc \(end)) as p
      """
  }

  /// Where a walk ends; `offset 0` keeps the order of rows that PostgreSQL would otherwise see no use for.
  private var end: SQL {
    if case .newest(let limit) = way { "limit \(Int64(limit))" } else { "offset 0" }
  }

  private var onePlacement: SQL {
    """
    join lateral (
      select p.mailbox_id, p.uid, p.is_deleted,
        (select array_agg(distinct k) filter (where k <> '$seen' or every_seen)
         from (select unnest(a.keywords) as k,
                 (select bool_and(s.is_seen) from placement s
                  where s.account_id = m.account_id and s.message_id = m.id
                    and not s.is_deleted) as every_seen
               from placement a
               where a.account_id = m.account_id and a.message_id = m.id
                 and not a.is_deleted) as each_keyword) as keywords,
        (select bool_and(s.is_seen) from placement s
         where s.account_id = m.account_id and s.message_id = m.id and not s.is_deleted)
          as is_seen
      from placement p
      where p.account_id = m.account_id and p.message_id = m.id and not p.is_deleted
      order by p.mailbox_id limit 1
    ) as p on true
    """
  }

  /// Which placements a list of one mailbox is of.
  private var places: SQL {
    var sql: SQL = "p.account_id = \(account.rawValue) and not p.is_deleted"
    if let mailbox = query.mailbox { sql += " and p.mailbox_id = \(mailbox.rawValue)" }
    if let role {
      sql += """
         and p.mailbox_id = (select id from mailbox where account_id = \(account.rawValue)
           and role = \(role) order by id limit 1)
        """
    }
    return sql
  }

  private var filters: SQL {
    var sql: SQL = isOfOneMailbox && !isWalked ? places : "m.account_id = \(account.rawValue)"
    if let search {
      if way == .index, !isWalked, let prefilter = search.prefilter {
        sql += """
           and \(idColumn) = any (array(select s.message_id from message_search s
             where s.account_id = \(account.rawValue) and \(prefilter)))
          """
      } else if let filter = search.rowFilter {
        sql += " and \(filter)"
      }
      sql += " and \(search.condition)"
    }
    if let isUnread = query.isUnread { sql += isUnread ? " and not p.is_seen" : " and p.is_seen" }
    sql += keyword("$flagged", query.isFlagged)
    sql += keyword("$answered", query.isAnswered)
    sql += keyword("$draft", query.isDraft)
    if let keyword = query.keyword?.lowercased() { sql += " and \(keyword) = any (p.keywords)" }
    sql += messageFilters
    return sql
  }

  private func keyword(_ keyword: String, _ isWanted: Bool?) -> SQL {
    guard let isWanted else { return "" }
    let holds: SQL = "\(keyword) = any (p.keywords)"
    return isWanted ? " and \(holds)" : " and not coalesce(\(holds), false)"
  }

  private var messageFilters: SQL {
    var sql: SQL = ""
    if let from = query.from { sql += " and m.from_text ilike \(SearchSQL.pattern(from))" }
    if let to = query.to { sql += " and m.to_text ilike \(SearchSQL.pattern(to))" }
    if let subject = query.subject { sql += " and m.subject ilike \(SearchSQL.pattern(subject))" }
    if let hasAttachment = query.hasAttachment {
      sql += hasAttachment ? " and m.has_attachment" : " and not m.has_attachment"
    }
    let received: SQL = isOfOneMailbox ? "p.received_at" : "m.received_at"
    if let before = query.before { sql += " and \(received) < \(before)" }
    if let after = query.after { sql += " and \(received) >= \(after)" }
    if let larger = query.larger { sql += " and m.size > \(larger)" }
    if let smaller = query.smaller { sql += " and m.size < \(smaller)" }
    if let thread = query.thread {
      sql += " and m.thread_id = \(SearchSQL.current(thread, of: account))"
    }
    if let messageID = query.messageID {
      sql += " and m.message_id = \(messageID)"
      sql += " and m.thread_id = \(SearchSQL.thread(ofMessageID: messageID, in: account))"
    }
    return sql
  }

  private func keyset(after position: MessagePosition) throws(ServiceError) -> SQL {
    let key: SQL
    switch query.sort {
    case .receivedAt, .sentAt:
      guard let microseconds = Int64(position.key) else { throw Self.badCursor }
      key = "\(Timestamp(microseconds: microseconds))"
    case .size:
      guard let size = Int64(position.key) else { throw Self.badCursor }
      key = "\(size)"
    case .subject, .from: key = "\(position.key)"
    }
    let compare: SQL = query.isAscending ? ">" : "<"
    if isOfOneMailbox {
      return """
        (\(sortKey), \(Self.orderUID), p.message_id) \(compare)
          (\(key), \(position.uid), \(position.id.rawValue))
        """
    }
    return "(\(sortKey), \(idColumn)) \(compare) (\(key), \(position.id.rawValue))"
  }

  private static let badCursor = ServiceError(.cursorInvalid, "The cursor is not one of this list.")
}
