import Bytes

/// What is wrong with one operator of a search, or with its value.
struct SearchTermError: Error {
  var reason: String
  /// Whether it is the operator's name, and not its value.
  var isOfName = false
}

extension SearchTerm {
  /// The operators of the grammar, which are also the members of a condition in a JSON filter.
  package static let operators =
    SearchField.allCases.map(\.rawValue) + [
      "header", "in", "is", "has", "before", "after", "larger", "smaller", "thread", "id",
    ]

  /// The term that `name:value` spells.
  init(operator name: String, value: String) throws(SearchTermError) {
    let name = name.lowercased()
    if let field = SearchField(rawValue: name) {
      self = .field(field, value)
      return
    }
    switch name {
    case "header": self = try Self.header(value)
    case "in": self = .mailbox(value)
    case "is":
      guard let state = SearchState(rawValue: value.lowercased()) else {
        let names = SearchState.allCases.map(\.rawValue).joined(separator: ", ")
        throw SearchTermError(reason: "One of \(names) is wanted behind \"is:\".")
      }
      self = .state(state)
    case "has":
      guard value.lowercased() == "attachment" else {
        throw SearchTermError(reason: "Only \"attachment\" can stand behind \"has:\".")
      }
      self = .hasAttachment
    case "before": self = .before(try Self.time(value))
    case "after": self = .after(try Self.time(value))
    case "larger": self = .larger(try Self.size(value))
    case "smaller": self = .smaller(try Self.size(value))
    case "thread":
      guard let id = ID<MessageThread>(text: value) else {
        throw SearchTermError(reason: "The id of a thread is wanted.")
      }
      self = .thread(id)
    case "id":
      guard let id = ID<Message>(text: value) else {
        throw SearchTermError(reason: "The id of a message is wanted.")
      }
      self = .id(id)
    default:
      throw SearchTermError(
        reason: "There is no operator \"\(name):\"; put the word in quotes to look for it.",
        isOfName: true
      )
    }
  }

  /// `Name` or `Name=value`.
  private static func header(_ text: String) throws(SearchTermError) -> SearchTerm {
    // By scalars: what follows the sign may be a mark that is one character with it.
    let parts = text.unicodeScalars
      .split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    let name = parts.first ?? ""
    let isName = !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
    guard isName else {
      throw SearchTermError(reason: "A field is wanted, as in header:List-Id=example.")
    }
    return .header(name: name, value: parts.count > 1 ? parts[1] : nil)
  }

  /// A day of UTC, or an instant in RFC 3339.
  private static func time(_ text: String) throws(SearchTermError) -> Timestamp {
    let day = text.utf8.count == 10 ? text + "T00:00:00Z" : text
    let bytes = Array(day.utf8)
    guard let time = Timestamp(rfc3339: bytes.span) else {
      throw SearchTermError(
        reason: "A day as 2026-11-22, or a time as 2026-11-22T10:00:00Z, is wanted."
      )
    }
    return time
  }

  /// A number of bytes, or of units of 1,024 with `K`, `M` or `G` behind it.
  private static func size(_ text: String) throws(SearchTermError) -> Int64 {
    let units: [Character: Int64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    let unit = text.last.flatMap { units[Character($0.uppercased())] }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard let number = Int64(digits), number >= 0, number < 1 << 32 else {
      throw SearchTermError(reason: "A number of bytes is wanted, as 500, 20K or 5M.")
    }
    return number * (unit ?? 1)
  }
}
