import Bytes

/// Cuts a server's bytes into lines, the literals in them included, and lines into tokens (RFC 5804 §4).
///
///     S: "restante" ACTIVE␍␊
///     S: {21}␍␊                       a literal, and the line goes on behind it
///     S: keep;␍␊…
///     S: OK (WARNINGS) "as you like"␍␊
struct ManageSieveLineReader: Sendable {
  private let limits: ManageSieveLimits
  private var buffer: [UInt8] = []
  /// Where the next line starts.
  private var start = 0
  /// Up to where the line was looked at: behind its last literal.
  private var searched = 0

  init(limits: ManageSieveLimits) { self.limits = limits }

  /// Whether bytes are there that belong to no line that was taken.
  var isEmpty: Bool { start == buffer.count }

  /// Forgets all that was received, as STARTTLS demands.
  mutating func discard() { self = ManageSieveLineReader(limits: limits) }

  mutating func receive(_ bytes: [UInt8]) {
    let taken = start
    buffer.removeSubrange(..<taken)
    searched -= taken
    start = 0
    buffer.append(contentsOf: bytes)
  }

  /// The next line's tokens, and how many bytes it has; nil if more bytes are needed.
  mutating func next() throws(ManageSieveSyntaxError) -> (tokens: [ManageSieveToken], bytes: Int)? {
    while searched <= buffer.count {  // A literal may not have come whole yet.
      guard let end = buffer.span.firstIndex(of: .lf, from: searched) else { break }
      if let count = try literal(before: end) {
        searched = end + 1 + count
        guard searched - start <= limits.lineBytes else { throw tooLong }
        continue
      }
      let tokens = try tokens(start..<end + 1)
      let count = end + 1 - start
      start = end + 1
      searched = start
      return (tokens, count)
    }
    guard buffer.count - start <= limits.lineBytes else { throw tooLong }
    return nil
  }

  private func tokens(
    _ range: Range<Int>
  ) throws(ManageSieveSyntaxError) -> [ManageSieveToken] {
    let line = buffer.span.extracting(range)
    var reader = ByteReader(line)
    if let tokens = reader.manageSieveTokens(depth: 0) { return tokens }
    throw .malformed(start: String(utf8: line.extracting(0..<min(line.count, 40))))
  }

  private var tooLong: ManageSieveSyntaxError {
    .tooLong(limit: "\(limits.lineBytes) bytes in a line")
  }

  /// The length of the literal whose header ends at `end`; nil where none does.
  private func literal(before end: Int) throws(ManageSieveSyntaxError) -> Int? {
    let lineStart = searched
    var index = end - 1
    if index >= lineStart, buffer[index] == .cr { index -= 1 }
    guard index > lineStart, buffer[index] == 0x7D else { return nil }
    index -= 1
    if buffer[index] == 0x2B { index -= 1 }
    let last = index
    while index > lineStart, buffer[index].isASCIIDigit { index -= 1 }
    guard index < last, index >= lineStart, buffer[index] == 0x7B else { return nil }
    var reader = ByteReader(buffer.span.extracting(index + 1..<last + 1))
    guard let count = reader.number(), count <= UInt64(limits.lineBytes) else { throw tooLong }
    return Int(count)
  }
}

extension ByteReader {
  /// How deep parentheses nest at most.
  private static var deepest: Int { 8 }

  /// The tokens up to the end of the line or the closing parenthesis; nil where they are none.
  fileprivate mutating func manageSieveTokens(depth: Int) -> [ManageSieveToken]? {
    guard depth < Self.deepest else { return nil }
    var tokens: [ManageSieveToken] = []
    while let byte = next {
      switch byte {
      case .space, .tab, .cr, .lf: skip(1)
      case .quote:
        guard let text = manageSieveQuoted() else { return nil }
        tokens.append(.string(text))
      case 0x7B:
        guard let text = manageSieveLiteral() else { return nil }
        tokens.append(.string(text))
      case 0x28:
        skip(1)
        guard let inner = manageSieveTokens(depth: depth + 1), consume(0x29) else { return nil }
        tokens.append(.group(inner))
      case 0x29: return depth > 0 ? tokens : nil
      default:
        let range = take { $0 > .space && ![.quote, 0x28, 0x29, 0x7B].contains($0) }
        guard !range.isEmpty else { return nil }
        tokens.append(.atom(String(utf8: slice(range))))
      }
    }
    return depth == 0 ? tokens : nil
  }

  private mutating func manageSieveQuoted() -> [UInt8]? {
    skip(1)
    var text: [UInt8] = []
    while let byte = byte() {
      switch byte {
      case .quote: return text
      case .backslash:
        guard let escaped = self.byte() else { return nil }
        text.append(escaped)
      default: text.append(byte)
      }
    }
    return nil
  }

  private mutating func manageSieveLiteral() -> [UInt8]? {
    skip(1)
    guard let count = number() else { return nil }
    _ = consume(0x2B)
    guard consume(0x7D) else { return nil }
    _ = consume(.cr)
    guard consume(.lf), count <= UInt64(remaining) else { return nil }
    defer { skip(Int(count)) }
    return copy(position..<position + Int(count))
  }
}
