import Bytes
package import MIME

/// Changes of a header (RFC 5293): whatever they do not concern stays byte for byte.
extension HeaderFields {
  /// The fields as they stand, the empty line behind them left out.
  package var fieldBytes: [UInt8] { [UInt8](bytes[fieldRange]) }

  /// Where the fields stand, up to the end of the last one's line.
  private var fieldRange: Range<Int> {
    guard let first = fields.first, let last = fields.last else { return 0..<0 }
    return first.name.lowerBound..<Self.lineEnd(behind: last.body.upperBound, in: bytes.span)
  }

  /// The header with one more field, above all others or with `isLast` below them (RFC 5293 §4).
  package func adding(_ name: String, _ value: String, isLast: Bool = false) -> HeaderFields {
    var header = fieldBytes
    let hasCR = header.contains(.cr) || header.isEmpty
    var line = formatField(name, text: value)
    if !hasCR { line.removeAll { $0 == .cr } }
    if let last = header.last, last != .lf { header += hasCR ? [.cr, .lf] : [.lf] }
    return HeaderFields(parsing: isLast ? header + line : line + header)
  }

  /// The header without some of its fields (RFC 5293 §5).
  package func removing(_ doomed: [HeaderField]) -> HeaderFields {
    var kept: [UInt8] = []
    var position = fieldRange.lowerBound
    for field in doomed.sorted(by: { $0.name.lowerBound < $1.name.lowerBound }) {
      kept += bytes[position..<field.name.lowerBound]
      position = Self.lineEnd(behind: field.body.upperBound, in: bytes.span)
    }
    return HeaderFields(parsing: kept + bytes[position..<fieldRange.upperBound])
  }

  /// Whether fields of this name, in lower case, must stay: they keep mail from going round and round (RFC 5293 §6), or
  /// tell what was there before (RFC 5703 §5).
  package static func mustStay(_ name: String) -> Bool {
    ["received", "auto-submitted", "original-subject", "original-from"].contains(name)
  }

  /// The offset behind the line break that follows `offset`.
  private static func lineEnd(behind offset: Int, in bytes: Span<UInt8>) -> Int {
    (bytes.firstIndex(of: .lf, from: offset) ?? bytes.count - 1) + 1
  }
}

extension ParsedMessage {
  /// The message with another header, of which the rest stays byte for byte; nil where its header is longer than was read.
  package func message(with header: HeaderFields) -> [UInt8]? {
    guard !defects.contains(where: { $0.kind == .headerTooLarge }), let root = parts.first else {
      return nil
    }
    var bytes = header.fieldBytes
    let lineBreak: [UInt8] = bytes.contains(.cr) || bytes.isEmpty ? [.cr, .lf] : [.lf]
    if let last = bytes.last, last != .lf { bytes += lineBreak }
    return bytes + lineBreak + self.bytes[root.headerRange.upperBound...]
  }
}
