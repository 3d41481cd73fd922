import Bytes

/// Cuts a script into tokens (RFC 5228 §2.1 to §2.4, grammar in §8.1).
///
///     if header :contains "subject" ["a", "b"] { stop; }  # comment
///
/// A line may end with LF alone as well as with CRLF, and in a string it becomes CRLF, the only line
/// end that Sieve knows: scripts are kept in files.
struct Lexer {
  private let script: [UInt8]
  private var position = 0

  init(_ script: [UInt8]) {
    self.script = script
  }

  /// The next token; `.end` once there is no more.
  mutating func next() throws(Fault) -> Token {
    try skipBlanks()
    let start = position
    guard let byte = peek() else { return Token(kind: .end, offset: start) }
    if let mark = Self.mark(byte) {
      position += 1
      return Token(kind: mark, offset: start)
    }
    switch byte {
    case .quote: return Token(kind: .string(try quoted()), offset: start)
    case 0x3A:
      position += 1
      guard let name = identifier() else {
        throw Fault(at: start, "a tag must have a name behind ':'")
      }
      return Token(kind: .tag(name), offset: start)
    case _ where byte.isASCIIDigit: return Token(kind: .number(try number()), offset: start)
    default: break
    }
    guard let name = identifier() else { throw Fault(at: start, "unexpected character") }
    if name == "text", peek() == 0x3A {
      position += 1
      return Token(kind: .string(try multiLine(from: start)), offset: start)
    }
    return Token(kind: .identifier(name), offset: start)
  }

  private static func mark(_ byte: UInt8) -> Token.Kind? {
    switch byte {
    case 0x28: .leftParenthesis
    case 0x29: .rightParenthesis
    case 0x2C: .comma
    case 0x3B: .semicolon
    case 0x5B: .leftBracket
    case 0x5D: .rightBracket
    case 0x7B: .leftBrace
    case 0x7D: .rightBrace
    default: nil
    }
  }

  private func peek(_ distance: Int = 0) -> UInt8? {
    position + distance < script.count ? script[position + distance] : nil
  }

  /// Passes over white space and comments.
  private mutating func skipBlanks() throws(Fault) {
    while let byte = peek() {
      switch byte {
      case .space, .tab, .cr, .lf: position += 1
      case 0x23: skipLine()
      case 0x2F where peek(1) == 0x2A: try skipBracketComment()
      default: return
      }
    }
  }

  private mutating func skipLine() {
    position = script.span.firstIndex(of: .lf, from: position) ?? script.count
  }

  private mutating func skipBracketComment() throws(Fault) {
    let start = position
    position += 2
    while let star = script.span.firstIndex(of: 0x2A, from: position) {
      position = star + 1
      if peek() == 0x2F {
        position += 1
        return
      }
    }
    throw Fault(at: start, "this comment has no end")
  }

  /// An identifier in lower case; nil where none stands.
  private mutating func identifier() -> String? {
    guard let first = peek(), first.isASCIILetter || first == 0x5F else { return nil }
    let start = position
    while let byte = peek(), byte.isASCIILetter || byte.isASCIIDigit || byte == 0x5F {
      position += 1
    }
    return String(decoding: script[start..<position].map(\.asciiLowercased), as: UTF8.self)
  }

  /// A number with its quantifier; the largest that must be understood is 2,147,483,647.
  private mutating func number() throws(Fault) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    var overflows = false
    while let digit = peek(), digit.isASCIIDigit {
      let (product, tooBig) = value.multipliedReportingOverflow(by: 10)
      let (sum, carried) = product.addingReportingOverflow(UInt64(digit - 0x30))
      overflows = overflows || tooBig || carried
      value = sum
      position += 1
    }
    let shift: UInt64 =
      switch peek()?.asciiLowercased {
      case 0x6B: 10
      case 0x6D: 20
      case 0x67: 30
      default: 0
      }
    if shift > 0 { position += 1 }
    if let byte = peek(), byte.isASCIILetter || byte == 0x5F {
      throw Fault(at: start, "a number may end with K, M or G, and with nothing else")
    }
    let (shifted, tooBig) = value.multipliedReportingOverflow(by: 1 << shift)
    guard !overflows, !tooBig, shifted <= UInt64(Int64.max) else {
      throw Fault(at: start, "the number is too large")
    }
    return shifted
  }

  /// A quoted string: a backslash stands for the character behind it.
  private mutating func quoted() throws(Fault) -> [UInt8] {
    let start = position
    position += 1
    var text: [UInt8] = []
    while var byte = peek() {
      if byte == .quote {
        position += 1
        return text
      }
      if byte == .backslash {
        position += 1
        guard let escaped = peek() else { break }
        byte = escaped
      }
      try append(byte, to: &text)
    }
    throw Fault(at: start, "this string has no end")
  }

  /// The lines between `text:` and a line with a dot alone; a leading dot that is doubled is single.
  private mutating func multiLine(from start: Int) throws(Fault) -> [UInt8] {
    while let byte = peek(), byte.isBlank { position += 1 }
    if peek() == 0x23 { skipLine() }
    if peek() == .cr { position += 1 }
    guard peek() == .lf else {
      throw Fault(at: position, "after 'text:' the line must end")
    }
    position += 1
    var text: [UInt8] = []
    while position < script.count {
      if peek() == 0x2E {
        position += 1
        if endsLine() { return text }
        // RFC 5228 §2.4.2: a dot before anything but a dot stands for itself.
        if peek() != 0x2E { text.append(0x2E) }
      }
      while let byte = peek() {
        try append(byte, to: &text)
        if byte == .lf { break }
      }
    }
    throw Fault(at: start, "this text has no line with a dot alone, which would end it")
  }

  /// Passes over the end of the line if it comes next; the end of the script is one.
  private mutating func endsLine() -> Bool {
    if peek() == .lf || peek() == nil {
      position += 1
      return true
    }
    guard peek() == .cr, peek(1) == .lf || peek(1) == nil else { return false }
    position += 2
    return true
  }

  /// Takes the next byte into a string.
  private mutating func append(_ byte: UInt8, to text: inout [UInt8]) throws(Fault) {
    switch byte {
    case 0: throw Fault(at: position, "a script must not contain NUL")
    case .cr where peek(1) != .lf: text.append("\r\n")
    case .cr: break
    case .lf: text.append("\r\n")
    default: text.append(byte)
    }
    position += 1
  }
}
