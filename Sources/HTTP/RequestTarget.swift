import Bytes

/// A request target that cannot be read.
package enum HTTPTargetError: Error, Equatable, Sendable {
  /// A `%` is not followed by two hexadecimal digits.
  case badEscape
  /// It is not UTF-8, as it stands or as its escapes spell it.
  case notUTF8
  /// It holds U+0000.
  case nul

  /// What is wrong, as a person is told it, without a full stop.
  package var words: String {
    switch self {
    case .badEscape: "A % is not followed by two hexadecimal digits"
    case .notUTF8: "It is not UTF-8"
    case .nul: "U+0000 is not allowed"
    }
  }
}

/// A parameter of a query: `name=value`.
package struct QueryParameter: Equatable, Sendable {
  package let name: String
  /// The decoded text, or why there is none: whoever asks for the parameter can say so by its name.
  package let value: Result<String, HTTPTargetError>
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
        let segment = reader.slice(reader.take(upTo: 0x2F))
        found.append(try decoded(segment, plusIsSpace: false).get())
        guard reader.consume(0x2F) else { return found }
      }
    }
  }

  /// The parameters of the query in order, decoded as forms write them (`+` is a space).
  ///
  /// Only a name that cannot be read is thrown.
  package var query: [QueryParameter] {
    get throws(HTTPTargetError) {
      guard let range = targetParts.query else { return [] }
      var reader = ByteReader(fields.bytes.span.extracting(range))
      var found: [QueryParameter] = []
      while !reader.isAtEnd {
        let item = reader.slice(reader.take(upTo: 0x26))
        reader.skip(1)
        guard !item.isEmpty else { continue }
        let equals = item.firstIndex(of: 0x3D) ?? item.count
        let name = try decoded(item.extracting(0..<equals), plusIsSpace: true).get()
        let rest = min(equals + 1, item.count)..<item.count
        let value = decoded(item.extracting(rest), plusIsSpace: true)
        found.append(QueryParameter(name: name, value: value))
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
  ) -> Result<String, HTTPTargetError> {
    guard let bytes = PercentCoding.decode(text, plusIsSpace: plusIsSpace) else {
      return .failure(.badEscape)
    }
    guard let valid = try? UTF8Span(validating: bytes.span) else {
      return .failure(.notUTF8)  // The reason and place help nobody here.
    }
    guard bytes.span.firstIndex(of: 0) == nil else { return .failure(.nul) }
    return .success(String(copying: valid))
  }
}
