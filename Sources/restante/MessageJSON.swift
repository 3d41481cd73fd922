import Bytes
import MIME

/// A parsed message as the API's JSON (RFC 8621 §4), with what the parser found wrong.
enum MessageJSON {
  static func encode(_ message: ParsedMessage) -> [UInt8] {
    let header = message.header
    let structure = message.bodyStructure
    let views = BodyViews(of: structure)
    var json = JSONWriter(capacity: 4096)
    json.beginObject()
    json.key("size")
    json.int(message.bytes.count)
    json.key("subject")
    json.string(header.text("Subject"))
    json.key("sentAt")
    write(header.date("Date"), to: &json)
    for (key, name) in [
      ("messageId", "Message-ID"), ("inReplyTo", "In-Reply-To"), ("references", "References"),
    ] {
      json.key(text: key)
      write(header.messageIDs(name), to: &json)
    }
    for (key, name) in [
      ("from", "From"), ("sender", "Sender"), ("replyTo", "Reply-To"), ("to", "To"), ("cc", "Cc"),
      ("bcc", "Bcc"),
    ] {
      json.key(text: key)
      write(header.addresses(name), to: &json)
    }
    json.key("preview")
    json.string(message.preview())
    json.key("hasAttachment")
    json.bool(views.hasAttachment)
    json.key("bodyStructure")
    write(structure, isTree: true, to: &json)
    for (key, parts) in [
      ("textBody", views.textBody), ("htmlBody", views.htmlBody),
      ("attachments", views.attachments),
    ] {
      json.key(text: key)
      json.beginArray()
      for part in parts { write(part, isTree: false, to: &json) }
      json.endArray()
    }
    writeBodyValues(message, views, to: &json)
    writeHeaders(header, to: &json)
    json.key("defects")
    json.beginArray()
    for defect in message.defects { json.string(defect.kind.rawValue) }
    json.endArray()
    json.endObject()
    return json.finish()
  }

  private static func write(_ date: MIMEDate?, to json: inout JSONWriter) {
    guard let date else { return json.null() }
    json.unescapedString { $0.append(rfc3339: Timestamp(seconds: date.seconds)) }
  }

  private static func write(_ texts: [String]?, to json: inout JSONWriter) {
    guard let texts else { return json.null() }
    json.beginArray()
    for text in texts { json.string(text) }
    json.endArray()
  }

  private static func write(_ addresses: [Address]?, to json: inout JSONWriter) {
    guard let addresses else { return json.null() }
    json.beginArray()
    for address in addresses {
      json.beginObject()
      json.key("name")
      json.string(address.name)
      json.key("email")
      json.string(address.email)
      json.endObject()
    }
    json.endArray()
  }

  private static func write(_ part: BodyPart, isTree: Bool, to json: inout JSONWriter) {
    json.beginObject()
    json.key("partId")
    json.string(part.partID)
    json.key("type")
    json.string(part.type)
    json.key("size")
    json.int(part.size)
    for (key, value) in [
      ("name", part.name), ("charset", part.charset), ("disposition", part.disposition),
      ("cid", part.contentID),
    ] {
      json.key(text: key)
      json.string(value)
    }
    if isTree, let subParts = part.subParts {
      json.key("subParts")
      json.beginArray()
      for subPart in subParts { write(subPart, isTree: true, to: &json) }
      json.endArray()
    }
    json.endObject()
  }

  private static func writeBodyValues(
    _ message: ParsedMessage,
    _ views: BodyViews,
    to json: inout JSONWriter
  ) {
    json.key("bodyValues")
    json.beginObject()
    var written: Set<String> = []
    for part in views.textBody + views.htmlBody where part.type.hasPrefix("text/") {
      guard let id = part.partID, written.insert(id).inserted, let leaf = message.part(at: id)
      else { continue }
      let text = leaf.decodedText()
      json.key(text: id)
      json.beginObject()
      json.key("value")
      json.string(text.text)
      json.key("isEncodingProblem")
      json.bool(text.problem != nil)
      json.key("isTruncated")
      json.bool(false)
      json.endObject()
    }
    json.endObject()
  }

  private static func writeHeaders(_ header: HeaderFields, to json: inout JSONWriter) {
    json.key("headers")
    json.beginArray()
    for field in header.fields {
      json.beginObject()
      json.key("name")
      json.string(header.name(of: field))
      json.key("value")
      json.string(header.raw(field))
      json.endObject()
    }
    json.endArray()
  }
}
