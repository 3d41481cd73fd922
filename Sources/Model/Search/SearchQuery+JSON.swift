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
    let query = try read(filter, at: "", depth: limits.depth)
    guard query.terms.count <= limits.terms else {
      throw SearchSyntaxError(place: "", reason: "At most \(limits.terms) terms are allowed.")
    }
    return query
  }

  private static func read(
    _ value: JSONValue,
    at place: String,
    depth: Int
  ) throws(SearchSyntaxError) -> SearchQuery {
    guard case .object(let members) = value else {
      throw SearchSyntaxError(place: place, reason: "An object is wanted.")
    }
    guard !members.isEmpty else {
      throw SearchSyntaxError(place: place, reason: "At least one condition is wanted.")
    }
    guard depth > 0 else { throw SearchSyntaxError(place: place, reason: "It goes too deep.") }
    guard let name = value["operator"] else { return try condition(members, at: place) }
    let kind = name.stringValue?.lowercased() ?? ""
    guard ["and", "or", "not"].contains(kind) else {
      throw SearchSyntaxError(place: place + "/operator", reason: "One of and, or, not is wanted.")
    }
    guard let conditions = value["conditions"]?.arrayValue, members.count == 2 else {
      throw SearchSyntaxError(
        place: place,
        reason: "Beside operator there is one member, conditions, an array."
      )
    }
    var parts: [SearchQuery] = []
    for (index, condition) in conditions.enumerated() {
      parts.append(try read(condition, at: "\(place)/conditions/\(index)", depth: depth - 1))
    }
    guard !parts.isEmpty else {
      throw SearchSyntaxError(place: place + "/conditions", reason: "At least one is wanted.")
    }
    switch kind {
    case "and": return parts.count == 1 ? parts[0] : .and(parts)
    case "or": return parts.count == 1 ? parts[0] : .or(parts)
    // None of them, as in RFC 8620 §5.5.
    default: return .not(parts.count == 1 ? parts[0] : .or(parts))
    }
  }

  private static func condition(
    _ members: [JSONValue.Member],
    at place: String
  ) throws(SearchSyntaxError) -> SearchQuery {
    var parts: [SearchQuery] = []
    for member in members {
      let inner = "\(place)/\(member.name)"
      let text: String
      switch member.value {
      case .string(let string):
        guard string.contains(where: { $0 != " " }) else {
          throw SearchSyntaxError(
            place: inner,
            reason: "It is empty: something to look for is wanted."
          )
        }
        text = string
      case .int(let number): text = String(number)
      default: throw SearchSyntaxError(place: inner, reason: "A text or a number is wanted.")
      }
      switch member.name {
      case "text":
        parts += text.split(separator: " ").map { .term(.word(String($0))) }
      case "phrase": parts.append(.term(.phrase(text)))
      default:
        do throws(SearchTermError) {
          parts.append(.term(try SearchTerm(operator: member.name, value: text)))
        } catch {
          throw SearchSyntaxError(place: inner, reason: error.reason)
        }
      }
    }
    return parts.count == 1 ? parts[0] : .and(parts)
  }
}
