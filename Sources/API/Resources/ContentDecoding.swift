import Bytes
import Engine
import MIME
import Model

/// Reads what a caller composes, the members that drafts and submissions have in common.
struct OutgoingContent {
  /// Bounds on composed content.
  struct Limits {
    var recipients: Int
    var attachments = 100
    var headers = 100
    var references = 200
  }

  var message = ComposedMessage()
  /// The message that this answers, where it is named by its id.
  var answered: ID<Message>?
  /// Whether any member of content was there.
  var isEmpty: Bool

  private static let members = [
    "from", "to", "cc", "bcc", "replyTo", "subject", "text", "html", "headers", "attachments",
    "inReplyTo", "references",
  ]

  /// The content that `object` holds.
  init(_ object: inout ObjectDecoder, limits: Limits) {
    let faults = object.faults
    let decoder = object
    isEmpty = !Self.members.contains { decoder.has($0) }
    if var from = object.object("from") {
      message.from = [Self.address(&from)]
    }
    message.to = Self.addresses(&object, "to", limits)
    message.cc = Self.addresses(&object, "cc", limits)
    message.bcc = Self.addresses(&object, "bcc", limits)
    message.replyTo = Self.addresses(&object, "replyTo", limits)
    message.subject = object.string("subject", length: 0...2000)
    if let subject = message.subject {
      TextRules.checkLine(subject, at: object.pointer(to: "subject"), faults: faults)
    }
    message.text = object.string("text", length: 0...Int.max)
    message.html = object.string("html", length: 0...Int.max)
    readHeaders(&object, limits)
    readReferences(&object, limits)
    readAttachments(&object, limits)
  }

  private static func addresses(
    _ object: inout ObjectDecoder,
    _ name: String,
    _ limits: Limits
  ) -> [Address] {
    guard let items = object.array(name, count: 0...limits.recipients) else { return [] }
    let faults = object.faults
    return items.map { item in
      var decoder = ObjectDecoder(item.value, at: item.pointer, faults: faults)
      return address(&decoder)
    }
  }

  private static func address(_ object: inout ObjectDecoder) -> Address {
    let name = object.string("name", length: 0...998)
    let email = object.string("email", .required, length: 1...998)
    object.finish()
    if let name { TextRules.checkLine(name, at: object.pointer(to: "name"), faults: object.faults) }
    if let email {
      TextRules.checkAddress(email, at: object.pointer(to: "email"), faults: object.faults)
    }
    return Address(name: name, email: email ?? "")
  }

  private mutating func readHeaders(_ object: inout ObjectDecoder, _ limits: Limits) {
    let faults = object.faults
    for (pointer, value) in object.array("headers", count: 0...limits.headers) ?? [] {
      var item = ObjectDecoder(value, at: pointer, faults: faults)
      let name = item.string("name", .required, length: 1...76)
      let text = item.string("value", .required, length: 0...4000)
      item.finish()
      guard let name, let text else { continue }
      Self.checkFieldName(name, at: "\(pointer)/name", faults: faults)
      TextRules.checkLine(text, at: "\(pointer)/value", faults: faults)
      message.headers.append((name: name, value: text))
    }
  }

  /// Field names that have a member of their own or that only the service may write.
  private static let ownFields: Set<String> = [
    "from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to",
    "references", "mime-version", "received", "return-path",
  ]

  private static func checkFieldName(_ name: String, at pointer: String, faults: Faults) {
    let before = faults.value.count
    TextRules.checkLine(name, at: pointer, faults: faults)
    guard faults.value.count == before else { return }
    let isToken = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
    if !isToken {
      faults.addValue(pointer, .format, "Printable ASCII characters without a colon are wanted.")
    } else if ownFields.contains(name.lowercased()) || name.lowercased().hasPrefix("content-") {
      faults.addValue(pointer, .conflict, "This field is not set by headers.")
    }
  }

  private mutating func readReferences(_ object: inout ObjectDecoder, _ limits: Limits) {
    let faults = object.faults
    message.references =
      object.strings("references", count: 0...limits.references, length: 1...900) ?? []
    let pointer = object.pointer(to: "inReplyTo")
    switch object.value("inReplyTo") {
    case nil, .null: break
    case .string(let text) where text.hasPrefix("msg_"):
      answered = ObjectDecoder.id(text, of: Message.self, at: pointer, faults: faults)
    case .string(let text): message.inReplyTo = [text]
    default:
      message.inReplyTo =
        object.strings("inReplyTo", count: 0...limits.references, length: 1...900) ?? []
    }
    for (index, id) in message.references.enumerated() where !MessageBuilder.isMessageID(id) {
      faults.addValue(
        "\(object.pointer(to: "references"))/\(index)",
        .format,
        "It is no message ID."
      )
    }
    for id in message.inReplyTo where !MessageBuilder.isMessageID(id) {
      faults.addValue(pointer, .format, "It is no message ID.")
    }
  }

  private mutating func readAttachments(_ object: inout ObjectDecoder, _ limits: Limits) {
    let faults = object.faults
    for (pointer, value) in object.array("attachments", count: 0...limits.attachments) ?? [] {
      var item = ObjectDecoder(value, at: pointer, faults: faults)
      let name = item.string("name", length: 0...255)
      let type = item.string("type", length: 1...255)
      let text = item.string("content", .required, length: 0...Int.max)
      let disposition: AttachmentDisposition? = item.choice("disposition")
      let contentID = item.string("cid", length: 1...255)
      item.finish()
      if let name { TextRules.checkLine(name, at: "\(pointer)/name", faults: faults) }
      Self.checkType(type, at: "\(pointer)/type", faults: faults)
      if let contentID, !MessageBuilder.isMessageID(contentID) {
        faults.addValue("\(pointer)/cid", .format, "It is no content ID.")
      }
      let bytes = Array((text ?? "").utf8)
      guard let content = Base64.standard.decode(bytes.span) else {
        faults.add("\(pointer)/content", .format, "base64 is wanted.")
        continue
      }
      message.attachments.append(
        ComposedMessage.Attachment(
          filename: name,
          contentType: type ?? "application/octet-stream",
          isInline: disposition == .inline,
          contentID: contentID,
          content: content
        )
      )
    }
  }

  private enum AttachmentDisposition: String, CaseIterable {
    case attachment, inline
  }

  private static func checkType(_ type: String?, at pointer: String, faults: Faults) {
    guard let type else { return }
    let bytes = Array(type.utf8)
    let isLeaf =
      ContentType(parsing: bytes.span) != nil && !type.lowercased().hasPrefix("multipart/")
    guard !bytes.contains(where: { $0.isControl }), isLeaf else {
      return faults.addValue(pointer, .format, "A media type as image/png is wanted.")
    }
  }
}
