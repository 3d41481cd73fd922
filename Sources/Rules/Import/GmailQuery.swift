import Bytes

/// Why a search of Gmail is no condition.
struct GmailQueryError: Error {
  var reason: String
}

/// Reads a search of Gmail, as its filters hold them, as a condition.
///
///     from:(ada OR bob) -subject:"weekly report" {list:swift larger:5M}
///
/// Words side by side all have to be there; `OR` and braces are any of them, `-` is none. What Gmail looks up elsewhere (labels,
/// categories, when something was) is refused by its name.
struct GmailQuery {
  private enum Token: Equatable {
    case open, close, openAny, closeAny, or, minus
    /// A word, or a text in quotes.
    case text(String, isQuoted: Bool)
    /// `name:` before a value or a group.
    case field(String)
  }

  private var tokens: ArraySlice<Token>
  private var terms = 0

  /// The condition that a search makes whose words are looked for in `field`, or anywhere where that is nil.
  static func parse(
    _ text: String,
    field: String?,
    depth: Int
  ) throws(GmailQueryError) -> JSONValue {
    var query = GmailQuery(tokens: try Self.tokens(of: text)[...])
    let condition = try query.sequence(field, depth, until: nil)
    guard query.tokens.isEmpty else { throw GmailQueryError(reason: "A bracket is not open.") }
    return condition
  }

  // MARK: - Words

  private static func tokens(of text: String) throws(GmailQueryError) -> [Token] {
    var tokens: [Token] = []
    var rest = text[...]
    while let first = rest.first {
      switch first {
      case "(": tokens.append(.open)
      case ")": tokens.append(.close)
      case "{": tokens.append(.openAny)
      case "}": tokens.append(.closeAny)
      case "-": tokens.append(.minus)
      case "\"":
        let quoted = rest.dropFirst().prefix { $0 != "\"" }
        tokens.append(.text(String(quoted), isQuoted: true))
        rest = rest.dropFirst(quoted.count + 1)
      case _ where first.isWhitespace || first == "+" || first == ",": break
      default:
        let word = rest.prefix { !$0.isWhitespace && !"(){}\",".contains($0) }
        rest = rest.dropFirst(word.count)
        add(word, behind: rest.first, to: &tokens)
        continue
      }
      rest = rest.dropFirst()
    }
    guard tokens.count <= 1_000 else { throw GmailQueryError(reason: "It is too long.") }
    return tokens
  }

  private static func add(_ word: Substring, behind next: Character?, to tokens: inout [Token]) {
    if word == "OR" || word == "|" { return tokens.append(.or) }
    if word == "AND" { return }
    let parts = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let isName =
      parts[0].first?.isLetter == true
      && parts[0].utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x5F }
    guard parts.count == 2, isName else {
      return tokens.append(.text(String(word), isQuoted: false))
    }
    tokens.append(.field(parts[0].lowercased()))
    if !parts[1].isEmpty { tokens.append(.text(String(parts[1]), isQuoted: false)) }
  }

  // MARK: - Grammar

  /// Conditions side by side; `OR` binds its two neighbours.
  private mutating func sequence(
    _ field: String?,
    _ depth: Int,
    until end: Token?,
    isAny: Bool = false
  ) throws(GmailQueryError) -> JSONValue {
    guard depth > 0 else { throw GmailQueryError(reason: "It goes too deep.") }
    var groups: [[JSONValue]] = []
    var joins = false
    while let token = tokens.first, token != end {
      if token == .or {
        tokens.removeFirst()
        joins = !groups.isEmpty
        continue
      }
      let condition = try item(field, depth)
      if joins, !groups.isEmpty {
        groups[groups.count - 1].append(condition)
      } else {
        groups.append([condition])
      }
      joins = false
    }
    guard !groups.isEmpty else { throw GmailQueryError(reason: "It looks for nothing.") }
    let parts = groups.map { JSONValue.any($0) }
    return isAny ? .any(parts) : .all(parts)
  }

  private mutating func item(_ field: String?, _ depth: Int) throws(GmailQueryError) -> JSONValue {
    terms += 1
    guard terms <= 100 else { throw GmailQueryError(reason: "It has too many words.") }
    switch tokens.popFirst() {
    case .minus: return .node("not", [try item(field, depth)])
    case .open: return try group(field, depth, .close, isAny: false)
    case .openAny: return try group(field, depth, .closeAny, isAny: true)
    case .field(let name):
      guard field == nil else { return try item(field, depth) }
      switch tokens.first {
      case .open, .openAny:
        guard Self.fields.contains(name) else { throw Self.unknown(name) }
        return try item(name, depth)
      case .text(let text, _):
        tokens.removeFirst()
        return try Self.condition(name, text)
      default: throw GmailQueryError(reason: "\(name): is without a value.")
      }
    case .text(let text, let isQuoted):
      guard let field else { return Self.anywhere(text, isQuoted) }
      return try Self.condition(field, text)
    default: throw GmailQueryError(reason: "A bracket is not closed.")
    }
  }

  private mutating func group(
    _ field: String?,
    _ depth: Int,
    _ end: Token,
    isAny: Bool
  ) throws(GmailQueryError) -> JSONValue {
    let condition = try sequence(field, depth - 1, until: end, isAny: isAny)
    guard tokens.popFirst() == end else {
      throw GmailQueryError(reason: "A bracket is not closed.")
    }
    return condition
  }

  // MARK: - Conditions

  /// Fields that may stand before a group.
  private static let fields: Set = ["from", "to", "cc", "bcc", "subject", "list", "filename"]

  private static func anywhere(_ text: String, _ isQuoted: Bool) -> JSONValue {
    .any([.term(isQuoted ? "phrase" : "text", text), .term("body", text)])
  }

  private static func condition(
    _ name: String,
    _ value: String
  ) throws(GmailQueryError) -> JSONValue {
    switch name {
    case "from", "cc", "bcc", "subject", "list", "filename": return .term(name, value)
    // Gmail's To is all that a message is sent to.
    case "to": return .any(["to", "cc", "bcc"].map { .term($0, value) })
    case "deliveredto": return .test("header.delivered-to", "contains", value)
    case "rfc822msgid": return .test("header.message-id", "contains", value)
    case "has" where value == "attachment": return .term("has", "attachment")
    case "is" where value == "unread" || value == "read":
      let unread = JSONValue.term("is", "unread")
      return value == "unread" ? unread : .node("not", [unread])
    case "is" where value == "starred": return .term("is", "flagged")
    case "larger", "size", "smaller":
      guard let size = size(value) else { throw GmailQueryError(reason: "\(value) is no size.") }
      return .object([.init(name: name == "smaller" ? name : "larger", value: .int(size))])
    default: throw unknown(name)
    }
  }

  private static func size(_ text: String) -> Int64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let units: [String: Int64] = ["": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20]
    guard let number = Int64(digits), number <= 1_000_000_000,
      let unit = units[text.dropFirst(digits.count).lowercased()]
    else { return nil }
    return number * unit
  }

  private static func unknown(_ name: String) -> GmailQueryError {
    GmailQueryError(reason: "Rules have no \(name):.")
  }
}
