import Bytes

/// One term of a condition of Thunderbird: `AND (subject,contains,swift)`.
struct ThunderbirdTerm: CustomStringConvertible {
  /// `AND` or `OR`.
  let kind: String
  private let attribute: String
  /// Whether the attribute is the name of a field, which stands in quotes.
  private let isField: Bool
  private let comparison: String
  private let value: String

  var description: String { "(\(attribute),\(comparison),\(value))" }

  /// Takes a term from the front of `text`; nil where none stands there.
  init?(taking text: inout Substring) {
    var rest = text.drop(while: \.isWhitespace)
    kind = String(rest.prefix { $0.isLetter })
    rest = rest.dropFirst(kind.count).drop(while: \.isWhitespace)
    guard kind == "AND" || kind == "OR", rest.first == "(" else { return nil }
    rest = rest.dropFirst()
    isField = rest.first == "\""
    guard let attribute = Self.field(&rest, until: ","),
      let comparison = Self.field(&rest, until: ","),
      let value = Self.field(&rest, until: ")")
    else { return nil }
    (self.attribute, self.comparison, self.value) = (attribute, comparison, value)
    text = rest
  }

  /// A part of a term, in quotes where it holds what ends it.
  private static func field(_ text: inout Substring, until end: Character) -> String? {
    guard text.first == "\"" else {
      guard let stop = text.firstIndex(of: end) else { return nil }
      defer { text = text[text.index(after: stop)...] }
      return String(text[..<stop])
    }
    var value = ""
    var isQuoted = false
    var rest = text.dropFirst()
    while let next = rest.popFirst() {
      if !isQuoted, next == "\\" {
        isQuoted = true
      } else if !isQuoted, next == "\"" {
        guard rest.popFirst() == end else { return nil }
        text = rest
        return value
      } else {
        value.append(next)
        isQuoted = false
      }
    }
    return nil
  }

  // MARK: - Conditions

  /// The same as a condition; nil where rules cannot say it.
  var condition: JSONValue? {
    let negations = [
      "doesn't contain": "contains", "isn't": "is", "isn't empty": "is empty",
      "doesn't match": "matches", "isn't in ab": "is in ab",
    ]
    if let plain = negations[comparison] { return positive(plain).map { .node("not", [$0]) } }
    return positive(comparison)
  }

  private func positive(_ op: String) -> JSONValue? {
    guard !isField else { return text(["header.\(attribute.lowercased())"], op) }
    switch attribute {
    case "subject": return text(["subject"], op)
    case "from", "to", "cc": return people([attribute], op)
    case "to or cc": return people(["to", "cc"], op)
    case "all addresses": return people(["from", "to", "cc", "bcc"], op)
    case "body": return op == "contains" ? .term("body", value) : nil
    case "size": return size(op)
    case "date": return date(op)
    case "age in days": return age(op)
    case "status": return op == "is" ? status : nil
    case "priority": return priority(op)
    case "tag", "tags":
      guard op == "is" || op == "contains", !value.isEmpty else { return nil }
      return .test("keyword", "is", value)
    case "junk status":
      guard op == "is", ["0", "2"].contains(value) else { return nil }
      let junk = JSONValue.test("keyword", "is", "$junk")
      return value == "2" ? junk : .node("not", [junk])
    case "has attachment status": return op == "is" ? .term("has", "attachment") : nil
    default: return nil
    }
  }

  private static let operators = [
    "contains": "contains", "is": "is", "begins with": "begins", "ends with": "ends",
  ]

  private func text(_ properties: [String], _ op: String) -> JSONValue? {
    if op == "is empty" {
      return .all(
        properties.map { property in
          let name = property.hasPrefix("header.") ? String(property.dropFirst(7)) : property
          return .node("not", [.test("header.\(name)", "matches", "?*")])
        }
      )
    }
    guard let name = Self.operators[op], !value.isEmpty else { return nil }
    return .any(properties.map { .test($0, name, value) })
  }

  /// Fields of addresses: Thunderbird compares names and addresses, each for itself.
  private func people(_ fields: [String], _ op: String) -> JSONValue? {
    guard op != "contains", op != "is empty" else { return text(fields, op) }
    return text(fields.flatMap { ["\($0).address", "\($0).name"] }, op)
  }

  /// In kilobytes.
  private func size(_ op: String) -> JSONValue? {
    guard let number = Int64(value), (0...1_000_000_000).contains(number) else { return nil }
    switch op {
    case "is greater than":
      return .object([.init(name: "larger", value: .int(number << 10))])
    case "is less than":
      return .object([.init(name: "smaller", value: .int(number << 10))])
    default: return nil
    }
  }

  /// A day as `22-Nov-2026`.
  private func date(_ op: String) -> JSONValue? {
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let parts = value.split(separator: "-").map(String.init)
    guard parts.count == 3, let day = Int(parts[0]), (1...31).contains(day),
      let month = months.firstIndex(of: parts[1]), let year = Int(parts[2]),
      (1970...9999).contains(year),
      let name = ["is before": "under", "is after": "over", "is": "is"][op]
    else { return nil }
    func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return .test("sent.date", name, "\(year)-\(padded(month + 1))-\(padded(day))")
  }

  private func age(_ op: String) -> JSONValue? {
    guard let days = Int(value), (0...36_500).contains(days) else { return nil }
    switch op {
    case "is greater than": return .test("sent.age", "over", "\(days)")
    case "is less than": return .test("sent.age", "under", "\(days)")
    default: return nil
    }
  }

  private var status: JSONValue? {
    switch value {
    case "read": .node("not", [.term("is", "unread")])
    case "replied": .term("is", "answered")
    case "flagged": .term("is", "flagged")
    case "forwarded": .test("keyword", "is", "$forwarded")
    default: nil
    }
  }

  private func priority(_ op: String) -> JSONValue? {
    switch (op, value.lowercased()) {
    case ("is higher than", "normal"): .test("importance", "is", "high")
    case ("is lower than", "normal"): .test("importance", "is", "low")
    case ("is", "normal"): .test("importance", "is", "normal")
    default: nil
    }
  }
}
