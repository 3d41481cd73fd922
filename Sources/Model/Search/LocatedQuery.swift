package import Bytes

/// A JSON filter as it was read: the tree of search, in which each clause knows where it stands.
///
/// Search forgets the places; the conditions of rules are explained clause by clause, and so keep them. Beside
/// the terms of search a rule may hold tests of a message that no search answers.
package struct LocatedQuery: Sendable, Equatable {
  /// What a clause says.
  package indirect enum Content: Sendable, Equatable {
    /// All of these.
    case and([LocatedQuery])
    /// Any of these.
    case or([LocatedQuery])
    /// None of these.
    case none([LocatedQuery])
    case term(SearchTerm)
    case test(MessageTest)
  }

  package var content: Content
  /// The JSON pointer to the clause, from the filter on.
  package var place: String

  package init(_ content: Content, at place: String) {
    self.content = content
    self.place = place
  }

  /// The clauses that hold no others, in order.
  package var leaves: [LocatedQuery] {
    switch content {
    case .and(let parts), .or(let parts), .none(let parts): parts.flatMap(\.leaves)
    case .term, .test: [self]
    }
  }

  /// The tree of search; nil where it holds a test that only rules know.
  package var query: SearchQuery? {
    switch content {
    case .term(let term): return .term(term)
    case .test: return nil
    case .and(let parts): return Self.join(parts) { .and($0) }
    case .or(let parts): return Self.join(parts) { .or($0) }
    // As in RFC 8620 §5.5.
    case .none(let parts): return Self.join(parts) { .or($0) }.map { .not($0) }
    }
  }

  private static func join(
    _ parts: [LocatedQuery],
    _ combine: ([SearchQuery]) -> SearchQuery
  ) -> SearchQuery? {
    let queries = parts.compactMap(\.query)
    guard queries.count == parts.count, let first = queries.first else { return nil }
    return queries.count == 1 ? first : combine(queries)
  }
}

extension LocatedQuery {
  /// Reads a filter as JSON (in the form of RFC 8621 §4.4.1); with `allowsTests` also what only rules know.
  ///
  /// One that was stored once is read as leniently as it was then: numbers stand for the texts of their digits, a part of a date need
  /// only be written as one, and a text may have no word.
  package static func parse(
    filter: JSONValue,
    allowsTests: Bool = false,
    isStored: Bool = false,
    limits: SearchLimits = SearchLimits()
  ) throws(SearchSyntaxError) -> LocatedQuery {
    let reader = FilterReader(allowsTests: allowsTests, isStored: isStored)
    let query = try reader.read(filter, at: "", depth: limits.depth)
    guard query.leaves.count <= limits.terms else {
      throw SearchSyntaxError(place: "", reason: "At most \(limits.terms) terms are allowed.")
    }
    return query
  }
}

/// Goes down a filter.
private struct FilterReader {
  let allowsTests: Bool
  let isStored: Bool

  func read(
    _ value: JSONValue,
    at place: String,
    depth: Int
  ) throws(SearchSyntaxError) -> LocatedQuery {
    guard case .object(let members) = value else {
      throw SearchSyntaxError(place: place, reason: "An object is wanted.", isOfType: true)
    }
    guard !members.isEmpty else {
      throw SearchSyntaxError(place: place, reason: "At least one condition is wanted.")
    }
    guard depth > 0 else { throw SearchSyntaxError(place: place, reason: "It goes too deep.") }
    if allowsTests, value["property"] != nil {
      let test = try MessageTest(json: members, at: place, isStored: isStored)
      return LocatedQuery(.test(test), at: place)
    }
    guard let name = value["operator"] else { return try condition(members, at: place) }
    let kind = name.stringValue?.lowercased() ?? ""
    guard ["and", "or", "not"].contains(kind) else {
      throw SearchSyntaxError(
        place: place + "/operator",
        reason: "One of and, or, not is wanted.",
        isOfType: name.stringValue == nil
      )
    }
    guard let conditions = value["conditions"]?.arrayValue, members.count == 2 else {
      throw SearchSyntaxError(
        place: place,
        reason: "Beside operator there is one member, conditions, an array."
      )
    }
    var parts: [LocatedQuery] = []
    for (index, condition) in conditions.enumerated() {
      parts.append(try read(condition, at: "\(place)/conditions/\(index)", depth: depth - 1))
    }
    guard !parts.isEmpty else {
      throw SearchSyntaxError(place: place + "/conditions", reason: "At least one is wanted.")
    }
    switch kind {
    case "and": return LocatedQuery(.and(parts), at: place)
    case "or": return LocatedQuery(.or(parts), at: place)
    default: return LocatedQuery(.none(parts), at: place)
    }
  }

  /// What the members of an object in a filter may be called.
  private var names: [String] {
    ["operator"] + (allowsTests ? ["property"] : []) + ["text", "phrase"] + SearchTerm.operators
  }

  private func condition(
    _ members: [JSONValue.Member],
    at place: String
  ) throws(SearchSyntaxError) -> LocatedQuery {
    var parts: [LocatedQuery] = []
    for member in members {
      let name = member.name.replacing("~", with: "~0").replacing("/", with: "~1")
      let inner = "\(place)/\(name)"
      // The operators in either case of letters, as in the grammar.
      guard
        names.contains(member.name) || SearchTerm.operators.contains(member.name.lowercased())
      else {
        throw SearchSyntaxError(
          place: inner,
          reason: "There is no such member; there are \(names.joined(separator: ", ")).",
          isUnknown: true
        )
      }
      let isNumber = isStored || ["larger", "smaller"].contains(member.name)
      let text = try Self.text(member.value, orNumber: isNumber, at: inner)
      switch member.name {
      case "text":
        let words = text.split(separator: " ").map(String.init)
        try requireWords(in: words, at: inner)
        parts += words.map { .init(.term(.word($0)), at: inner) }
      case "phrase":
        try requireWords(in: [text], at: inner)
        parts.append(.init(.term(.phrase(text)), at: inner))
      default:
        do throws(SearchTermError) {
          let term = try SearchTerm(operator: member.name, value: text)
          parts.append(.init(.term(term), at: inner))
        } catch {
          throw SearchSyntaxError(place: inner, reason: error.reason)
        }
      }
    }
    return parts.count == 1 ? parts[0] : LocatedQuery(.and(parts), at: place)
  }

  private func requireWords(
    in texts: [String],
    at place: String
  ) throws(SearchSyntaxError) {
    guard isStored || texts.allSatisfy({ SearchTerm.hasWord($0) }) else {
      throw SearchSyntaxError(place: place, reason: SearchTerm.noWord)
    }
  }

  private static func text(
    _ value: JSONValue,
    orNumber isNumber: Bool,
    at place: String
  ) throws(SearchSyntaxError) -> String {
    switch value {
    case .string(let string):
      guard string.contains(where: { $0 != " " }) else {
        throw SearchSyntaxError(
          place: place,
          reason: "It is empty: something to look for is wanted."
        )
      }
      return string
    case .int(let number) where isNumber: return String(number)
    default:
      throw SearchSyntaxError(
        place: place,
        reason: isNumber ? "A text or a number is wanted." : "A text is wanted.",
        isOfType: true
      )
    }
  }
}
