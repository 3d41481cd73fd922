/// A named store of messages, on a server (RFC 9051 §5.1) or here.
package struct Mailbox: Identified, Sendable {
  package static let idPrefix: StaticString = "mbx_"

  package var id: ID<Mailbox>
  package var accountID: ID<Account>
  package var parentID: ID<Mailbox>?
  /// The last level of the path.
  package var name: String
  /// All levels, decoded, joined by the server's delimiter.
  package var path: String
  /// The name as the wire has it (modified UTF-7); one that is no text there byte by byte, after U+0002.
  package var encodedName: String
  package var delimiter: String?
  /// JMAP's lower-case role, such as `inbox` or `sent`.
  package var role: String?
  package var isSubscribed: Bool
  package var isSelectable: Bool
  package var totalMessages: Int64
  package var unreadMessages: Int64
  package var uidValidity: Int64?
  package var uidNext: Int64?
  package var highestModSeq: Int64?
  /// The lowest UID that the first sync has reached; 1 when it is done, nil before it began.
  package var syncedDownTo: Int64?
  /// MAILBOXID, which no rename changes (RFC 8474); nil where the server tells none.
  package var objectID: String?
  /// Whether the UIDs are to be compared one by one, even where their number is the server's.
  package var isUnsure: Bool
  /// Whether it is kept here and nowhere else: what is done in it is final at once.
  package var isLocal: Bool
  /// Whether a change of it is on its way to the server.
  package var isPending: Bool
  /// Whether it was made here and is not on the server yet: `encodedName` is no name there.
  package var isAwaited: Bool
  /// Grows with every change; the `ETag`.
  package var version: Int64

  package init(
    id: ID<Mailbox>,
    accountID: ID<Account>,
    parentID: ID<Mailbox>?,
    name: String,
    path: String,
    encodedName: String,
    delimiter: String?,
    role: String?,
    isSubscribed: Bool,
    isSelectable: Bool,
    totalMessages: Int64,
    unreadMessages: Int64,
    uidValidity: Int64?,
    uidNext: Int64?,
    highestModSeq: Int64?,
    syncedDownTo: Int64?,
    objectID: String? = nil,
    isUnsure: Bool = false,
    isLocal: Bool = false,
    isPending: Bool = false,
    isAwaited: Bool = false,
    version: Int64
  ) {
    self.id = id
    self.accountID = accountID
    self.parentID = parentID
    self.name = name
    self.path = path
    self.encodedName = encodedName
    self.delimiter = delimiter
    self.role = role
    self.isSubscribed = isSubscribed
    self.isSelectable = isSelectable
    self.totalMessages = totalMessages
    self.unreadMessages = unreadMessages
    self.uidValidity = uidValidity
    self.uidNext = uidNext
    self.highestModSeq = highestModSeq
    self.syncedDownTo = syncedDownTo
    self.objectID = objectID
    self.isUnsure = isUnsure
    self.isLocal = isLocal
    self.isPending = isPending
    self.isAwaited = isAwaited
    self.version = version
  }
}

extension Mailbox {
  /// The roles of RFC 8621 §2 that the service uses.
  package static let roles: Set<String> = [
    "inbox", "archive", "drafts", "junk", "sent", "trash", "flagged", "all",
  ]
}

extension Mailbox {
  /// Whether a mailbox can be called so, without what stands above it in its path.
  package static func isName(_ name: String, delimiter: String?) -> Bool {
    (1...200).contains(name.utf8.count)
      && !name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
      && !(delimiter.map { name.contains($0) } ?? false)
  }
}
