/// Something in a message that breaks its RFC, which the parser read all the same.
package struct Defect: Hashable, Sendable {
  /// What is wrong.
  package enum Kind: String, Hashable, Sendable {
    /// A line of a header is neither a field nor a continuation.
    case malformedHeaderLine
    /// The header ends at the end of the data or at a boundary, without an empty line.
    case unterminatedHeader
    /// `Content-Type` can't be read: the part is taken as plain text.
    case malformedContentType
    /// A multipart names no boundary: it is kept as a leaf.
    case missingBoundaryParameter
    /// The boundary of a multipart never comes: it is kept as a leaf.
    case missingStartBoundary
    /// The closing boundary of a multipart never comes.
    case missingEndBoundary
    /// A multipart has a transfer encoding that it must not have (RFC 2045 §6.4).
    case encodedMultipart
    /// `Content-Transfer-Encoding` is unknown: the content is kept as it is.
    case unknownTransferEncoding
    /// Base64 text has bytes outside the alphabet, or ends in the middle of a group.
    case malformedBase64
    /// Quoted-printable text has an escape that is none.
    case malformedQuotedPrintable
    /// Uuencoded text has no `begin` or no `end`, or a line shorter than it says.
    case malformedUUEncode
    /// The charset is unknown: the text was read as UTF-8 or windows-1252.
    case unknownCharset
    /// Text has bytes that its charset does not.
    case malformedText
    /// The message nests deeper than `MIMELimits.depth`.
    case tooDeep
    /// The message has more parts than `MIMELimits.parts`.
    case tooManyParts
    /// A header is larger than `MIMELimits.headerFields` or `headerBytes` allow.
    case headerTooLarge
    /// An embedded message is larger than `MIMELimits.embeddedBytes` allows.
    case embeddedMessageTooLarge
  }

  /// What is wrong.
  package var kind: Kind
  /// The id of the part that has the defect.
  package var part: Int

  /// A defect of one part.
  package init(_ kind: Kind, part: Int) {
    self.kind = kind
    self.part = part
  }
}
