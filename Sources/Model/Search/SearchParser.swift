import Bytes

/// Reads the search grammar.
///
///     query = and *( "OR" and )          ; what stands side by side binds closer than OR
///     and   = 1*( ["-"] part )
///     part  = "(" query ")" / name ":" value / word / quoted
///     value = word / quoted
///
/// A word ends at a blank or a parenthesis, and has a letter or a digit. In quotes `\"` and `\\` stand for themselves.
/// What looks like an operator and is none (`form:ada`) is an error and not a word: it would find nothing, and nobody
/// would know why.
package struct SearchParser {
  private var reader: ByteReaderOfText
  private let limits: SearchLimits
  private var terms = 0

  /// Reads `text`.
  package static func parse(
    _ text: String,
    limits: SearchLimits = SearchLimits()
  ) throws(SearchSyntaxError) -> SearchQuery {
    guard text.utf8.count <= limits.bytes else {
      throw SearchSyntaxError(
        place: "0",
        reason: "A query has at most \(limits.bytes) bytes."
      )
    }
    var parser = SearchParser(reader: ByteReaderOfText(text), limits: limits)
    let query = try parser.query(depth: 0)
    guard parser.reader.isAtEnd else { throw parser.error("There is no \"(\" to this \")\".") }
    return query
  }

  private mutating func query(depth: Int) throws(SearchSyntaxError) -> SearchQuery {
    guard depth <= limits.depth else { throw error("Parentheses go too deep.") }
    var choices = [try sequence(depth: depth)]
    while reader.consumeWord("OR") { choices.append(try sequence(depth: depth)) }
    return choices.count == 1 ? choices[0] : .or(choices)
  }

  private mutating func sequence(depth: Int) throws(SearchSyntaxError) -> SearchQuery {
    var parts: [SearchQuery] = []
    while true {
      reader.skipBlanks()
      guard let next = reader.peek, next != 0x29, !reader.isAtWord("OR") else { break }
      parts.append(try part(depth: depth))
    }
    guard !parts.isEmpty else { throw error("Something to look for is wanted here.") }
    return parts.count == 1 ? parts[0] : .and(parts)
  }

  private mutating func part(depth: Int) throws(SearchSyntaxError) -> SearchQuery {
    if reader.consume(0x2D) {
      guard let next = reader.peek, next != 0x20, next != 0x29 else {
        throw error("Something to leave out is wanted behind \"-\".")
      }
      guard depth < limits.depth else { throw error("Negations go too deep.") }
      return .not(try part(depth: depth + 1))
    }
    if reader.consume(0x28) {
      let inner = try query(depth: depth + 1)
      guard reader.consume(0x29) else { throw error("A \")\" is missing.") }
      return inner
    }
    terms += 1
    guard terms <= limits.terms else { throw error("At most \(limits.terms) terms are allowed.") }
    return .term(try term())
  }

  private mutating func term() throws(SearchSyntaxError) -> SearchTerm {
    let start = reader.position
    if reader.peek == 0x22 { return .phrase(try Self.requireWord(in: try quoted(), at: start)) }
    if let name = reader.takeOperator() {
      let valueStart = reader.position
      let value = try self.value(of: name)
      do throws(SearchTermError) {
        return try SearchTerm(operator: name, value: value)
      } catch {
        throw SearchSyntaxError(
          place: "\(error.isOfName ? start : valueStart)",
          reason: error.reason
        )
      }
    }
    let word = reader.takeWord()
    guard !word.isEmpty else { throw error("A word is wanted here.") }
    return .word(try Self.requireWord(in: word, at: start))
  }

  /// A text without a word would find nothing, and behind a "-" everything.
  private static func requireWord(
    in text: String,
    at place: Int
  ) throws(SearchSyntaxError) -> String {
    guard SearchTerm.hasWord(text) else {
      throw SearchSyntaxError(place: "\(place)", reason: SearchTerm.noWord)
    }
    return text
  }

  private mutating func value(of name: String) throws(SearchSyntaxError) -> String {
    if reader.peek == 0x22 { return try quoted() }
    var value = reader.takeWord()
    // header:Subject="two words"
    if name.lowercased() == "header", value.hasSuffix("="), reader.peek == 0x22 {
      value += try quoted()
    }
    guard !value.isEmpty else { throw error("A value is wanted behind \"\(name):\".") }
    return value
  }

  private mutating func quoted() throws(SearchSyntaxError) -> String {
    let start = reader.position
    guard let text = reader.takeQuoted() else {
      throw SearchSyntaxError(place: "\(start)", reason: "A closing quote is missing.")
    }
    guard !text.isEmpty else {
      throw SearchSyntaxError(place: "\(start)", reason: "There is nothing between the quotes.")
    }
    return text
  }

  private func error(_ reason: String) -> SearchSyntaxError {
    SearchSyntaxError(place: "\(reader.position)", reason: reason)
  }
}

/// The bytes of a query and a place in them.
private struct ByteReaderOfText {
  private let bytes: [UInt8]
  private(set) var position = 0

  init(_ text: String) { bytes = Array(text.utf8) }

  var isAtEnd: Bool { position >= bytes.count }

  var peek: UInt8? { isAtEnd ? nil : bytes[position] }

  mutating func consume(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    position += 1
    return true
  }

  mutating func skipBlanks() {
    while let next = peek, Self.isBlank(next) { position += 1 }
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0D).contains(byte)
  }

  private static func ends(_ byte: UInt8) -> Bool {
    isBlank(byte) || byte == 0x28 || byte == 0x29 || byte == 0x22
  }

  /// Whether the next word is `word`, alone.
  func isAtWord(_ word: StaticString) -> Bool {
    let length = word.utf8CodeUnitCount
    guard position + length <= bytes.count else { return false }
    for index in 0..<length where unsafe bytes[position + index] != word.utf8Start[index] {
      return false
    }
    return position + length == bytes.count || Self.ends(bytes[position + length])
  }

  mutating func consumeWord(_ word: StaticString) -> Bool {
    skipBlanks()
    guard isAtWord(word) else { return false }
    position += word.utf8CodeUnitCount
    return true
  }

  /// The letters before a colon; nothing where there are none.
  mutating func takeOperator() -> String? {
    var end = position
    while end < bytes.count, bytes[end].isASCIILetter { end += 1 }
    guard end > position, end < bytes.count, bytes[end] == 0x3A else { return nil }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }

  mutating func takeWord() -> String {
    let start = position
    while let next = peek, !Self.ends(next) { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// What stands in quotes; nil where they do not close.
  mutating func takeQuoted() -> String? {
    position += 1
    var text: [UInt8] = []
    while let next = peek {
      position += 1
      if next == 0x22 { return String(decoding: text, as: UTF8.self) }
      if next == 0x5C, let escaped = peek, escaped == 0x22 || escaped == 0x5C {
        position += 1
        text.append(escaped)
      } else {
        text.append(next)
      }
    }
    return nil
  }
}
