import Bytes

/// How the end of a response's body is told (RFC 9112 §6.3).
package enum ResponseFraming: Equatable, Sendable {
  /// No body, and no word about its length: 204, 304, or HEAD where nobody counted.
  case none
  /// `Content-Length`.
  case length(Int)
  /// `Transfer-Encoding: chunked`.
  case chunked
  /// By closing the connection: for HTTP/1.0, which knows no chunks.
  case untilClose
}

/// A response that must not be sent, because its fields would break its framing.
package enum HTTPEncodingError: Error, Equatable, Sendable {
  /// A field name is not a token.
  case badFieldName
  /// A field value holds CR, LF, NUL or another control character.
  case badFieldValue
}

/// Writes responses.
package enum ResponseEncoder {
  /// The status line, the fields and the empty line.
  ///
  /// Fields that frame the message or that the server owns are left out of `fields` and written from the
  /// other arguments: `closes` says whether the connection closes after this response, `version` is that
  /// of the request and decides how this is said, and `date` is the value of the `Date` field.
  package static func head(
    _ status: HTTPStatus,
    fields: HTTPFields,
    framing: ResponseFraming,
    closes: Bool,
    version: HTTPVersion,
    date: [UInt8]
  ) throws(HTTPEncodingError) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(160 + fields.bytes.count + 4 * fields.count)
    output.append("HTTP/1.1 ")
    output.append(decimal: status.rawValue)
    output.append(.space)
    output.append(status.reasonPhrase)
    output.append("\r\nDate: ")
    output.append(contentsOf: date)
    try append(fields, to: &output)
    appendFraming(framing, to: &output)
    if closes {
      output.append("\r\nConnection: close")
    } else if version == .http10 {
      output.append("\r\nConnection: keep-alive")
    }
    output.append("\r\n\r\n")
    return output
  }

  /// `bytes`, which must not be empty, as one chunk.
  package static func chunk(_ bytes: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + 20)
    output.append(text: String(bytes.count, radix: 16))
    output.append("\r\n")
    output.append(contentsOf: bytes)
    output.append("\r\n")
    return output
  }

  /// The chunk that ends a body, with an empty trailer section.
  package static var lastChunk: [UInt8] { [0x30, .cr, .lf, .cr, .lf] }

  /// The interim response that a client waits for before it sends its body.
  package static var continueResponse: [UInt8] { Array("HTTP/1.1 100 Continue\r\n\r\n".utf8) }

  private static func append(
    _ fields: HTTPFields,
    to output: inout [UInt8]
  ) throws(HTTPEncodingError) {
    let span = fields.bytes.span
    for entry in fields.entries {
      let name = span.extracting(entry.name)
      let value = span.extracting(entry.value)
      if isOwned(name) { continue }
      guard !name.isEmpty, all(name, { $0.isTokenByte }) else { throw .badFieldName }
      guard all(value, { $0.isFieldValueByte }) else { throw .badFieldValue }
      output.append("\r\n")
      output.append(name)
      output.append(": ")
      output.append(value)
    }
  }

  private static func appendFraming(_ framing: ResponseFraming, to output: inout [UInt8]) {
    switch framing {
    case .none, .untilClose:
      break
    case .length(let count):
      output.append("\r\nContent-Length: ")
      output.append(decimal: count)
    case .chunked:
      output.append("\r\nTransfer-Encoding: chunked")
    }
  }

  /// Whether a field is written from other arguments.
  private static func isOwned(_ name: Span<UInt8>) -> Bool {
    switch name.count {
    case 4: name.equalsIgnoringCase("date")
    case 10: name.equalsIgnoringCase("connection")
    case 14: name.equalsIgnoringCase("content-length")
    case 17: name.equalsIgnoringCase("transfer-encoding")
    default: false
    }
  }

  private static func all(_ bytes: Span<UInt8>, _ condition: (UInt8) -> Bool) -> Bool {
    for index in 0..<bytes.count where !condition(bytes[index]) { return false }
    return true
  }
}
