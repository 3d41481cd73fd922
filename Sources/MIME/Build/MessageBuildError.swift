/// What a caller gave that must not, or cannot, stand in a message; nothing was built.
///
/// A field is named by its place in the draft, such as `subject`, `to/1/email`, `attachments/0/name`.
package enum MessageBuildError: Error, Equatable, Sendable {
  /// The value holds CR, LF or NUL, which would end the field and begin another.
  case forbiddenCharacter(field: String)
  /// The value is no addr-spec (RFC 5322 §3.4.1).
  case invalidAddress(field: String)
  /// The value is no message ID, or content ID.
  case invalidMessageID(field: String)
  /// The name is no field name (RFC 5322 §2.2), or is one that the builder writes itself.
  case invalidFieldName(field: String)
  /// The value is no media type that a leaf may have (RFC 2045 §5.1).
  case invalidContentType(field: String)
  /// There is no author, which every message must have.
  case missingAuthor
}

extension String {
  /// Refuses what would end a header field.
  func checkForHeader(_ field: @autoclosure () -> String) throws(MessageBuildError) {
    for byte in utf8 where byte == 0x0D || byte == 0x0A || byte == 0 {
      throw .forbiddenCharacter(field: field())
    }
  }

  /// Whether every character is ASCII.
  var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }
}
