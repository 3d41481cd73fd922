import Bytes
import MIME
import Store

/// The addresses of a message's row.
struct MessageAddresses {
  var from: RowAddresses
  var to: RowAddresses
  var cc: RowAddresses
  var bcc: RowAddresses
  var replyTo: RowAddresses
  var sender: RowAddresses
}

extension MessageColumns {
  /// The bytes of a header, its encoded words as they are.
  mutating func text(_ column: Column, raw bytes: [UInt8]) {
    if EncodedWords.isPlain(bytes.span) {
      text(column) { $0.append(contentsOf: bytes) }
    } else {
      text(column, String(utf8: bytes.span).withoutNUL)
    }
  }

  /// All addresses and message IDs, and the texts of them that filters and orders read.
  mutating func write(
    addresses: MessageAddresses,
    messageIDs: [String],
    inReplyTo: [String],
    references: [String]
  ) {
    write(.from, addresses.from)
    write(.to, addresses.to)
    write(.cc, addresses.cc)
    write(.bcc, addresses.bcc)
    write(.replyTo, addresses.replyTo)
    write(.sender, addresses.sender)
    write(.messageIDs, messageIDs)
    write(.inReplyTo, inReplyTo)
    write(.references, references)
    if !addresses.from.isEmpty {
      text(.fromText) { text in
        var isFirst = true
        addresses.from.appendText(to: &text, isFirst: &isFirst)
      }
    }
    if !addresses.to.isEmpty || !addresses.cc.isEmpty || !addresses.bcc.isEmpty {
      text(.toText) { text in
        var isFirst = true
        addresses.to.appendText(to: &text, isFirst: &isFirst)
        addresses.cc.appendText(to: &text, isFirst: &isFirst)
        addresses.bcc.appendText(to: &text, isFirst: &isFirst)
      }
    }
    text(.messageID, messageIDs.first?.withoutNUL)
  }

  /// The body structure and what RFC 8621 §4.1.4 derives from it.
  mutating func write(_ structure: BodyPart, _ views: BodyViews) {
    write(.attachments, views.attachments)
    json(.bodyStructure) { StructureJSON.write(tree: structure, to: &$0) }
    write(.textBody, idsOf: views.textBody)
    write(.htmlBody, idsOf: views.htmlBody)
  }

  private mutating func write(_ column: Column, _ addresses: RowAddresses) {
    guard !addresses.isEmpty else { return }
    json(column) { addresses.write(to: &$0) }
  }

  private mutating func write(_ column: Column, _ texts: [String]) {
    guard !texts.isEmpty else { return }
    json(column) { json in
      json.beginArray()
      for text in texts { json.string(text.withoutNUL) }
      json.endArray()
    }
  }

  private mutating func write(_ column: Column, idsOf parts: [BodyPart]) {
    guard !parts.isEmpty else { return }
    text(column) { text in
      for (index, part) in parts.enumerated() {
        if index > 0 { text.append(0x2C) }
        text.append(text: part.partID ?? "")
      }
    }
  }

  private mutating func write(_ column: Column, _ parts: [BodyPart]) {
    guard !parts.isEmpty else { return }
    json(column) { StructureJSON.write(list: parts, to: &$0) }
  }
}

extension String {
  /// The text without U+0000, which PostgreSQL does not take.
  var withoutNUL: String {
    var text = self
    text.makeContiguousUTF8()
    guard text.utf8.span.firstIndex(of: 0) != nil else { return text }
    return String(decoding: utf8.filter { $0 != 0 }, as: UTF8.self)
  }
}
