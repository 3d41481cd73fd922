package import Bytes

extension SearchQuery {
  /// Reads a filter as JSON (in the form of RFC 8621 §4.4.1).
  ///
  ///     { "operator": "and", "conditions": [{ "from": "ada" }, { "operator": "not", "conditions": [{ "is": "unread" }] }] }
  ///
  /// A condition has members that are named as the operators of the grammar, all of which have to hold; `text`
  /// holds words, `phrase` words in their order.
  package static func parse(
    filter: JSONValue,
    limits: SearchLimits = SearchLimits()
  ) throws(SearchSyntaxError) -> SearchQuery {
    let located = try LocatedQuery.parse(filter: filter, limits: limits)
    guard let query = located.query else {
      throw SearchSyntaxError(place: "", reason: "A search has no such condition.")
    }
    return query
  }

  /// The search as a JSON filter, from which the same is read.
  package var filter: JSONValue {
    switch self {
    case .term(let term): term.filter
    case .and(let parts): Self.node("and", parts.map(\.filter))
    case .or(let parts): Self.node("or", parts.map(\.filter))
    case .not(let part): Self.node("not", [part.filter])
    }
  }

  private static func node(_ kind: String, _ conditions: [JSONValue]) -> JSONValue {
    .object([
      .init(name: "operator", value: .string(kind)),
      .init(name: "conditions", value: .array(conditions)),
    ])
  }
}

extension SearchTerm {
  /// The term as a condition of a filter.
  fileprivate var filter: JSONValue {
    let (name, value) = spelling
    return .object([.init(name: name, value: .string(value))])
  }

  private var spelling: (name: String, value: String) {
    switch self {
    case .field(let field, let text): (field.rawValue, text)
    case .header(let name, let value): ("header", value.map { "\(name)=\($0)" } ?? name)
    case .word(let text): ("text", text)
    case .phrase(let text): ("phrase", text)
    case .mailbox(let name): ("in", name)
    case .state(let state): ("is", state.rawValue)
    case .hasAttachment: ("has", "attachment")
    case .before(let time): ("before", Self.text(time))
    case .after(let time): ("after", Self.text(time))
    case .larger(let size): ("larger", String(size))
    case .smaller(let size): ("smaller", String(size))
    case .thread(let id): ("thread", id.description)
    case .id(let id): ("id", id.description)
    }
  }

  private static func text(_ time: Timestamp) -> String {
    var bytes: [UInt8] = []
    bytes.append(rfc3339: time)
    return String(decoding: bytes, as: UTF8.self)
  }
}
