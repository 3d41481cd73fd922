import Bytes

/// Reads as much of YAML as `openapi.yaml` uses: block mappings and sequences, flow collections, plain and
/// quoted scalars, literal blocks, comments on lines of their own.
struct YAMLSubset {
  private struct Line {
    var indent: Int
    var text: Substring
  }

  private var lines: [Line] = []
  private var next = 0

  /// The value of a document.
  static func parse(_ text: String) -> JSONValue {
    var parser = YAMLSubset()
    for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
      let content = line.drop { $0 == " " }
      if content.isEmpty || content.hasPrefix("#") { continue }
      parser.lines.append(Line(indent: line.count - content.count, text: content))
    }
    return parser.block(indent: 0)
  }

  private mutating func block(indent: Int) -> JSONValue {
    guard next < lines.count, lines[next].indent >= indent else { return .null }
    let indent = lines[next].indent
    return lines[next].text.hasPrefix("- ") ? sequence(indent) : mapping(indent)
  }

  private mutating func sequence(_ indent: Int) -> JSONValue {
    var items: [JSONValue] = []
    while next < lines.count, lines[next].indent == indent, lines[next].text.hasPrefix("- ") {
      let rest = lines[next].text.dropFirst(2)
      if Self.key(rest) != nil, !rest.hasPrefix("{") {
        // A mapping that begins on the dash's line.
        lines[next] = Line(indent: indent + 2, text: rest)
        items.append(mapping(indent + 2))
      } else {
        next += 1
        items.append(Self.inline(rest))
      }
    }
    return .array(items)
  }

  private mutating func mapping(_ indent: Int) -> JSONValue {
    var members: [JSONValue.Member] = []
    while next < lines.count, lines[next].indent == indent,
      let (name, rest) = Self.key(lines[next].text)
    {
      next += 1
      let value: JSONValue
      if rest == "|" {
        value = .string(literal(indent))
      } else if rest.isEmpty {
        value = block(indent: indent + 1)
      } else {
        value = Self.inline(rest)
      }
      members.append(.init(name: name, value: value))
    }
    return .object(members)
  }

  private mutating func literal(_ indent: Int) -> String {
    var text: [Substring] = []
    while next < lines.count, lines[next].indent > indent {
      text.append(lines[next].text)
      next += 1
    }
    return text.joined(separator: "\n")
  }

  /// The name before the colon, and what follows it.
  private static func key(_ text: Substring) -> (String, Substring)? {
    if text.hasPrefix("\"") {
      guard let end = text.dropFirst().firstIndex(of: "\"") else { return nil }
      let rest = text[text.index(after: end)...]
      guard rest.hasPrefix(":") else { return nil }
      return (String(text[..<end].dropFirst()), rest.dropFirst().drop { $0 == " " })
    }
    var index = text.startIndex
    while let colon = text[index...].firstIndex(of: ":") {
      let after = text.index(after: colon)
      if after == text.endIndex || text[after] == " " {
        return (String(text[..<colon]), text[after...].drop { $0 == " " })
      }
      index = after
    }
    return nil
  }

  private static func inline(_ text: Substring) -> JSONValue {
    var flow = Flow(rest: text)
    return text.hasPrefix("{") || text.hasPrefix("[") || text.hasPrefix("\"")
      ? flow.value() : scalar(text)
  }

  private static func scalar(_ text: Substring) -> JSONValue {
    switch text {
    case "true": .bool(true)
    case "false": .bool(false)
    case "null": .null
    default: Int64(text).map { .int($0) } ?? .string(String(text))
    }
  }

  /// A flow collection or a scalar: `{ a: b, c: [d, "e"] }`.
  private struct Flow {
    var rest: Substring

    private mutating func skipBlanks() { rest = rest.drop { $0 == " " } }

    mutating func value() -> JSONValue {
      skipBlanks()
      switch rest.first {
      case "{": return collection(closing: "}")
      case "[": return collection(closing: "]")
      case "\"": return .string(quoted())
      default:
        let text = rest.prefix { $0 != "," && $0 != "}" && $0 != "]" }
        rest = rest[text.endIndex...]
        return YAMLSubset.scalar(text.trimmed)
      }
    }

    private mutating func quoted() -> String {
      var text = ""
      rest = rest.dropFirst()
      while let character = rest.popFirst(), character != "\"" {
        if character == "\\", let escaped = rest.popFirst() {
          text.append(escaped)
        } else {
          text.append(character)
        }
      }
      return text
    }

    private mutating func name() -> String {
      skipBlanks()
      if rest.first == "\"" { return quoted() }
      let name = rest.prefix { $0 != ":" }
      rest = rest[name.endIndex...]
      return String(name.trimmed)
    }

    private mutating func collection(closing: Character) -> JSONValue {
      rest = rest.dropFirst()
      var members: [JSONValue.Member] = []
      var items: [JSONValue] = []
      while true {
        skipBlanks()
        guard let first = rest.first, first != closing else { break }
        if first == "," {
          rest = rest.dropFirst()
        } else if closing == "}" {
          let name = name()
          skipBlanks()
          rest = rest.dropFirst()
          members.append(.init(name: name, value: value()))
        } else {
          items.append(value())
        }
      }
      rest = rest.dropFirst()
      return closing == "}" ? .object(members) : .array(items)
    }
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = drop { $0 == " " }
    while text.last == " " { text = text.dropLast() }
    return text
  }
}
