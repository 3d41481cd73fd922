import Bytes

/// The name of a mailbox: its bytes on the wire, and the text they stand for.
///
///     S: * LIST () "/" "Entw&APw-rfe"        the mailbox "Entwürfe"
///
/// The wire form is what the server knows the mailbox by, so it is kept even where it is not
/// well-formed; `decoded` is for people.
package struct MailboxName: Hashable, Sendable, CustomStringConvertible {
  /// The bytes on the wire, in modified UTF-7 (RFC 3501 §5.1.3) unless the server ignores it.
  package let encoded: [UInt8]

  /// The name that stands on the wire as `encoded`; INBOX in any case becomes `INBOX`.
  package init(encoded: [UInt8]) {
    self.encoded =
      encoded.span.equalsIgnoringCase("inbox") ? Array("INBOX".utf8) : encoded
  }

  /// The mailbox that people call `name`.
  package init(_ name: String) {
    self.init(encoded: ModifiedUTF7.encode(name))
  }

  /// The mailbox that every account has.
  package static let inbox = MailboxName(encoded: Array("INBOX".utf8))

  /// The name for people; bytes that are no modified UTF-7 are shown as they are.
  package var decoded: String { ModifiedUTF7.decode(encoded.span) }

  package var description: String { decoded }
}

/// Modified UTF-7 (RFC 3501 §5.1.3): printable ASCII as it is, all else as UTF-16 in base64.
enum ModifiedUTF7 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,".utf8
  )

  static func encode(_ text: String) -> [UInt8] {
    var output: [UInt8] = []
    var held: [UInt16] = []
    for unit in text.utf16 {
      guard (0x20...0x7E).contains(unit) else {
        held.append(unit)
        continue
      }
      flush(&held, to: &output)
      output.append(UInt8(unit))
      if unit == 0x26 { output.append(0x2D) }
    }
    flush(&held, to: &output)
    return output
  }

  private static func flush(_ units: inout [UInt16], to output: inout [UInt8]) {
    guard !units.isEmpty else { return }
    output.append(0x26)
    var bits: UInt32 = 0
    var count = 0
    for unit in units {
      bits = bits << 16 | UInt32(unit)
      count += 16
      while count >= 6 {
        count -= 6
        output.append(alphabet[Int(bits >> UInt32(count)) & 63])
      }
      bits &= (1 << UInt32(count)) - 1
    }
    if count > 0 { output.append(alphabet[Int(bits << UInt32(6 - count)) & 63]) }
    output.append(0x2D)
    units.removeAll()
  }

  /// Leniency `malformedMailboxName`: what does not decode is taken as UTF-8 as it stands.
  static func decode(_ bytes: Span<UInt8>) -> String {
    guard bytes.firstIndex(of: 0x26) != nil, let text = decodeStrictly(bytes) else {
      return String(utf8: bytes)
    }
    return text
  }

  private static func decodeStrictly(_ bytes: Span<UInt8>) -> String? {
    var units: [UInt16] = []
    var reader = ByteReader(bytes)
    while let byte = reader.byte() {
      guard byte < 0x80 else { return nil }
      guard byte == 0x26 else {
        units.append(UInt16(byte))
        continue
      }
      let run = reader.take(upTo: 0x2D)
      guard reader.consume(0x2D) else { return nil }
      if run.isEmpty {
        units.append(0x26)
      } else {
        guard appendUnits(of: reader.slice(run), to: &units) else { return nil }
      }
    }
    return String(validating: units, as: UTF16.self)
  }

  private static func appendUnits(of run: Span<UInt8>, to units: inout [UInt16]) -> Bool {
    var bits: UInt32 = 0
    var count = 0
    for index in 0..<run.count {
      guard let value = value(of: run[index]) else { return false }
      bits = (bits << 6 | UInt32(value)) & 0xFF_FFFF
      count += 6
      guard count >= 16 else { continue }
      count -= 16
      units.append(UInt16(truncatingIfNeeded: bits >> UInt32(count)))
    }
    return count < 6
  }

  private static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5A: byte - 0x41
    case 0x61...0x7A: byte - 0x61 + 26
    case 0x30...0x39: byte - 0x30 + 52
    case 0x2B: 62
    case 0x2C: 63
    default: nil
    }
  }
}
