import Bytes

/// Addresses that a script itself gives: one, well formed (RFC 5228 §2.4.2.3).
///
/// Unlike those in messages, which are read with every leniency, a slip here would send mail astray.
enum MailAddress {
  /// The addr-spec of `text`, with or without a display name and brackets; nil where it is none.
  static func specification(of text: [UInt8]) -> String? {
    var scanner = AddressScanner(text)
    guard let specification = scanner.mailbox() else { return nil }
    return specification.text
  }
}

/// Reads a single mailbox (RFC 5322 §3.4), ASCII alone; dots may stand anywhere in a local part, as
/// some mailboxes in Japan have them.
private struct AddressScanner {
  private let text: [UInt8]
  private var position = 0

  init(_ text: [UInt8]) { self.text = text }

  private var next: UInt8? { position < text.count ? text[position] : nil }

  mutating func mailbox() -> [UInt8]? {
    guard !text.contains(where: { $0 >= 0x80 || $0 == .cr || $0 == .lf || $0 == 0 }) else {
      return nil
    }
    if let specification = specification(), next == nil { return specification }
    position = 0
    guard phrase(), next == 0x3C else { return nil }
    position += 1
    guard let specification = specification(), next == 0x3E else { return nil }
    position += 1
    skipBlanks()
    return next == nil ? specification : nil
  }

  /// Passes over blanks and comments (RFC 5322 §3.2.2 `CFWS`); a comment without an end stays.
  private mutating func skipBlanks() {
    while let byte = next, byte.isBlank || (byte == 0x28 && skipComment()) {
      if byte.isBlank { position += 1 }
    }
  }

  private mutating func skipComment() -> Bool {
    var index = position
    var depth = 0
    while index < text.count {
      switch text[index] {
      case .backslash: index += 1
      case 0x28: depth += 1
      case 0x29: depth -= 1
      default: break
      }
      index += 1
      if depth == 0 {
        position = min(index, text.count)
        return true
      }
    }
    return false
  }

  private mutating func specification() -> [UInt8]? {
    skipBlanks()
    guard let local = next == .quote ? quoted() : atoms() else { return nil }
    skipBlanks()
    guard next == 0x40 else { return nil }
    position += 1
    skipBlanks()
    guard let domain = next == 0x5B ? literal() : domain() else { return nil }
    skipBlanks()
    return local + [0x40] + domain
  }

  /// A display name: words and quoted strings, perhaps none.
  private mutating func phrase() -> Bool {
    skipBlanks()
    while let byte = next, byte != 0x3C {
      if byte == .quote {
        guard quoted() != nil else { return false }
      } else if Self.isAtom(byte) || byte == 0x2E {
        position += 1
      } else {
        return false
      }
      skipBlanks()
    }
    return true
  }

  private mutating func atoms() -> [UInt8]? {
    let start = position
    while let byte = next, Self.isAtom(byte) || byte == 0x2E { position += 1 }
    return position > start ? [UInt8](text[start..<position]) : nil
  }

  private mutating func domain() -> [UInt8]? {
    guard let domain = atoms(), domain.first != 0x2E, domain.last != 0x2E,
      domain.firstRange(of: [0x2E, 0x2E]) == nil,
      domain.allSatisfy({
        $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
      })
    else { return nil }
    return domain
  }

  private mutating func quoted() -> [UInt8]? {
    let start = position
    position += 1
    while let byte = next {
      position += byte == .backslash ? 2 : 1
      if byte == .quote { return [UInt8](text[start..<position]) }
    }
    return nil
  }

  private mutating func literal() -> [UInt8]? {
    let start = position
    while let byte = next, byte > .space {
      position += 1
      if byte == 0x5D { return [UInt8](text[start..<position]) }
    }
    return nil
  }

  /// Whether a byte may stand in an atom (RFC 5322 §3.2.3).
  private static func isAtom(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x22, 0x28, 0x29, 0x2C, 0x2E, 0x3A, 0x3B, 0x3C, 0x3E, 0x40, 0x5B, 0x5C, 0x5D: false
    default: byte > 0x20 && byte < 0x7F
    }
  }
}
