import Bytes

/// The character classes of RFC 9110 §5.6.2 and §5.5, and RFC 9112 §3.
extension UInt8 {
  /// Whether this may stand in a token: a letter, a digit, or one of ``!#$%&'*+-.^_`|~``.
  var isTokenByte: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5A, 0x5E...0x7A: true
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x7C, 0x7E: true
    default: false
    }
  }

  /// Whether this may stand in a field value: anything but a control character other than tab.
  var isFieldValueByte: Bool { self >= 0x20 ? self != 0x7F : self == .tab }

  /// Whether this may stand in a request target.
  ///
  /// Bytes above ASCII and the few characters that RFC 3986 leaves out (`|`, `"`) are let through, as
  /// browsers send them; blanks and control characters, which could split the line, are not.
  var isTargetByte: Bool { self > 0x20 && self != 0x7F }
}

extension ByteReader {
  /// Consumes one field line and its CRLF: `field-name ":" OWS field-value OWS CRLF` (RFC 9112 §5).
  ///
  /// Refused are the ways in which two parsers could disagree about where a field ends: a folded line,
  /// a blank before the colon, a bare CR or LF, a control character.
  mutating func requireFieldLine() throws(HTTPProtocolError) -> HTTPFields.Entry {
    let name = take(while: { $0.isTokenByte })
    guard !name.isEmpty else {
      if next?.isBlank == true { throw HTTPProtocolError(400, "A field line is folded.") }
      throw HTTPProtocolError(400, "A field line has no name.")
    }
    guard consume(0x3A) else {
      throw HTTPProtocolError(400, "A field name is not followed by a colon.")
    }
    let value = take(while: { $0.isFieldValueByte })
    guard consume(.cr), consume(.lf) else {
      throw HTTPProtocolError(400, "A field value holds a control character or a bare line end.")
    }
    let trimmed = slice(value).trimmingBlanks
    let start = value.lowerBound
    return HTTPFields.Entry(
      name: name,
      value: (start + trimmed.lowerBound)..<(start + trimmed.upperBound)
    )
  }
}
