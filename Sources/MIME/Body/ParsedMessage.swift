/// A message taken apart: its parts in one flat array, with offsets into the bytes.
package struct ParsedMessage: Sendable {
  /// The whole message as it came.
  package let bytes: [UInt8]
  /// The parts, depth first; `parts[0]` is the message itself.
  package let parts: [MessagePart]
  /// What is wrong with the message.
  package let defects: [Defect]
}

/// One MIME entity of a message.
package struct MessagePart: Sendable {
  /// What a part holds.
  package enum Content: Hashable, Sendable {
    /// Content of its own.
    case leaf
    /// Parts, by id.
    case multipart([Int])
    /// An embedded message, by the id of its root part.
    case message(Int)
  }

  /// The index in `ParsedMessage.parts`.
  package let id: Int
  /// The id of the part around it; nil for the root.
  package let parent: Int?
  /// The IMAP section number (RFC 9051 §6.4.5), such as `1.2`; a multipart has that of its place.
  package let path: String
  /// The header.
  package let header: HeaderFields
  /// The content type, or the implicit one.
  package let contentType: ContentType
  /// The disposition.
  package let disposition: ContentDisposition?
  /// The transfer encoding.
  package let transferEncoding: TransferEncoding
  /// What the part holds.
  package let content: Content
  /// The bytes that the ranges refer to: the message, or a transfer-decoded embedded one.
  package let source: [UInt8]
  /// Whether `source` is a decoded copy, so that offsets say nothing about the raw message.
  package let isInDecodedCopy: Bool
  /// Where the header stands in `source`, its empty line included.
  package let headerRange: Range<Int>
  /// Where the body stands in `source`.
  package let bodyRange: Range<Int>
}
