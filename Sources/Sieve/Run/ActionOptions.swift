/// What tagged arguments say about an action, whichever extension brings them.
struct ActionOptions {
  /// Whether the message is kept all the same (RFC 3894).
  var isCopy = false
  /// Flags in place of those of the internal variable (RFC 5232 §5).
  var flags: [String]?
  /// Whether a mailbox that is missing is made (RFC 5490 §3.2).
  var createsMailbox = false
  /// The special use that names the mailbox (RFC 8579 §4).
  var specialUse: String?
  /// The object id that names the mailbox (RFC 9042 §4).
  var mailboxID: String?
  /// When the sender is told what became of a message (RFC 6009 §5).
  var dsnNotify: String?
  /// How much of a message a notification of delivery returns (RFC 6009 §5).
  var dsnReturn: String?
  /// Where a copy of a response is filed (RFC 8580).
  var fcc: [UInt8]?
}
