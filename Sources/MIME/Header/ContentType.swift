import Bytes

/// The value of a `Content-Type` field (RFC 2045 §5.1).
package struct ContentType: Hashable, Sendable {
  /// The top-level type in lower case, such as `text` or `multipart`.
  package var type: String
  /// The subtype in lower case, such as `plain` or `mixed`.
  package var subtype: String
  /// The parameters in the order they come.
  package var parameters: [MIMEParameter]

  /// A content type of lower-case names.
  package init(_ type: String, _ subtype: String, _ parameters: [MIMEParameter] = []) {
    self.type = type
    self.subtype = subtype
    self.parameters = parameters
  }

  /// The content type that a field body spells; nil where it names no type and subtype.
  ///
  /// A known top-level type alone, as in `Content-Type: text`, gets its usual subtype.
  package init?(parsing bytes: Span<UInt8>) {
    var reader = ByteReader(bytes)
    reader.skipCFWS()
    type = String(lowercasing: reader.slice(reader.token()))
    reader.skipCFWS()
    subtype = ""
    if reader.consume(0x2F) {
      reader.skipCFWS()
      subtype = String(lowercasing: reader.slice(reader.token()))
    }
    if subtype.isEmpty, let usual = Self.usualSubtypes[type] { subtype = usual }
    guard !type.isEmpty, !subtype.isEmpty else { return nil }
    parameters = [MIMEParameter](parsing: &reader)
  }

  private static let usualSubtypes = [
    "text": "plain", "multipart": "mixed", "message": "rfc822",
    "application": "octet-stream",
  ]

  /// The type without parameters, as in `text/plain`.
  package var mediaType: String { "\(type)/\(subtype)" }

  /// The charset parameter as written.
  package var charset: String? { parameters["charset"] }

  /// The boundary of a multipart.
  package var boundary: String? { parameters["boundary"] }

  /// The `name` parameter, an older place of the file name.
  package var name: String? { parameters["name"] }
}
