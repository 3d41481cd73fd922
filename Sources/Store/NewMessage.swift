package import Bytes
import Model
import Postgres

/// A message as a sync fetched it, ready to be stored.
package struct NewMessage: Sendable {
  package var uid: Int64?
  /// In JMAP's form, sorted.
  package var keywords: [String]
  package var isDeleted: Bool
  package var receivedAt: Timestamp
  package var size: Int64
  /// Without angle brackets; nil where it has none.
  package var messageID: String?
  /// Digest of the raw ENVELOPE fields and the size.
  package var identity: [UInt8]
  /// What the server says that it is (RFC 8474), the same for each copy; nil where it does not say.
  package var emailID: String?
  /// The thread that it is of; 0 where `links` decide.
  package var threadID: Int64
  /// What ties it to other messages.
  package var links = ThreadLinks()
  package var sentAt: Timestamp?
  package var hasAttachment: Bool
  /// Where each leaf of the structure stands in a message that is kept here.
  package var leafRanges: [Range<Int>] = []
  /// Its raw bytes, where they are kept here.
  var blob: Int64?
  /// All else, as the API will write it.
  package var columns = MessageColumns()

  /// A message with what every message has; `columns` are set by whoever parsed it.
  package init(
    uid: Int64?,
    keywords: [String],
    isDeleted: Bool,
    receivedAt: Timestamp,
    size: Int64,
    identity: [UInt8],
    threadID: Int64 = 0,
    sentAt: Timestamp?,
    hasAttachment: Bool
  ) {
    self.uid = uid
    self.keywords = keywords
    self.isDeleted = isDeleted
    self.receivedAt = receivedAt
    self.size = size
    self.identity = identity
    self.threadID = threadID
    self.sentAt = sentAt
    self.hasAttachment = hasAttachment
  }

  var isSeen: Bool { keywords.contains("$seen") }
}

/// Where a placement's row comes from: the column `placement.origin`.
enum PlacementOrigin: Int16 {
  case server = 0
  /// Kept here and nowhere else.
  case local = 1
  /// On its way to the server.
  case pending = 2
  /// To be matched with what the server has in this mailbox; what is left after a pass over it is `vanished`.
  case unmatched = 3
  /// Gone from its mailbox; to be matched with what appears elsewhere, before it is destroyed.
  case vanished = 4

  /// Of a placement that is made here.
  init(ofNewIn isLocalMailbox: Bool) { self = isLocalMailbox ? .local : .pending }
}

extension NewMessage {
  private static let fixedColumns = [
    "account_id", "id", "thread_id", "identity", "size", "received_at", "sent_at",
    "has_attachment", "email_id", "blob_id",
  ]

  static let messageCopy = """
    copy message (\((fixedColumns + MessageColumns.Column.allCases.map(\.name)).joined(separator: ", ")))
    from stdin (format binary)
    """

  static let placementCopy = """
    copy placement (account_id, mailbox_id, message_id, uid, origin, keywords, is_seen,
      is_deleted, received_at)
    from stdin (format binary)
    """

  /// One row of `messageCopy`.
  func write(id: Int64, of account: ID<Account>, to copy: inout CopyWriter) {
    copy.beginRow(columns: Self.fixedColumns.count + MessageColumns.Column.allCases.count)
    copy.write(account.rawValue)
    copy.write(id)
    copy.write(threadID)
    copy.write(identity)
    copy.write(size)
    copy.write(receivedAt)
    copy.write(sentAt)
    copy.write(hasAttachment)
    copy.write(emailID)
    copy.write(blob)
    columns.write(to: &copy)
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
