import Bytes

/// A request target that cannot be read.
package enum HTTPTargetError: Error, Equatable, Sendable {
  /// A `%` is not followed by two hexadecimal digits.
  case badEscape
  /// What the escapes spell is not UTF-8, or holds NUL.
  case badText
}

/// The parts of a request target: `/a/b%20c?x=1#f`, `http://host/a?x=1`, or `*`.
extension RequestHead {
  /// The path as it was written, escapes and all; "/" where an absolute form has none.
  package var path: String {
    let range = targetParts.path
    return range.isEmpty ? "/" : String(utf8: fields.bytes.span.extracting(range))
  }

  /// The segments between the slashes of the path, each percent-decoded: `/a/b%2Fc/` is `a`, `b/c`
  /// and an empty one; `/` is none.
  package var segments: [String] {
    get throws(HTTPTargetError) {
      let range = targetParts.path
      var reader = ByteReader(fields.bytes.span.extracting(range))
      var found: [String] = []
      guard reader.consume(0x2F), !reader.isAtEnd else { return found }
      while true {
        found.append(try decoded(reader.slice(reader.take(upTo: 0x2F)), plusIsSpace: false))
        guard reader.consume(0x2F) else { return found }
      }
    }
  }

  /// The parameters of the query in order, decoded as forms write them (`+` is a space).
  package var query: [(name: String, value: String)] {
    get throws(HTTPTargetError) {
      guard let range = targetParts.query else { return [] }
      var reader = ByteReader(fields.bytes.span.extracting(range))
      var found: [(name: String, value: String)] = []
      while !reader.isAtEnd {
        let item = reader.slice(reader.take(upTo: 0x26))
        reader.skip(1)
        guard !item.isEmpty else { continue }
        let equals = item.firstIndex(of: 0x3D) ?? item.count
        let name = try decoded(item.extracting(0..<equals), plusIsSpace: true)
        let rest = min(equals + 1, item.count)..<item.count
        found.append((name, try decoded(item.extracting(rest), plusIsSpace: true)))
      }
      return found
    }
  }

  /// Where path and query stand in the bytes of the head; a fragment, which no client should send, is
  /// left out.
  private var targetParts: (path: Range<Int>, query: Range<Int>?) {
    let span = fields.bytes.span
    var start = targetRange.lowerBound
    var end = targetRange.upperBound
    if start < end, span[start] != 0x2F {
      start = pathStartOfAbsoluteForm(span)
    }
    if let fragment = span.firstIndex(of: 0x23, from: start), fragment < end { end = fragment }
    guard let mark = span.firstIndex(of: 0x3F, from: start), mark < end else {
      return (start..<end, nil)
    }
    return (start..<mark, (mark + 1)..<end)
  }

  /// Where the path, or the query where there is none, begins after `scheme://authority`.
  private func pathStartOfAbsoluteForm(_ span: Span<UInt8>) -> Int {
    let end = targetRange.upperBound
    guard let colon = span.firstIndex(of: 0x3A, from: targetRange.lowerBound), colon + 2 < end,
      span[colon + 1] == 0x2F, span[colon + 2] == 0x2F
    else { return targetRange.lowerBound }
    var index = colon + 3
    while index < end, span[index] != 0x2F, span[index] != 0x3F, span[index] != 0x23 { index += 1 }
    return index
  }

  private func decoded(
    _ text: Span<UInt8>,
    plusIsSpace: Bool
  ) throws(HTTPTargetError) -> String {
    guard let bytes = PercentCoding.decode(text, plusIsSpace: plusIsSpace) else { throw .badEscape }
    guard bytes.span.firstIndex(of: 0) == nil, let valid = try? UTF8Span(validating: bytes.span)
    else { throw .badText }  // The reason and place of ill-formed UTF-8 help nobody here.
    return String(copying: valid)
  }
}
