import Bytes

/// A message to be written as RFC 5322 and MIME have it.
///
/// Pure: the date, the message ID and the randomness of the boundaries come from the caller. There is
/// no Bcc: whom a message goes to beside its header is the envelope's business.
package struct MessageBuilder: Sendable {
  /// A header field of the caller's own.
  package struct ExtraField: Hashable, Sendable {
    /// The field name.
    package var name: String
    /// The body as text; what is not ASCII is written in encoded words.
    package var value: String

    /// A field of a name and a text.
    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// Content that goes along with the text.
  package struct Attachment: Sendable {
    /// The file name; any characters but CR, LF and NUL.
    package var name: String?
    /// The media type with its parameters, such as `image/png`.
    package var contentType: ContentType
    /// What the HTML calls it by (`cid:…`), without brackets.
    package var contentID: String?
    /// Whether it is shown in place, not offered for saving.
    package var isInline: Bool
    /// The content as it is.
    package var content: [UInt8]

    /// An attachment; one that is inline and has a content ID belongs to the HTML.
    package init(
      name: String?,
      contentType: ContentType,
      contentID: String? = nil,
      isInline: Bool = false,
      content: [UInt8]
    ) {
      self.name = name
      self.contentType = contentType
      self.contentID = contentID
      self.isInline = isInline
      self.content = content
    }
  }

  /// The authors; there must be one.
  package var from: [Address] = []
  /// Who sends it for the authors; the first author where there are several and this is nil.
  package var sender: Address?
  /// Where answers go, if not to the authors.
  package var replyTo: [Address] = []
  /// The primary recipients.
  package var to: [Address] = []
  /// The others.
  package var cc: [Address] = []
  /// The subject; nil leaves the field out.
  package var subject: String?
  /// When it was written.
  package var date: MIMEDate
  /// The message ID, without brackets.
  package var messageID: String
  /// What it answers, without brackets.
  package var inReplyTo: [String] = []
  /// The thread up to it, without brackets, oldest first.
  package var references: [String] = []
  /// Further fields, in order.
  package var extraFields: [ExtraField] = []
  /// The plain text; its line ends may be of any kind.
  package var text: String?
  /// The HTML.
  package var html: String?
  /// What goes along.
  package var attachments: [Attachment] = []

  /// A message that says nothing yet.
  package init(date: MIMEDate, messageID: String) {
    self.date = date
    self.messageID = messageID
  }

  /// Whether an address can only be written in UTF-8, so that only servers with RFC 6531 take it.
  package var needsSMTPUTF8: Bool {
    (from + replyTo + to + cc + [sender].compactMap(\.self)).contains { !$0.email.isASCII }
  }

  /// Whether `id`, without brackets, can stand in Message-ID, In-Reply-To and References.
  ///
  /// IDs taken from others' messages may be broken; a reply then better leaves them out.
  package static func isMessageID(_ id: String) -> Bool {
    !id.isEmpty && id.utf8.count <= 900
      && id.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3C && $0 != 0x3E }
  }

  /// The whole message, with CRLF line ends.
  package func build(boundarySeed: [UInt8]) throws(MessageBuildError) -> [UInt8] {
    var message: [UInt8] = []
    try write(boundarySeed: boundarySeed) { message.append(contentsOf: $0) }
    return message
  }

  /// Hands the message over in pieces, in order; everything is checked before the first one.
  ///
  /// `boundarySeed` is some random bytes, which the boundaries are made of.
  package func write(
    boundarySeed: [UInt8],
    to sink: ([UInt8]) -> Void
  ) throws(MessageBuildError) {
    var header = try header()
    let part = try bodyTree()
    let boundaries = Boundaries(seed: boundarySeed, avoiding: part)
    header.append("MIME-Version: 1.0\r\n")
    sink(header)
    var writer = PartWriter(boundaries: boundaries)
    writer.write(part, to: sink)
  }
}
