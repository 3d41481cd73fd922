import Bytes

/// The address in a path of the envelope (RFC 5321 §4.1.2), its quotes undone.
package struct SMTPMailbox: Hashable, Sendable {
  /// The local part as it is meant: `"a b"@example.org` has `a b`.
  package let localPart: String
  /// The domain, or an address literal in its brackets; nil for the lone `postmaster` (RFC 5321 §4.5.1).
  package let domain: String?

  /// An address of these parts.
  package init(localPart: String, domain: String?) {
    self.localPart = localPart
    self.domain = domain
  }

  /// The address on the wire, quoted where it must be.
  package var address: String {
    let isPlain =
      !localPart.utf8.isEmpty && !localPart.hasPrefix(".") && !localPart.hasSuffix(".")
      && !localPart.contains("..") && localPart.utf8.allSatisfy { $0.isAtomText || $0 == 0x2E }
    var text = localPart
    if !isPlain {
      let escaped = localPart.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }
      text = "\"\(escaped.joined())\""
    }
    return domain.map { "\(text)@\($0)" } ?? text
  }

  /// Whether the address needs SMTPUTF8 (RFC 6531).
  package var needsUTF8: Bool {
    !localPart.utf8.allSatisfy { $0 < 0x80 } || !(domain?.utf8.allSatisfy { $0 < 0x80 } ?? true)
  }
}

/// Why a path of the envelope is refused.
package enum SMTPPathError: Error, Equatable, Sendable {
  /// It is no path of RFC 5321 §4.1.2.
  case malformed
  /// The local part or the domain is longer than it may be.
  case tooLong
  /// It asks to be passed on from here: the percent hack, a bang path, an address within an address.
  ///
  /// A source route (`@a,@b:c@d`) is none of these: it is read and ignored, as RFC 5321 §3.6.1 lets us.
  case route
}

/// Reads the paths of the envelope.
struct SMTPPathParser {
  let limits: SMTPServerLimits

  /// `Path` or `<>`, for which it gives nil; consumes the angle brackets.
  func path(_ reader: inout ByteReader) throws(SMTPPathError) -> SMTPMailbox? {
    guard reader.consume(.less) else { throw .malformed }
    if reader.consume(.greater) { return nil }
    if reader.next == .at { try skipRoute(&reader) }
    let mailbox = try mailbox(&reader)
    guard reader.consume(.greater) else { throw .malformed }
    return mailbox
  }

  /// `A-d-l ":"`, the source route of old (RFC 5321 appendix C).
  private func skipRoute(_ reader: inout ByteReader) throws(SMTPPathError) {
    repeat {
      guard reader.consume(.at) else { throw .malformed }
      _ = try domain(&reader)
    } while reader.consume(.comma)
    guard reader.consume(.colon) else { throw .malformed }
  }

  /// `Mailbox`, or the lone `Postmaster`.
  private func mailbox(_ reader: inout ByteReader) throws(SMTPPathError) -> SMTPMailbox {
    let local = reader.next == .quote ? try quoted(&reader) : try dotString(&reader)
    guard local.count <= limits.localPartBytes else { throw .tooLong }
    // What another host might read as the way on. An address that holds these is not worth the risk.
    guard !local.contains(where: { $0 == 0x25 || $0 == 0x21 || $0 == .at || $0 == .colon }) else {
      throw .route
    }
    guard let valid = try? UTF8Span(validating: local.span) else { throw .malformed }
    let text = String(copying: valid)
    guard reader.consume(.at) else {
      guard text.lowercased() == "postmaster" else { throw .malformed }
      return SMTPMailbox(localPart: text, domain: nil)
    }
    return SMTPMailbox(localPart: text, domain: try domain(&reader))
  }

  /// `Dot-string`; RFC 6531 §3.3 adds UTF-8 to its atoms.
  private func dotString(_ reader: inout ByteReader) throws(SMTPPathError) -> [UInt8] {
    let range = reader.take { $0.isAtomText || $0 == 0x2E }
    let bytes = reader.copy(range)
    guard !bytes.isEmpty, bytes.first != 0x2E, bytes.last != 0x2E else { throw .malformed }
    for (one, next) in zip(bytes, bytes.dropFirst()) where one == 0x2E && next == 0x2E {
      throw .malformed
    }
    return bytes
  }

  /// `Quoted-string`, without its quotes and backslashes.
  private func quoted(_ reader: inout ByteReader) throws(SMTPPathError) -> [UInt8] {
    var bytes: [UInt8] = []
    _ = reader.consume(.quote)
    while let byte = reader.byte() {
      switch byte {
      case .quote:
        guard !bytes.isEmpty else { throw .malformed }
        return bytes
      case .backslash:
        guard let escaped = reader.byte(), (0x20...0x7E).contains(escaped) else {
          throw .malformed
        }
        bytes.append(escaped)
      case 0x20...0x7E, 0x80...: bytes.append(byte)
      default: throw .malformed
      }
    }
    throw .malformed
  }

  /// `Domain` or `address-literal`.
  private func domain(_ reader: inout ByteReader) throws(SMTPPathError) -> String {
    if reader.next == 0x5B { return try literal(&reader) }
    let range = reader.take {
      $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x2E || $0 >= 0x80
    }
    guard range.count <= limits.domainBytes else { throw .tooLong }
    let bytes = reader.copy(range)
    for label in bytes.split(separator: 0x2E, omittingEmptySubsequences: false) {
      guard !label.isEmpty, label.count <= 63, label.first != 0x2D, label.last != 0x2D else {
        throw .malformed
      }
    }
    guard let valid = try? UTF8Span(validating: bytes.span) else { throw .malformed }
    return String(copying: valid)
  }

  /// `"[" … "]"`, of which only the characters are looked at: none of our addresses has one.
  private func literal(_ reader: inout ByteReader) throws(SMTPPathError) -> String {
    let start = reader.position
    _ = reader.byte()
    let range = reader.take {
      $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x2E || $0 == .colon
    }
    guard !range.isEmpty, range.count <= limits.domainBytes, reader.consume(0x5D) else {
      throw .malformed
    }
    return String(utf8: reader.slice(start..<reader.position))
  }
}

extension UInt8 {
  fileprivate static var less: UInt8 { 0x3C }
  fileprivate static var greater: UInt8 { 0x3E }
  fileprivate static var at: UInt8 { 0x40 }
  fileprivate static var comma: UInt8 { 0x2C }
  fileprivate static var colon: UInt8 { 0x3A }

  /// `atext` (RFC 5322 §3.2.3), and what RFC 6531 adds.
  fileprivate var isAtomText: Bool {
    if isASCIILetter || isASCIIDigit || self >= 0x80 { return true }
    switch self {
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2F, 0x3D, 0x3F, 0x5E...0x60, 0x7B...0x7E:
      return true
    default: return false
    }
  }
}
