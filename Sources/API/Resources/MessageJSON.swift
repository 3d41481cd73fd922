import Bytes
import Engine
import Model
import Store

/// The members of a message that `fields=` selects, as one bit each: the list asks for each of every row.
struct MessageMembers: OptionSet, Sendable {
  let rawValue: UInt32

  init(rawValue: UInt32) { self.rawValue = rawValue }

  static let names = [
    "id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "sentAt",
    "messageId", "inReplyTo", "references", "from", "to", "cc", "bcc", "replyTo", "sender",
    "subject", "preview", "hasAttachment", "attachments", "textBody", "htmlBody", "bodyValues",
    "headers", "pending", "backend",
  ]

  static let id = MessageMembers(rawValue: 1 << 0)
  static let blobID = MessageMembers(rawValue: 1 << 1)
  static let threadID = MessageMembers(rawValue: 1 << 2)
  static let mailboxIDs = MessageMembers(rawValue: 1 << 3)
  static let keywords = MessageMembers(rawValue: 1 << 4)
  static let size = MessageMembers(rawValue: 1 << 5)
  static let receivedAt = MessageMembers(rawValue: 1 << 6)
  static let sentAt = MessageMembers(rawValue: 1 << 7)
  static let messageID = MessageMembers(rawValue: 1 << 8)
  static let inReplyTo = MessageMembers(rawValue: 1 << 9)
  static let references = MessageMembers(rawValue: 1 << 10)
  static let from = MessageMembers(rawValue: 1 << 11)
  static let to = MessageMembers(rawValue: 1 << 12)
  static let cc = MessageMembers(rawValue: 1 << 13)
  static let bcc = MessageMembers(rawValue: 1 << 14)
  static let replyTo = MessageMembers(rawValue: 1 << 15)
  static let sender = MessageMembers(rawValue: 1 << 16)
  static let subject = MessageMembers(rawValue: 1 << 17)
  static let preview = MessageMembers(rawValue: 1 << 18)
  static let hasAttachment = MessageMembers(rawValue: 1 << 19)
  static let attachments = MessageMembers(rawValue: 1 << 20)
  static let textBody = MessageMembers(rawValue: 1 << 21)
  static let htmlBody = MessageMembers(rawValue: 1 << 22)
  static let bodyValues = MessageMembers(rawValue: 1 << 23)
  static let headers = MessageMembers(rawValue: 1 << 24)
  static let pending = MessageMembers(rawValue: 1 << 25)
  static let backend = MessageMembers(rawValue: 1 << 26)
  static let all = MessageMembers(rawValue: .max)

  /// The members that `fields` selects.
  init(_ fields: FieldSelection) {
    guard !fields.isAll else {
      self = .all
      return
    }
    self = []
    for (bit, name) in Self.names.enumerated() where fields.contains(name) {
      insert(MessageMembers(rawValue: 1 << UInt32(bit)))
    }
  }
}

/// What `include=` adds to a message, since it may have to be fetched.
struct IncludedParts: OptionSet, Sendable {
  let rawValue: UInt8

  init(rawValue: UInt8) { self.rawValue = rawValue }

  static let body = IncludedParts(rawValue: 1)
  static let headers = IncludedParts(rawValue: 2)

  /// What `query` includes.
  init(_ query: inout QueryDecoder) {
    let names = query.names("include", known: ["body", "headers"]) ?? []
    self = []
    if names.contains("body") { insert(.body) }
    if names.contains("headers") { insert(.headers) }
  }
}

/// What was fetched of one message.
struct FetchedParts {
  var bodyValues: [BodyValue]?
  var headers: [(name: String, value: String)]?
}

/// The shape of a message; from rows to bytes, with no `String` a member.
enum MessageJSON {
  static func write(
    _ row: MessageRow,
    _ members: MessageMembers,
    _ parts: FetchedParts? = nil,
    isSingle: Bool = false,
    to json: inout JSONWriter
  ) throws(ServiceError) {
    json.beginObject()
    try writeIdentity(row, members, to: &json)
    writeTimes(row, members, to: &json)
    writeReferences(row, members, to: &json)
    writeAddresses(row, members, to: &json)
    writeText(row, members, to: &json)
    if isSingle { try writeBodies(row, members, to: &json) }
    if let parts { write(parts, members, to: &json) }
    if members.contains(.pending) {
      json.key("pending")
      json.bool(row.isPending)
    }
    if members.contains(.backend) { writeBackend(row, to: &json) }
    json.endObject()
  }

  private static func writeIdentity(
    _ row: MessageRow,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) throws(ServiceError) {
    if members.contains(.id) {
      json.key("id")
      json.id(row.id)
    }
    if members.contains(.threadID) {
      json.key("threadId")
      json.id(row.threadID)
    }
    if members.contains(.mailboxIDs) {
      json.key("mailboxIds")
      json.beginObject()
      for mailbox in try row.mailboxes() {
        json.unescapedKey { $0.append(id: mailbox) }
        json.bool(true)
      }
      json.endObject()
    }
    if members.contains(.keywords) {
      json.key("keywords")
      json.beginObject()
      try row.forEachKeyword { keyword in
        json.key(keyword)
        json.bool(true)
      }
      json.endObject()
    }
  }

  private static func writeTimes(
    _ row: MessageRow,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) {
    if members.contains(.size) {
      json.key("size")
      json.int(row.size)
    }
    if members.contains(.receivedAt) {
      json.key("receivedAt")
      json.time(row.receivedAt)
    }
    if members.contains(.sentAt) {
      json.key("sentAt")
      json.time(row.sentAt)
    }
  }

  private static func writeReferences(
    _ row: MessageRow,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) {
    if members.contains(.messageID) {
      json.key("messageId")
      json.rawOrNull(row.messageIDs)
    }
    if members.contains(.inReplyTo) {
      json.key("inReplyTo")
      json.rawOrNull(row.inReplyTo)
    }
    if members.contains(.references) {
      json.key("references")
      json.rawOrNull(row.references)
    }
  }

  private static func writeAddresses(
    _ row: MessageRow,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) {
    if members.contains(.from) {
      json.key("from")
      json.rawOrNull(row.from)
    }
    if members.contains(.to) {
      json.key("to")
      json.rawOrNull(row.to)
    }
    if members.contains(.cc) {
      json.key("cc")
      json.rawOrNull(row.cc)
    }
    if members.contains(.bcc) {
      json.key("bcc")
      json.rawOrNull(row.bcc)
    }
    if members.contains(.replyTo) {
      json.key("replyTo")
      json.rawOrNull(row.replyTo)
    }
    if members.contains(.sender) {
      json.key("sender")
      json.rawOrNull(row.sender)
    }
  }

  private static func writeText(
    _ row: MessageRow,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) {
    if members.contains(.subject) {
      json.key("subject")
      if row.hasSubject { json.string(row.subject) } else { json.null() }
    }
    if members.contains(.preview) {
      json.key("preview")
      if row.hasPreview { json.string(row.preview) } else { json.null() }
    }
    if members.contains(.hasAttachment) {
      json.key("hasAttachment")
      json.bool(row.hasAttachment)
    }
    if members.contains(.attachments) {
      json.key("attachments")
      if row.attachments.isEmpty { json.raw(emptyArray.span) } else { json.raw(row.attachments) }
    }
  }

  /// What only a message of its own shows, not one of a list.
  private static func writeBodies(
    _ row: MessageRow,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) throws(ServiceError) {
    if members.contains(.blobID) {
      json.key("blobId")
      json.id(try row.blobID)
    }
    guard members.contains(.textBody) || members.contains(.htmlBody) else { return }
    let leaves = leaves(of: row.bodyStructure)
    if members.contains(.textBody) {
      json.key("textBody")
      write(row.textBody, of: leaves, to: &json)
    }
    if members.contains(.htmlBody) {
      json.key("htmlBody")
      write(row.htmlBody, of: leaves, to: &json)
    }
  }

  /// The leaves of a stored body structure, as they are written, by their ids.
  private static func leaves(of structure: Span<UInt8>) -> [String: JSONValue] {
    // The column is written by the engine alone: what cannot be read is not there.
    guard !structure.isEmpty, let tree = try? JSONReader.parse(structure)  // Ours: JSON.
    else { return [:] }
    var leaves: [String: JSONValue] = [:]
    var rest = [tree]
    while let part = rest.popLast() {
      if let parts = part["subParts"]?.arrayValue {
        rest += parts
      } else if let id = part["partId"]?.stringValue {
        leaves[id] = part
      }
    }
    return leaves
  }

  /// The parts that a column names, in its order.
  private static func write(
    _ ids: Span<UInt8>,
    of leaves: [String: JSONValue],
    to json: inout JSONWriter
  ) {
    json.beginArray()
    for id in String(utf8: ids).split(separator: ",") {
      if let part = leaves[String(id)] { json.value(part) }
    }
    json.endArray()
  }

  private static let emptyArray = Array("[]".utf8)

  private static func write(
    _ parts: FetchedParts,
    _ members: MessageMembers,
    to json: inout JSONWriter
  ) {
    if members.contains(.bodyValues), let values = parts.bodyValues {
      json.key("bodyValues")
      json.beginObject()
      for value in values {
        json.key(text: value.partID)
        json.object { json in
          json.member("value") { $0.string(value.value) }
          json.member("isEncodingProblem") { $0.bool(value.isEncodingProblem) }
          json.member("isTruncated") { $0.bool(value.isTruncated) }
        }
      }
      json.endObject()
    }
    if members.contains(.headers), let headers = parts.headers {
      json.key("headers")
      json.beginArray()
      for header in headers {
        json.object { json in
          json.member("name") { $0.string(header.name) }
          json.member("value") { $0.string(header.value) }
        }
      }
      json.endArray()
    }
  }

  private static func writeBackend(_ row: MessageRow, to json: inout JSONWriter) {
    json.key("backend")
    json.beginObject()
    if let mailbox = row.backendMailbox {
      json.key("mailboxId")
      json.id(mailbox)
      json.key("uid")
      json.int(row.backendUID)
    }
    json.endObject()
  }
}
