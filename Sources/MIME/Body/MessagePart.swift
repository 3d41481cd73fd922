import Bytes

/// One MIME entity of a message: its header, and where its content stands.
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
  /// The IMAP section number (RFC 9051 §6.4.5), such as `1.2`.
  ///
  /// Only leaves and embedded messages have one of their own: a multipart has that of its place,
  /// which is empty for the root and the message's for the root of an embedded one.
  package internal(set) var path: String
  /// The header.
  package let header: HeaderFields
  /// The content type, or the implicit one.
  package let contentType: ContentType
  /// The disposition.
  package let disposition: ContentDisposition?
  /// The transfer encoding.
  package let transferEncoding: TransferEncoding
  /// What the part holds.
  package internal(set) var content = Content.leaf
  /// The bytes that the ranges refer to: the message, or a transfer-decoded embedded one.
  package let source: [UInt8]
  /// Whether `source` is a decoded copy, so that offsets say nothing about the raw message.
  package let isInDecodedCopy: Bool
  /// Where the header stands in `source`, its empty line included.
  package let headerRange: Range<Int>
  /// Where the body stands in `source`.
  package internal(set) var bodyRange: Range<Int>

  init(
    id: Int,
    parent: Int?,
    path: String,
    header: HeaderFields,
    contentType: ContentType,
    source: [UInt8],
    isInDecodedCopy: Bool,
    headerRange: Range<Int>,
    bodyRange: Range<Int>
  ) {
    self.id = id
    self.parent = parent
    self.path = path
    self.header = header
    self.contentType = contentType
    self.source = source
    self.isInDecodedCopy = isInDecodedCopy
    self.headerRange = headerRange
    self.bodyRange = bodyRange
    disposition = header.contentDisposition
    transferEncoding = header.transferEncoding
  }

  /// The file name: of the disposition, or else of the content type (RFC 8621 §4.1.4 `name`).
  package var name: String? { disposition?.filename ?? contentType.name }

  /// The content ID without brackets.
  package var contentID: String? { header.contentID }

  /// Whether the part is text to read as such.
  package var isText: Bool { contentType.type == "text" }
}

/// The fields that MIME gives a meaning; of repeated ones the first counts.
extension HeaderFields {
  /// The content type; nil where there is none or it can't be read.
  package var contentType: ContentType? {
    first("content-type").flatMap { ContentType(parsing: bytes.span.extracting($0.body)) }
  }

  /// The disposition; nil where there is none or it can't be read.
  package var contentDisposition: ContentDisposition? {
    first("content-disposition").flatMap {
      ContentDisposition(parsing: bytes.span.extracting($0.body))
    }
  }

  /// The transfer encoding; `7bit` where there is none.
  package var transferEncoding: TransferEncoding {
    guard let field = first("content-transfer-encoding") else { return .sevenBit }
    var reader = ByteReader(bytes.span.extracting(field.body))
    reader.skipCFWS()
    if reader.next == .quote { reader.skip(1) }
    return TransferEncoding(name: String(lowercasing: reader.slice(reader.token())))
  }

  /// The content ID without brackets.
  package var contentID: String? {
    first("content-id").flatMap { MessageIDList.parse(bytes.span.extracting($0.body)).first }
  }

  /// The language tags (RFC 3282); nil where there are none.
  package var contentLanguage: [String]? {
    guard let field = first("content-language") else { return nil }
    var tags: [String] = []
    var reader = ByteReader(bytes.span.extracting(field.body))
    reader.skipCFWS()
    while !reader.isAtEnd {
      let tag = reader.token()
      if tag.isEmpty { reader.skip(1) } else { tags.append(String(headerBytes: reader.slice(tag))) }
      reader.skipCFWS()
    }
    return tags.isEmpty ? nil : tags
  }

  /// The content location (RFC 2557), folds removed.
  package var contentLocation: String? {
    guard let field = first("content-location") else { return nil }
    let uri = bytes[field.body].filter { $0 > .space }
    return uri.isEmpty ? nil : EncodedWords.decode(uri.span)
  }
}
