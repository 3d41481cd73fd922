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

  /// The name as text, of which no two are equal: as it is, or where it is no UTF-8, or has what there may be another spelling of,
  /// each byte as the scalar of its number after U+0002, and NUL as U+0100.
  ///
  /// PostgreSQL stores neither NUL nor what is no UTF-8, and Swift takes texts for equal that only normalization tells apart.
  var stored: String {
    if let text = String(validating: encoded, as: UTF8.self),
      text.unicodeScalars.allSatisfy(Self.isPlain)
    {
      return text
    }
    var text = String(Self.mark)
    for byte in encoded {
      text.unicodeScalars.append(byte == 0 ? "\u{100}" : Unicode.Scalar(byte))
    }
    return text
  }

  /// Whether a text of such characters alone is in its one normal form (NFC), and begins with no mark of ours.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.value >= 0x80 else { return scalar.value >= 0x20 }
    // Vowels and finals of Korean compose with what stands before them.
    guard !(0x1160...0x11FF).contains(scalar.value) else { return false }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return false
    default: return !scalar.properties.isFullCompositionExclusion
    }
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
