import Bytes

/// An item that STATUS can be asked for (RFC 3501 §6.3.10, RFC 7162, RFC 8438, RFC 8474).
package struct StatusItem: RawRepresentable, Hashable, Sendable {
  /// The item as it is sent.
  package let rawValue: String
  package init(rawValue: String) { self.rawValue = rawValue }

  package static let messages = Self(rawValue: "MESSAGES")
  package static let uidNext = Self(rawValue: "UIDNEXT")
  package static let uidValidity = Self(rawValue: "UIDVALIDITY")
  package static let unseen = Self(rawValue: "UNSEEN")
  package static let recent = Self(rawValue: "RECENT")
  /// Only where the server lists `STATUS=SIZE`.
  package static let size = Self(rawValue: "SIZE")
  /// Only where the server lists `CONDSTORE`.
  package static let highestModSeq = Self(rawValue: "HIGHESTMODSEQ")
  /// Messages that carry `\Deleted`; only in IMAP4rev2, or where the server has quotas by messages.
  package static let deleted = Self(rawValue: "DELETED")
  /// Only where the server lists `APPENDLIMIT` without a number (RFC 7889 §3.1).
  package static let appendLimit = Self(rawValue: "APPENDLIMIT")
  /// Only where the server lists `OBJECTID`.
  package static let mailboxID = Self(rawValue: "MAILBOXID")
}

/// The counters of a mailbox that is not selected; nil where the server did not say.
///
///     S: * STATUS "Sent" (MESSAGES 231 UIDNEXT 44292 UIDVALIDITY 7 UNSEEN 0)
package struct MailboxStatus: Hashable, Sendable {
  package var messages: UInt32?
  package var uidNext: UID?
  package var uidValidity: UIDValidity?
  package var unseen: UInt32?
  package var recent: UInt32?
  package var size: Int?
  package var highestModSeq: ModSeq?
  package var mailboxID: String?
  package var deleted: UInt32?
  /// The greatest message that APPEND takes here.
  package var appendLimit: Int?

  /// A status that says nothing.
  package init() {}
}

extension ByteReader {
  /// Reads what follows `STATUS`: the mailbox and its counters.
  mutating func requireStatus() throws(IMAPSyntaxError) -> (MailboxName, MailboxStatus) {
    skipBlanks()
    let name = MailboxName(encoded: try requireAString())
    var status = MailboxStatus()
    skipBlanks()
    try require(0x28, "status-att-list")
    while true {
      skipBlanks()
      if consume(0x29) { return (name, status) }
      let range = take(while: \.isIMAPWord)
      guard !range.isEmpty else { throw syntaxError("status-att") }
      skipBlanks()
      try statusItem(String(utf8: slice(range)).uppercased(), &status)
    }
  }

  private mutating func statusItem(
    _ name: String,
    _ status: inout MailboxStatus
  ) throws(IMAPSyntaxError) {
    if name == "MAILBOXID" {
      // Leniency `garbledMailboxID`: Cyrus 3.6 tells bytes of freed memory where other items are asked
      // for as well. What is no objectid (RFC 8474 §7) tells nothing.
      status.mailboxID = try objectID().flatMap { id in
        !id.isEmpty && id.utf8.allSatisfy(\.isObjectIDByte) ? id : nil
      }
      return
    }
    guard next?.isASCIIDigit == true, let value = number() else { return try skipValue() }
    let small = UInt32(clamping: value)
    switch name {
    case "MESSAGES": status.messages = small
    case "UIDNEXT": status.uidNext = UID(small)
    case "UIDVALIDITY": status.uidValidity = UIDValidity(small)
    case "UNSEEN": status.unseen = small
    case "RECENT": status.recent = small
    case "SIZE": status.size = Int(clamping: value)
    case "DELETED": status.deleted = small
    case "APPENDLIMIT": status.appendLimit = Int(clamping: value)
    case "HIGHESTMODSEQ": status.highestModSeq = ModSeq(value)
    default: break
    }
  }
}

extension UInt8 {
  /// A letter, a digit, `-` or `_`.
  fileprivate var isObjectIDByte: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
    default: false
    }
  }
}
