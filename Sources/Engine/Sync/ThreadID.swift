import Crypto

/// The thread of a message, from the Message-IDs that it names (RFC 5256 §2.2 in its simplest form).
///
/// Messages whose References begin with the same message are one thread: the id is a digest of that
/// first Message-ID, so that it is known without a look at the others.
enum ThreadID {
  /// The thread id of a message with these fields; `fallback` where it has no Message-ID at all.
  static func of(
    messageID: String?,
    inReplyTo: [String],
    references: [String],
    fallback: [UInt8]
  ) -> Int64 {
    let root = references.first ?? inReplyTo.first ?? messageID
    let digest = Digest.sha256(root.map { [UInt8]($0.utf8) } ?? fallback)
    var value: UInt64 = 0
    for byte in digest.prefix(8) { value = value << 8 | UInt64(byte) }
    return Int64(bitPattern: value & 0x7FFF_FFFF_FFFF_FFFF)
  }
}
