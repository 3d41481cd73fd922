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
  private static let messageColumns: [(column: String, type: PostgresType)] =
    [
      ("account_id", .int8), ("id", .int8), ("thread_id", .int8), ("identity", .bytea),
      ("size", .int8), ("received_at", .timestamptz), ("sent_at", .timestamptz),
      ("has_attachment", .bool), ("email_id", .text), ("blob_id", .int8),
    ] + MessageColumns.Column.allCases.map { ($0.name, .text) }

  private static let placementColumns: [(column: String, type: PostgresType)] = [
    ("account_id", .int8), ("mailbox_id", .int8), ("message_id", .int8), ("uid", .int8),
    ("origin", .int2), ("keywords", .textArray), ("is_seen", .bool), ("is_deleted", .bool),
    ("received_at", .timestamptz),
  ]

  /// No rows of messages yet, with room for `count`.
  static func messageRows(_ count: Int) -> BulkRows {
    BulkRows("message", messageColumns, capacity: count * 1024)
  }

  /// No rows of placements yet, with room for `count`.
  static func placementRows(_ count: Int) -> BulkRows {
    BulkRows("placement", placementColumns, capacity: count * 112)
  }

  /// Adds the message's own row.
  func write(id: Int64, of account: ID<Account>, to rows: inout BulkRows) {
    rows.add { copy in
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
  }

  /// Adds the row that places it in a mailbox.
  func write(
    placementOf id: Int64,
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    origin: PlacementOrigin,
    to rows: inout BulkRows
  ) {
    rows.add { copy in
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
}
