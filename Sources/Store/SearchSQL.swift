package import Model
import Postgres

/// Turns a search into a condition over `message m`, its placement `p` and its row `message_search s`.
struct SearchSQL {
  let account: ID<Account>
  let query: SearchQuery
  /// What servers found.
  var findings = SearchFindings()
  /// Where parts of texts may be found, once they were looked up.
  var narrowings: [String: WordNarrowing] = [:]

  /// Whether the condition reads `s`.
  var needsIndex: Bool { query.terms.contains { readsIndex($0) } }

  /// The condition, which is never null.
  var condition: SQL { condition(of: query) }

  /// What narrows by reading rows of `s` one after the other; nil where nothing does.
  var rowFilter: SQL? { Self.narrowing(query) { rowFilter(of: $0) } }

  /// A condition over `s` alone that every message found fulfils and an index can answer; nil where there is none.
  var prefilter: SQL? { Self.narrowing(query) { prefilter(of: $0) } }

  /// Whether there may be a `prefilter` when the parts of texts have been looked up.
  var mayUseIndex: Bool { Self.narrowing(query) { prefilter(of: $0) ?? rowFilter(of: $0) } != nil }

  /// The parts of texts that have to be looked up for `prefilter`.
  var parts: [String] {
    Array(
      Set(
        query.terms.compactMap {
          if case .field(let field, let text) = $0, field != .from { text } else { nil }
        }
      )
    )
  }

  // MARK: - Conditions

  private func condition(of query: SearchQuery) -> SQL {
    switch query {
    case .and(let parts): Self.join(parts.map(condition), " and ", none: "true")
    case .or(let parts): Self.join(parts.map(condition), " or ", none: "false")
    case .not(let part): "not \(condition(of: part))"
    case .term(let term): "coalesce(\(condition(of: term)), false)"
    }
  }

  private static func join(_ parts: [SQL], _ separator: SQL, none: SQL) -> SQL {
    guard let first = parts.first else { return none }
    var sql: SQL = "(" + first
    for part in parts.dropFirst() { sql += separator + part }
    return sql + ")"
  }

  private func condition(of term: SearchTerm) -> SQL {
    switch term {
    case .field(let field, let text): condition(of: field, text)
    // A search without a word is refused where it is read; nothing is found by one here.
    case .word(let text): Self.words(text, isPrefix: true) ?? "false"
    case .phrase(let text): Self.words(text, isPrefix: false) ?? "false"
    case .header(let name, let value):
      Self.keeps(field: name) ? header(name, value) : "m.id = \(found(term))"
    case .mailbox(let name): mailbox(name)
    case .state(.unread): "not p.is_seen"
    case .state(.flagged): "'$flagged' = any (p.keywords)"
    case .state(.answered): "'$answered' = any (p.keywords)"
    case .state(.draft): "'$draft' = any (p.keywords)"
    case .hasAttachment: "m.has_attachment"
    case .before(let time): "m.received_at < \(time)"
    case .after(let time): "m.received_at >= \(time)"
    case .larger(let size): "m.size > \(size)"
    case .smaller(let size): "m.size < \(size)"
    case .thread(let id): "m.thread_id = \(Self.current(id, of: account))"
    case .id(let id): "m.id = \(id.rawValue)"
    }
  }

  /// The row of the index narrows, the columns of the message decide.
  private func condition(of field: SearchField, _ text: String) -> SQL {
    let pattern = Self.pattern(text)
    let narrowed = rowFilter(of: .field(field, text)) ?? "true"
    switch field {
    case .from: return narrowed
    case .to: return "(\(narrowed) and m.to_text ilike \(pattern))"
    case .cc: return "(\(narrowed) and \(Self.addresses("m.cc_addresses", pattern)))"
    case .bcc: return "(\(narrowed) and \(Self.addresses("m.bcc_addresses", pattern)))"
    case .subject: return "(\(narrowed) and m.subject ilike \(pattern))"
    case .filename:
      return """
        (\(narrowed) and exists (select 1 from json_array_elements(m.attachments::json) as a
          where a ->> 'name' ilike \(pattern)))
        """
    case .list: return "(\(narrowed) and \(Self.extraField("List-Id", text)))"
    case .body:
      return """
        (m.id = \(found(.field(.body, text))) or exists (select 1 from blob t
          where t.account_id = m.account_id and t.id = m.blob_id and t.body ilike \(pattern)))
        """
    }
  }

  /// What the servers found, as an operand of `=`.
  private func found(_ term: SearchTerm) -> SQL {
    "any (\((findings.messages[term] ?? []).map(\.rawValue)))"
  }

  private static func addresses(_ column: SQL, _ pattern: String) -> SQL {
    """
    exists (select 1 from json_array_elements(\(column)::json) as a
      where a ->> 'name' ilike \(pattern) or a ->> 'email' ilike \(pattern))
    """
  }

  private func mailbox(_ name: String) -> SQL {
    """
    exists (select 1 from placement h join mailbox b
        on b.account_id = h.account_id and b.id = h.mailbox_id
      where h.account_id = m.account_id and h.message_id = m.id and not h.is_deleted
        and (b.id = \(ID<Mailbox>(text: name)?.rawValue ?? -1) or b.role = lower(\(name))
          or lower(b.path) = lower(\(name)) or lower(b.name) = lower(\(name))))
    """
  }

  /// The number of a thread by now, which may have been joined with another.
  static func current(_ thread: ID<MessageThread>, of account: ID<Account>) -> SQL {
    """
    coalesce((select a.thread_id from thread_alias a
      where a.account_id = \(account.rawValue) and a.id = \(thread.rawValue)), \(thread.rawValue))
    """
  }

  /// The number of the thread of the messages with a Message-ID; null where there are none.
  static func thread(ofMessageID messageID: String, in account: ID<Account>) -> SQL {
    """
    (select coalesce(a.thread_id, k.thread_id) from thread_key k
      left join thread_alias a on a.account_id = k.account_id and a.id = k.thread_id
      where k.account_id = \(account.rawValue) and k.key = \(ThreadLinks.key(of: messageID)))
    """
  }

  // MARK: - Header fields

  /// Fields that are kept; others are not known here, and servers are asked.
  private static let columns: [String: SQL] = [
    "from": "m.from_addresses", "to": "m.to_addresses", "cc": "m.cc_addresses",
    "bcc": "m.bcc_addresses", "reply-to": "m.reply_to_addresses", "sender": "m.sender_addresses",
    "subject": "m.subject", "message-id": "m.message_ids", "in-reply-to": "m.in_reply_to",
    "references": "m.reference_ids",
  ]

  private static let extraFields: Set<String> = [
    "list-id", "list-unsubscribe", "auto-submitted", "precedence", "x-priority", "importance",
    "sensitivity",
  ]

  /// Whether what a message has in the field `name` is a column here.
  static func keeps(field name: String) -> Bool {
    columns[name.lowercased()] != nil || extraFields.contains(name.lowercased())
  }

  private func header(_ name: String, _ value: String?) -> SQL {
    guard let column = Self.columns[name.lowercased()] else {
      return Self.extraField(name, value ?? "")
    }
    guard let value else { return "\(column) is not null" }
    return "\(Self.text(of: column, name.lowercased())) ilike \(Self.pattern(value))"
  }

  /// What a kept field says, as it is written in a header but for quotes and comments.
  private static func text(of column: SQL, _ name: String) -> SQL {
    switch name {
    case "subject": return column
    case "message-id", "in-reply-to", "references":
      return """
        (select string_agg('<' || a || '>', ' ') from json_array_elements_text(\(column)::json) as a)
        """
    default:
      return """
        (select string_agg(coalesce((a ->> 'name') || ' <' || (a ->> 'email') || '>', a ->> 'email'), ', ')
          from json_array_elements(\(column)::json) as a)
        """
    }
  }

  /// Whether a field that stands in `extra_fields` as it came holds `text`, folded lines included.
  private static func extraField(_ name: String, _ text: String) -> SQL {
    "m.extra_fields ~* \(fieldPattern(name, text))"
  }

  /// A regular expression for a header that holds `text` in a field `name`.
  static func fieldPattern(_ name: String, _ text: String) -> String {
    "(^|\\n)\(literal(name)):([^\\n]|\\n[ \\t])*\(literal(text))"
  }

  /// `text` as a regular expression that matches it alone, also where a line is folded at a blank of it.
  private static func literal(_ text: String) -> String {
    var pattern = ""
    for scalar in text.unicodeScalars {
      if scalar == " " {
        pattern += "(\\r?\\n)?[ \\t]+"
        continue
      }
      let isPlain =
        scalar.value >= 0x80 || scalar.properties.isAlphabetic
        || (0x30...0x39).contains(scalar.value)
      if !isPlain { pattern += "\\" }
      pattern.unicodeScalars.append(scalar)
    }
    return pattern
  }

  // MARK: - What the index answers

  private static func narrowing(_ query: SearchQuery, _ narrow: (SearchTerm) -> SQL?) -> SQL? {
    switch query {
    case .and(let parts):
      let known = parts.compactMap { narrowing($0, narrow) }
      return known.isEmpty ? nil : join(known, " and ", none: "true")
    case .or(let parts):
      let known = parts.compactMap { narrowing($0, narrow) }
      return known.count == parts.count ? join(known, " or ", none: "false") : nil
    case .not: return nil
    case .term(let term): return narrow(term)
    }
  }

  private func readsIndex(_ term: SearchTerm) -> Bool {
    rowFilter(of: term) != nil || prefilter(of: term) != nil
  }

  /// What the row of the index says of a term; nil where it says nothing.
  private func rowFilter(of term: SearchTerm) -> SQL? {
    switch term {
    case .field(.body, _): nil
    case .field(.from, let text): "s.from_text like lower(\(Self.pattern(text)))"
    case .field(_, let text): "s.rest_text like lower(\(Self.pattern(text)))"
    default: prefilter(of: term)
    }
  }

  /// What the indexes say of a term; nil where they say nothing.
  private func prefilter(of term: SearchTerm) -> SQL? {
    switch term {
    case .field(.from, let text):
      """
      hashtextextended(s.from_text, 0) = any (array(select x.digest from search_sender x
        where x.account_id = \(account.rawValue)
          and x.from_text like lower(\(Self.pattern(text)))))
      """
    case .field(.body, let text):
      switch narrowings[text] ?? .nothing {
      case .nothing: "s.message_id = \(found(term))"
      case .query(let query): "(s.message_id = \(found(term)) or s.words @@ \(query)::tsquery)"
      case .anything: nil
      }
    case .field(_, let text):
      switch narrowings[text] ?? .anything {
      case .nothing: "false"
      case .query(let query): "s.words @@ \(query)::tsquery"
      case .anything: nil
      }
    case .word(let text): Self.words(text, isPrefix: true)
    case .phrase(let text): Self.words(text, isPrefix: false)
    case .header(let name, _) where !Self.keeps(field: name): "s.message_id = \(found(term))"
    default: nil
    }
  }

  private static let wordSeparators = Set(#"@.<>,;:/\_-+='"()[]{}|!?&*#~%$^`"#)

  /// Words one after the other, the last of which may go on; nil where `text` has no word.
  ///
  /// What has neither letter nor digit (`😀`) is in no index: left in a phrase it would part the words beside it.
  private static func words(_ text: String, isPrefix: Bool) -> SQL? {
    let words = text.split { wordSeparators.contains($0) || $0.isWhitespace }
      .filter { SearchTerm.hasWord($0) }
    guard !words.isEmpty else { return nil }
    let query = words.map { "'\($0)'" }.joined(separator: " <-> ") + (isPrefix ? ":*" : "")
    return "s.words @@ to_tsquery('simple', \(query))"
  }

  /// `text` as a pattern that it is part of, LIKE's wildcards taken literally.
  static func pattern(_ text: String) -> String {
    var pattern = "%"
    for character in text {
      if character == "%" || character == "_" || character == "\\" { pattern.append("\\") }
      pattern.append(character)
    }
    return pattern + "%"
  }
}

extension SearchQuery {
  /// The terms that the servers of accounts are asked for, each once.
  package var termsOfServers: [SearchTerm] {
    var asked: [SearchTerm] = []
    for term in terms where !asked.contains(term) {
      switch term {
      case .field(.body, _): asked.append(term)
      case .header(let name, _) where !SearchSQL.keeps(field: name): asked.append(term)
      default: continue
      }
    }
    return asked
  }
}
