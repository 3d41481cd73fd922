import Bytes

// The productions of RFC 3501 §9 that every response is made of. A name alone tries and consumes
// nothing where it does not match; `require…` throws, naming the production.

extension UInt8 {
  /// Whether an atom may hold the byte: `ATOM-CHAR`.
  var isIMAPAtom: Bool {
    switch self {
    case 0...0x20, 0x7F..., 0x28, 0x29, 0x7B, 0x25, 0x2A, 0x22, 0x5C, 0x5D: false
    default: true
    }
  }

  /// Whether a bare word of a response may hold the byte: all but blanks and parentheses.
  var isIMAPWord: Bool { self > 0x20 && self != 0x28 && self != 0x29 && self != 0x7F }
}

/// Where a literal's bytes are.
enum LiteralContent {
  /// In the response, at this range.
  case held(Range<Int>)
  /// Handed out, or dropped, before the response was complete.
  case streamed(count: Int)
}

extension ByteReader {
  func syntaxError(_ expected: String) -> IMAPSyntaxError {
    IMAPSyntaxError(expected: expected, position: position)
  }

  mutating func require(_ byte: UInt8, _ production: StaticString) throws(IMAPSyntaxError) {
    guard consume(byte) else { throw syntaxError("\(production)") }
  }

  /// Leniency `extraSpaces`: any number of blanks where the grammar wants one.
  @inline(__always)
  mutating func skipBlanks() {
    while let byte = next, byte.isBlank { skip(1) }
  }

  /// Consumes `NIL` where it stands as a word.
  mutating func consumeNIL() -> Bool {
    guard let first = next, first | 0x20 == 0x6E, (peek(1) ?? 0) | 0x20 == 0x69,
      (peek(2) ?? 0) | 0x20 == 0x6C, !(peek(3) ?? 0x20).isIMAPWord
    else { return false }
    skip(3)
    return true
  }

  mutating func requireNumber32(_ production: StaticString) throws(IMAPSyntaxError) -> UInt32 {
    let start = position
    guard let number = number(), let value = UInt32(exactly: number) else {
      seek(to: start)
      throw syntaxError("\(production)")
    }
    return value
  }

  /// Reads a count of bytes or lines.
  ///
  /// Leniency `negativeCount`: servers answer `-1` or NIL where they do not know it; that is 0.
  mutating func requireCount() throws(IMAPSyntaxError) -> Int {
    if consumeNIL() { return 0 }
    if consume(0x2D) {
      _ = take(while: \.isASCIIDigit)
      return 0
    }
    let quoted = consume(.quote)  // Leniency `quotedCount`.
    guard let number = number() else { throw syntaxError("number") }
    if quoted { _ = consume(.quote) }
    return Int(clamping: number)
  }

  /// Reads `literal`, or `literal8` of RFC 3516, whose header the framer has checked.
  mutating func literal() throws(IMAPSyntaxError) -> LiteralContent? {
    let start = position
    _ = consume(0x7E)
    guard consume(0x7B) else {
      seek(to: start)
      return nil
    }
    guard let count = number().flatMap({ Int(exactly: $0) }) else { throw syntaxError("literal") }
    _ = consume(0x2B)
    if consume(IMAPFramer.streamedMark) {
      skipLineEnd()
      return .streamed(count: count)
    }
    try require(0x7D, "literal")
    skipLineEnd()
    guard remaining >= count else { throw syntaxError("literal of \(count) bytes") }
    let range = position..<position + count
    skip(count)
    return .held(range)
  }

  private mutating func skipLineEnd() {
    _ = consume(.cr)
    _ = consume(.lf)
  }

  /// Reads the range inside `quoted`, the quotes not included, and whether it holds a backslash.
  mutating func quoted() throws(IMAPSyntaxError) -> (range: Range<Int>, isEscaped: Bool)? {
    guard next == .quote else { return nil }
    let start = position + 1
    guard let end = bytes.firstIndex(of: .quote, from: start) else { throw syntaxError("quoted") }
    guard bytes.extracting(start..<end).firstIndex(of: .backslash) != nil else {
      seek(to: end + 1)
      return (start..<end, false)
    }
    var index = start
    while index < bytes.count, bytes[index] != .quote {
      index += bytes[index] == .backslash ? 2 : 1
    }
    guard index < bytes.count else { throw syntaxError("quoted") }
    seek(to: index + 1)
    return (start..<index, true)
  }

  /// Reads `string`: quoted or literal; nil where neither starts.
  mutating func string() throws(IMAPSyntaxError) -> [UInt8]? {
    if let (range, isEscaped) = try quoted() {
      return isEscaped ? unescaped(range) : copy(range)
    }
    switch try literal() {
    case .held(let range): return copy(range)
    case .streamed: return []
    case nil: return nil
    }
  }

  private func unescaped(_ range: Range<Int>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      if bytes[index] == .backslash, index + 1 < range.upperBound { index += 1 }
      output.append(bytes[index])
      index += 1
    }
    return output
  }

  /// Reads `nstring`.
  ///
  /// Leniency `bareString`: a word without quotes is taken as the string.
  mutating func requireNString() throws(IMAPSyntaxError) -> [UInt8]? {
    if let string = try string() { return string }
    if consumeNIL() { return nil }
    let word = take(while: \.isIMAPWord)
    guard !word.isEmpty else { throw syntaxError("nstring") }
    return copy(word)
  }

  mutating func skipNString() throws(IMAPSyntaxError) {
    if try quoted() != nil { return }
    if try literal() != nil { return }
    guard !take(while: \.isIMAPWord).isEmpty else { throw syntaxError("nstring") }
  }

  /// Reads `nstring` as text in lower case, as types and parameter names are compared.
  mutating func requireLowercaseText() throws(IMAPSyntaxError) -> String? {
    let range: Range<Int>
    guard let (found, isEscaped) = try quoted(), !isEscaped else {
      guard let bytes = try requireNString() else { return nil }
      return String(decoding: bytes.map(\.asciiLowercased), as: UTF8.self)
    }
    range = found
    return lowercaseText(range)
  }

  /// The bytes of `range` as text in lower case; copied only where a letter is in upper case.
  private func lowercaseText(_ range: Range<Int>) -> String {
    for index in range where bytes[index] != bytes[index].asciiLowercased {
      return String(decoding: copy(range).map(\.asciiLowercased), as: UTF8.self)
    }
    return String(utf8: slice(range))
  }

  /// Reads `astring` as its bytes.
  mutating func requireAString() throws(IMAPSyntaxError) -> [UInt8] {
    if let string = try string() { return string }
    let word = take(while: \.isIMAPWord)
    guard !word.isEmpty else { throw syntaxError("astring") }
    return copy(word)
  }

  /// Skips one value of any kind: a word with its brackets, a string, or a list with all it holds.
  mutating func skipValue() throws(IMAPSyntaxError) {
    skipBlanks()
    guard consume(0x28) else {
      try skipNString()
      return
    }
    try skipToClose()
  }

  /// Skips what is left of a list, its closing parenthesis included, counting depth, not recursing.
  mutating func skipToClose() throws(IMAPSyntaxError) {
    var depth = 1
    while depth > 0 {
      skipBlanks()
      if consume(0x28) {
        depth += 1
      } else if consume(0x29) {
        depth -= 1
      } else {
        try skipNString()
      }
    }
  }
}
