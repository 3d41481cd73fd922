import Bytes

/// A parameter of a structured field, such as `charset=utf-8`, decoded.
package struct MIMEParameter: Hashable, Sendable {
  /// The name in lower case, without RFC 2231's `*` suffixes.
  package var name: String
  /// The value, decoded.
  package var value: String

  /// A parameter of a lower-case name and a decoded value.
  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

extension [MIMEParameter] {
  /// The value of the first parameter of this lower-case name.
  package subscript(_ name: String) -> String? {
    first { $0.name == name }?.value
  }

  /// The parameters that stand in `reader` from here on (RFC 2045 §5.1, RFC 2231).
  ///
  ///     ; filename*0*=utf-8''Gr%C3%BC; filename*1=sse.txt
  ///
  /// Leniencies, each from mail that is met: missing and doubled semicolons, unquoted file names
  /// with blanks, encoded words of RFC 2047 in values, percent-encoding without a charset, and
  /// continuations out of order. Of `x` and `x*` the second wins, for it says more.
  init(parsing reader: inout ByteReader) {
    var pieces: [Piece] = []
    let mostPieces = 500
    while pieces.count < mostPieces, let piece = reader.parameterPiece() { pieces.append(piece) }
    self = Self.joined(pieces)
  }

  private static func joined(_ pieces: [Piece]) -> [MIMEParameter] {
    var order: [String] = []
    var groups: [String: [Piece]] = [:]
    for piece in pieces {
      if groups[piece.name] == nil { order.append(piece.name) }
      groups[piece.name, default: []].append(piece)
    }
    return order.compactMap { name in
      groups[name].map { MIMEParameter(name, Piece.value(of: $0)) }
    }
  }
}

/// A parameter as written: perhaps one section of a continued value.
private struct Piece {
  /// The name in lower case without suffixes.
  var name: String
  /// The number of the section (RFC 2231 §3).
  var section: Int?
  /// Whether the value is percent-encoded (RFC 2231 §4).
  var isExtended: Bool
  var value: [UInt8]

  init(name written: Span<UInt8>, value: [UInt8]) {
    var reader = ByteReader(written)
    name = String(lowercasing: reader.slice(reader.take(upTo: 0x2A)))
    self.value = value
    section = nil
    isExtended = false
    guard reader.consume(0x2A) else { return }
    section = reader.number().flatMap { Int(exactly: $0) }
    isExtended = section == nil || reader.consume(0x2A)
  }

  /// The value that the pieces of one name give together.
  static func value(of pieces: [Piece]) -> String {
    if let whole = pieces.first(where: { $0.isExtended && $0.section == nil }) {
      return joined([whole])
    }
    let sections = pieces.filter { $0.section != nil }
    if sections.isEmpty { return pieces.first.map { EncodedWords.decode($0.value.span) } ?? "" }
    return joined(sections.sorted { ($0.section ?? 0) < ($1.section ?? 0) })
  }

  private static func joined(_ sections: [Piece]) -> String {
    var charset: String?
    var bytes: [UInt8] = []
    for (index, section) in sections.enumerated() {
      var text = section.value
      if index == 0, section.isExtended { charset = removeCharset(from: &text) }
      bytes += section.isExtended ? unescaped(text.span) : text
    }
    guard let charset, !charset.isEmpty else { return EncodedWords.decode(bytes.span) }
    let decoded = Charset.decode(bytes.span, charset: charset).text
    return String(String.UnicodeScalarView(decoded.unicodeScalars.filter { $0 != "\0" }))
  }

  /// Cuts `charset'language'` off the front of a value; nil where it is not there.
  private static func removeCharset(from value: inout [UInt8]) -> String? {
    guard let first = value.firstIndex(of: 0x27),
      let second = value[(first + 1)...].firstIndex(of: 0x27)
    else { return nil }
    let charset = value[..<first].map(\.asciiLowercased)
    value.removeFirst(second + 1)
    return String(headerBytes: charset.span)
  }

  /// Percent-decodes; an escape that is none stays as written.
  private static func unescaped(_ text: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == 0x25, index + 2 < text.count, let high = text[index + 1].hexValue,
        let low = text[index + 2].hexValue
      {
        output.append(high << 4 | low)
        index += 3
      } else {
        output.append(text[index])
        index += 1
      }
    }
    return output
  }
}

extension ByteReader {
  /// The next `name=value`, whatever stands before it; nil where there is no more.
  fileprivate mutating func parameterPiece() -> Piece? {
    while !isAtEnd {
      skipCFWS()
      let name = token()
      skipCFWS()
      if name.isEmpty || next != 0x3D {
        if name.isEmpty { skip(1) }
        continue
      }
      skip(1)
      skipCFWS()
      let value = next == .quote ? quotedString() : unquotedValue(of: slice(name))
      return Piece(name: slice(name), value: value)
    }
    return nil
  }

  /// A value without quotes: a token, or for file names all up to the semicolon.
  private mutating func unquotedValue(of name: Span<UInt8>) -> [UInt8] {
    let isFileName =
      name.equalsIgnoringCase("name") || name.equalsIgnoringCase("filename")
    let range = take { byte in
      byte != 0x3B && (isFileName ? byte != .cr && byte != .lf : !byte.isFieldSpace)
    }
    let text = slice(range)
    return text.extracting(text.trimmingBlanks).array
  }
}
