import Bytes

/// The lexical tokens that structured fields share (RFC 5322 §3.2), read without ever failing.
extension ByteReader {
  /// Skips white space and line breaks, folded or not.
  mutating func skipWhitespace() {
    _ = take { $0.isFieldSpace }
  }

  /// Skips white space and comments.
  mutating func skipCFWS() {
    skipWhitespace()
    while next == 0x28 {
      _ = comment()
      skipWhitespace()
    }
  }

  /// The text of the comment that starts here, without its outer parentheses.
  ///
  /// An open one reaches to the end.
  mutating func comment() -> [UInt8] {
    var text: [UInt8] = []
    var depth = 0
    while let byte = next {
      skip(1)
      if byte == .backslash, let escaped = next {
        skip(1)
        text.append(escaped)
        continue
      }
      if byte == 0x28 { depth += 1 }
      if byte == 0x29 { depth -= 1 }
      if depth == 0 { return text }
      let isOuter = byte == 0x28 && depth == 1
      if !isOuter, byte != .cr, byte != .lf { text.append(byte) }
    }
    return text
  }

  /// The text of the quoted string that starts here, escapes and folds resolved.
  ///
  /// An open one reaches to the end.
  mutating func quotedString() -> [UInt8] {
    var text: [UInt8] = []
    skip(1)
    while let byte = next {
      skip(1)
      if byte == .quote { return text }
      if byte == .backslash, let escaped = next {
        skip(1)
        text.append(escaped)
      } else if byte != .cr, byte != .lf {
        text.append(byte)
      }
    }
    return text
  }

  /// Whether a quoted string that starts here has an end.
  func closesQuote() -> Bool {
    var index = position + 1
    while index < bytes.count {
      if bytes[index] == .quote { return true }
      index += bytes[index] == .backslash ? 2 : 1
    }
    return false
  }

  /// A token of RFC 2045 §5.1, widened to all that does not delimit.
  mutating func token() -> Range<Int> {
    take { !$0.isFieldSpace && !$0.delimitsToken }
  }
}

extension UInt8 {
  /// Whether this is a space, a tab or part of a line break.
  var isFieldSpace: Bool { self == .space || self == .tab || self == .cr || self == .lf }

  /// Whether this ends a token of `Content-Type` and its like.
  ///
  /// Of RFC 2045's `tspecials` only those that delimit here; the others are met in real tokens.
  var delimitsToken: Bool {
    switch self {
    case 0x22, 0x28, 0x29, 0x2C, 0x2F, 0x3B, 0x3D: true
    default: false
    }
  }
}

extension String {
  /// Text of header bytes that need no decoding: UTF-8 or else windows-1252, without NUL.
  init(headerBytes bytes: Span<UInt8>) {
    if bytes.firstIndex(of: 0) == nil {
      self = Charset.guess(bytes).text
      return
    }
    let kept = bytes.array.filter { $0 != 0 }
    self = Charset.guess(kept.span).text
  }

  /// The text in ASCII lower case of token bytes.
  init(lowercasing bytes: Span<UInt8>) {
    var lower = bytes.array
    for index in lower.indices { lower[index] = lower[index].asciiLowercased }
    self.init(headerBytes: lower.span)
  }
}
