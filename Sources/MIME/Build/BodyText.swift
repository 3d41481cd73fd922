import Bytes

/// A text body with CRLF line ends, and the transfer encoding that suits it (RFC 2045 §6).
struct BodyText {
  /// The text in UTF-8.
  let bytes: [UInt8]
  /// 7bit where every server takes it as it is; else whichever of the other two is shorter.
  let encoding: TransferEncoding

  init(_ text: String) {
    let bytes = Self.normalised(Array(text.utf8))
    self.bytes = bytes
    var longest = 0
    var column = 0
    var escapes = 0
    var isPlain = true
    for byte in bytes {
      if byte == .lf {
        column = 0
        continue
      }
      column += 1
      longest = max(longest, column)
      let isText = (byte >= 0x20 && byte < 0x7F) || byte == .tab || byte == .cr
      if !isText { isPlain = false }
      if !isText || byte == 0x3D { escapes += 1 }
    }
    if isPlain, longest <= 998 {
      encoding = .sevenBit
    } else {
      // Soft breaks cost about one byte in 25.
      let quoted = (bytes.count + 2 * escapes) * 26 / 25
      encoding = quoted <= bytes.count / 3 * 4 * 39 / 38 + 16 ? .quotedPrintable : .base64
    }
  }

  /// Every CR, LF and CRLF as CRLF.
  static func normalised(_ bytes: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + bytes.count / 32)
    var previous: UInt8 = 0
    for byte in bytes {
      switch byte {
      case .lf where previous == .cr: break
      case .cr, .lf: output.append("\r\n")
      default: output.append(byte)
      }
      previous = byte
    }
    return output
  }
}

/// Writes quoted-printable (RFC 2045 §6.7) of a text with CRLF line ends.
enum QuotedPrintableText {
  /// The columns of a line, its soft break included.
  private static let width = 76

  static func encode(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 8)
    var column = 0
    for (index, byte) in text.enumerated() {
      if byte == .cr { continue }
      if byte == .lf {
        output.append("\r\n")
        column = 0
        continue
      }
      let endsLine = index + 1 == text.count || text[index + 1] == .cr
      let isPlain = isPlain(byte, isAtStart: column == 0, endsLine: endsLine)
      let length = isPlain ? 1 : 3
      // The last column is the soft break's, unless the line ends here anyway.
      if column + length > (endsLine ? width : width - 1) {
        output.append("=\r\n")
        column = 0
      }
      if isPlain { output.append(byte) } else { output.appendEscape(0x3D, byte) }
      column += length
    }
    return output
  }

  /// Whether the byte may stand as it is.
  ///
  /// White space at the end of a line would be lost; a dot, or the F of `From `, at its start is what
  /// careless software changes.
  private static func isPlain(_ byte: UInt8, isAtStart: Bool, endsLine: Bool) -> Bool {
    if byte == .space || byte == .tab { return !endsLine }
    if isAtStart, byte == 0x2E || byte == 0x46 { return false }
    return byte > 0x20 && byte < 0x7F && byte != 0x3D
  }
}

/// Writes base64 in lines of 76 columns (RFC 2045 §6.8), chunk by chunk.
package struct Base64LineEncoder: Sendable {
  /// How many bytes a line holds.
  private static let lineBytes = 57
  private var held: [UInt8] = []

  /// An encoder at the start of the content.
  package init() {}

  /// Appends the lines that the next bytes complete.
  package mutating func encode(_ chunk: Span<UInt8>, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + (chunk.count / 57 + 2) * 78)
    var position = 0
    if !held.isEmpty {
      position = min(Self.lineBytes - held.count, chunk.count)
      held.append(chunk.extracting(0..<position))
      guard held.count == Self.lineBytes else { return }
      Self.line(held.span, into: &output)
      held.removeAll(keepingCapacity: true)
    }
    while position + Self.lineBytes <= chunk.count {
      Self.line(chunk.extracting(position..<position + Self.lineBytes), into: &output)
      position += Self.lineBytes
    }
    held.append(chunk.extracting(position..<chunk.count))
  }

  /// Appends what is left.
  package mutating func finish(into output: inout [UInt8]) {
    if !held.isEmpty { Self.line(held.span, into: &output) }
    held = []
  }

  private static func line(_ bytes: Span<UInt8>, into output: inout [UInt8]) {
    output.append(contentsOf: Base64.standard.encode(bytes))
    output.append("\r\n")
  }
}
