/// A part of a message's body structure: the `EmailBodyPart` of RFC 8621 §4.1.4.
///
/// It comes from a parsed message or from a server's BODYSTRUCTURE. Embedded messages are leaves.
package struct BodyPart: Hashable, Sendable {
  /// The IMAP section number, such as `1.2`; nil exactly where the part is a multipart.
  package var partID: String?
  /// Bytes of content: decoded where `isSizeDecoded`, else as transferred.
  package var size: Int
  /// Whether `size` counts decoded bytes: a BODYSTRUCTURE can tell only the transferred ones.
  package var isSizeDecoded: Bool
  /// The file name, decoded.
  package var name: String?
  /// The media type in lower case, as in `text/plain`.
  package var type: String
  /// The charset of a text part as its field names it, or the implicit one.
  package var charset: String?
  /// The transfer encoding.
  package var transferEncoding: TransferEncoding
  /// The disposition in lower case, such as `inline` or `attachment`.
  package var disposition: String?
  /// The content ID without brackets.
  package var contentID: String?
  /// The language tags.
  package var language: [String]?
  /// The content location.
  package var location: String?
  /// The children of a multipart; nil for any other part.
  package var subParts: [BodyPart]?
  /// Where the encoded content stands in the message's bytes; nil where they are not here.
  package var range: Range<Int>?

  /// A part; all that is optional may be left out.
  package init(
    partID: String?,
    type: String,
    size: Int = 0,
    isSizeDecoded: Bool = false,
    name: String? = nil,
    charset: String? = nil,
    transferEncoding: TransferEncoding = .sevenBit,
    disposition: String? = nil,
    contentID: String? = nil,
    language: [String]? = nil,
    location: String? = nil,
    subParts: [BodyPart]? = nil
  ) {
    self.partID = partID
    self.size = size
    self.isSizeDecoded = isSizeDecoded
    self.name = name
    self.type = type
    self.charset = charset
    self.transferEncoding = transferEncoding
    self.disposition = disposition
    self.contentID = contentID
    self.language = language
    self.location = location
    self.subParts = subParts
  }

  /// The parts that have no parts of their own, in their order.
  package var leaves: [BodyPart] { subParts.map { $0.flatMap(\.leaves) } ?? [self] }

  /// Whether the part has parts of its own.
  package var isMultipart: Bool { type.hasPrefix("multipart/") }
}
