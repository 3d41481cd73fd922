import Model
import Postgres

/// Turns a search into a condition over `message m`, its placement `p` and its row `message_search s`.
struct SearchSQL {
  let account: ID<Account>
  let query: SearchQuery

  /// Whether the condition reads `s`.
  var needsIndex: Bool { query.terms.contains { Self.indexed($0) != nil } }

  /// The condition, which is never null.
  var condition: SQL { condition(of: query) }

  /// A condition over `s` alone that every message found fulfils and an index can answer; nil where there is none.
  var prefilter: SQL? { Self.prefilter(of: query) }

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
    case .word, .phrase: Self.indexed(term) ?? "true"
    case .header(let name, let value): header(name, value)
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

  /// The index narrows, the columns of the message decide.
  private func condition(of field: SearchField, _ text: String) -> SQL {
    let pattern = Self.pattern(text)
    let narrowed = Self.indexed(.field(field, text)) ?? "true"
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
    case .body: return "false"
    }
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

  /// Fields that are kept; others are not known here.
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

  /// Whether a search can tell what a message has in the field `name`.
  static func knows(field name: String) -> Bool {
    columns[name.lowercased()] != nil || extraFields.contains(name.lowercased())
  }

  private func header(_ name: String, _ value: String?) -> SQL {
    guard let column = Self.columns[name.lowercased()] else {
      return Self.extraField(name, value ?? "")
    }
    guard let value else { return "\(column) is not null" }
    return "\(column) ilike \(Self.pattern(value))"
  }

  /// Whether a field that stands in `extra_fields` as it came holds `text`, folded lines included.
  private static func extraField(_ name: String, _ text: String) -> SQL {
    let pattern = "(^|\\n)\(literal(name)):([^\\n]|\\n[ \\t])*\(literal(text))"
    return "m.extra_fields ~* \(pattern)"
  }

  /// `text` as a regular expression that matches it alone.
  private static func literal(_ text: String) -> String {
    var pattern = ""
    for scalar in text.unicodeScalars {
      let isPlain =
        scalar.value >= 0x80 || scalar.properties.isAlphabetic || scalar == " "
        || (0x30...0x39).contains(scalar.value)
      if !isPlain { pattern += "\\" }
      pattern.unicodeScalars.append(scalar)
    }
    return pattern
  }

  // MARK: - What the index answers

  private static func prefilter(of query: SearchQuery) -> SQL? {
    switch query {
    case .and(let parts):
      let known = parts.compactMap(prefilter)
      return known.isEmpty ? nil : join(known, " and ", none: "true")
    case .or(let parts):
      let known = parts.compactMap(prefilter)
      return known.count == parts.count ? join(known, " or ", none: "false") : nil
    case .not: return nil
    case .term(let term): return indexed(term)
    }
  }

  /// What the row of the index says of a term; nil where it says nothing.
  private static func indexed(_ term: SearchTerm) -> SQL? {
    switch term {
    case .field(.from, let text): return "s.from_text like lower(\(pattern(text)))"
    case .field(.body, _): return nil
    case .field(_, let text): return "s.rest_text like lower(\(pattern(text)))"
    case .word(let text): return words(text, isPrefix: true)
    case .phrase(let text): return words(text, isPrefix: false)
    default: return nil
    }
  }

  /// Words one after the other, the last of which may go on; nil where `text` has no word.
  private static func words(_ text: String, isPrefix: Bool) -> SQL? {
    let separators = Set(Store.wordSeparators)
    let words = text.split { separators.contains($0) || $0.isWhitespace }
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
  /// What of the query this service cannot look for, in words; nil where it can do all of it.
  package var unsupported: String? {
    for term in terms {
      switch term {
      case .field(.body, _): return "Texts of bodies are not searched yet: body: cannot be used."
      case .header(let name, _) where !SearchSQL.knows(field: name):
        return "The field \(name) is not kept here, so it cannot be searched."
      default: continue
      }
    }
    return nil
  }
}
