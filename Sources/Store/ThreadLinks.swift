import Bytes
import Crypto

/// What ties a message to others of its thread, as digests (RFC 5256 §3, REFERENCES).
package struct ThreadLinks: Sendable, Equatable {
  /// Of its own Message-ID.
  package var message: Int64?
  /// Of the messages that it names.
  package var references: [Int64] = []
  /// Of its base subject, where it names no message.
  package var subject: Int64?
  /// Whether its subject says that it answers or forwards something.
  package var answersSubject = false

  package init() {}

  /// The digest of a Message-ID, the same whether its parts are quoted where they need not be (RFC 5256 §3, REFERENCES, step 1).
  package static func key(of messageID: String) -> Int64 {
    var messageID = messageID
    messageID.makeContiguousUTF8()
    guard messageID.utf8.contains(0x22) else { return key(of: messageID.utf8.span) }
    return key(of: unquoted(messageID).span)
  }

  /// Without the quotes of quoted strings, and what they escape as itself.
  private static func unquoted(_ messageID: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var (isQuoted, isEscaped) = (false, false)
    for byte in messageID.utf8 {
      if isEscaped {
        bytes.append(byte)
        isEscaped = false
      } else if byte == 0x22 {
        isQuoted.toggle()
      } else if byte == 0x5C, isQuoted {
        isEscaped = true
      } else {
        bytes.append(byte)
      }
    }
    return bytes
  }

  /// The digest of any bytes: the first eight of their SHA-256.
  package static func key(of bytes: Span<UInt8>) -> Int64 {
    var value: UInt64 = 0
    for byte in Digest.sha256(bytes).prefix(8) { value = value << 8 | UInt64(byte) }
    return Int64(bitPattern: value)
  }
}
