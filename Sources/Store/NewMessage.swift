package import Bytes
import Model
import Postgres

/// A message as a sync fetched it, ready to be stored.
///
/// The JSON columns are what the API will write.
package struct NewMessage: Sendable {
  package var uid: Int64?
  /// In JMAP's form, sorted.
  package var keywords: [String]
  package var isDeleted: Bool
  package var receivedAt: Timestamp
  package var size: Int64
  /// Digest of the raw ENVELOPE fields and the size.
  package var identity: [UInt8]
  package var threadID: Int64
  package var sentAt: Timestamp?
  package var subject: String?
  package var from: [UInt8]?
  package var to: [UInt8]?
  package var cc: [UInt8]?
  package var bcc: [UInt8]?
  package var replyTo: [UInt8]?
  package var sender: [UInt8]?
  package var messageIDs: [UInt8]?
  package var inReplyTo: [UInt8]?
  package var references: [UInt8]?
  package var fromText: String?
  package var toText: String?
  package var messageID: String?
  package var extraFields: String?
  package var hasAttachment: Bool
  package var attachments: [UInt8]?
  package var bodyStructure: [UInt8]?
  package var textBody: [UInt8]?
  package var htmlBody: [UInt8]?
  package var preview: String?

  /// A message with what every message has; the rest is set by whoever parsed it.
  package init(
    uid: Int64?,
    keywords: [String],
    isDeleted: Bool,
    receivedAt: Timestamp,
    size: Int64,
    identity: [UInt8],
    threadID: Int64,
    hasAttachment: Bool
  ) {
    self.uid = uid
    self.keywords = keywords
    self.isDeleted = isDeleted
    self.receivedAt = receivedAt
    self.size = size
    self.identity = identity
    self.threadID = threadID
    self.hasAttachment = hasAttachment
  }

  var isSeen: Bool { keywords.contains("$seen") }
}

/// Where a placement's row comes from: the column `placement.origin`.
enum PlacementOrigin: Int16 {
  case server = 0
  case local = 1
  /// On its way to the server.
  case pending = 2
  /// To be matched with what the server has; what is left after a whole pass goes.
  case unmatched = 3
}

extension NewMessage {
  static let messageCopy = """
    copy message (account_id, id, thread_id, identity, size, received_at, sent_at, subject,
      from_addresses, to_addresses, cc_addresses, bcc_addresses, reply_to_addresses,
      sender_addresses, message_ids, in_reply_to, reference_ids, from_text, to_text, message_id,
      extra_fields, has_attachment, attachments, body_structure, text_body,
      html_body, preview)
    from stdin (format binary)
    """

  static let placementCopy = """
    copy placement (account_id, mailbox_id, message_id, uid, origin, keywords, is_seen,
      is_deleted, received_at)
    from stdin (format binary)
    """

  /// One row of `messageCopy`.
  func write(id: Int64, of account: ID<Account>, to copy: inout CopyWriter) {
    copy.beginRow(columns: 27)
    copy.write(account.rawValue)
    copy.write(id)
    copy.write(threadID)
    copy.write(identity)
    copy.write(size)
    copy.write(receivedAt)
    copy.write(sentAt)
    copy.write(subject)
    for json in [from, to, cc, bcc, replyTo, sender, messageIDs, inReplyTo, references] {
      copy.write(json)
    }
    for text in [fromText, toText, messageID, extraFields] { copy.write(text) }
    copy.write(hasAttachment)
    copy.write(attachments)
    copy.write(bodyStructure)
    copy.write(textBody)
    copy.write(htmlBody)
    copy.write(preview)
  }

  /// One row of `placementCopy`.
  func write(
    placementOf id: Int64,
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    origin: PlacementOrigin,
    to copy: inout CopyWriter
  ) {
    copy.beginRow(columns: 9)
    copy.write(account.rawValue)
    copy.write(mailbox.rawValue)
    copy.write(id)
    copy.write(uid)
    copy.write(origin.rawValue)
    copy.write(keywords)
    copy.write(isSeen)
    copy.write(isDeleted)
    copy.write(receivedAt)
  }
}
