import Foundation
import MailProtocols
import MailTransport
import Model

extension Mailbox {
  /// The name as IMAP commands take it.
  var imapName: MailboxName { MailboxName(stored: encodedName) }
}

extension MailboxName {
  /// What begins a name that is stored byte by byte.
  private static let mark: Unicode.Scalar = "\u{2}"

  /// The name as text, of which no two are equal: as it is, or where it is no UTF-8, not normalized (NFC) or begins with a control
  /// character, each byte as the scalar of its number after U+0002, and NUL as U+0100.
  ///
  /// PostgreSQL stores neither NUL nor what is no UTF-8, and Swift takes texts for equal that only normalization tells apart.
  var stored: String {
    let isPlain = encoded.allSatisfy { $0 >= 0x20 && $0 < 0x80 }
    if isPlain { return String(decoding: encoded, as: UTF8.self) }
    if let text = String(validating: encoded, as: UTF8.self),
      encoded.first.map({ $0 >= 0x20 }) ?? true,
      !encoded.contains(0), text.precomposedStringWithCanonicalMapping.utf8.elementsEqual(encoded)
    {
      return text
    }
    var text = String(Self.mark)
    for byte in encoded {
      text.unicodeScalars.append(byte == 0 ? "\u{100}" : Unicode.Scalar(byte))
    }
    return text
  }

  /// The name that was `stored`.
  init(stored: String) {
    guard stored.unicodeScalars.first == Self.mark else {
      self.init(encoded: Array(stored.utf8))
      return
    }
    self.init(
      encoded: stored.unicodeScalars.dropFirst().map { UInt8(truncatingIfNeeded: $0.value) }
    )
  }
}

extension IMAPClient {
  /// The UIDVALIDITY of the selected mailbox as it is stored; 0 where the server tells none.
  var uidValidity: Int64 { selected?.storedUIDValidity ?? 0 }
}

extension SelectedMailbox {
  /// The UIDVALIDITY as it is stored; 0 where the server tells none.
  var storedUIDValidity: Int64 { Int64(uidValidity?.value ?? 0) }

  /// Whether nothing came and nothing went since `status` was asked for.
  func isAsTold(by status: MailboxStatus?) -> Bool {
    guard let status, let uidNext else { return false }
    return status.uidValidity == uidValidity && status.uidNext == uidNext
      && status.messages == exists
  }
}
