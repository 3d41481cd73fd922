import Bytes

/// A noun whose ids stand in the API with a prefix of their own.
package protocol Identified {
  /// What an id of the noun begins with: `acc_`.
  static var idPrefix: StaticString { get }
}

/// The stable id of one resource: a number inside, a prefix and 13 characters outside.
///
/// The number is mixed by a fixed bijection and written in base 32 (digits and lower-case letters without
/// `i l o u`), so that an id shows neither order nor count, and never a path or a UID.
package struct ID<Noun: Identified>: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The number that the tables hold.
  package var rawValue: Int64

  /// The id with the number `rawValue`.
  package init(_ rawValue: Int64) { self.rawValue = rawValue }

  /// The id that `text` spells; nil where it is none of this noun.
  package init?(text: String) {
    var text = text
    text.makeContiguousUTF8()
    guard let number = IDCoding.decode(text.utf8.span, prefix: Noun.idPrefix) else { return nil }
    rawValue = number
  }

  /// The id as the API writes it.
  package var description: String {
    var bytes: [UInt8] = []
    bytes.append(id: self)
    return String(decoding: bytes, as: UTF8.self)
  }

  package static func < (left: ID, right: ID) -> Bool { left.rawValue < right.rawValue }
}

extension [UInt8] {
  /// Appends an id as the API writes it; all of it ASCII that JSON need not escape.
  package mutating func append<Noun: Identified>(id: ID<Noun>) {
    append(Noun.idPrefix)
    IDCoding.encode(id.rawValue, into: &self)
  }
}

/// The digits and the mixing of ids.
private enum IDCoding {
  static let digits = [UInt8]("0123456789abcdefghjkmnpqrstvwxyz".utf8)
  static let length = 13
  /// An odd factor and its inverse modulo 2⁶⁴.
  static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
  static let inverse: UInt64 = 0xF1DE_83E1_9937_733D

  static func encode(_ number: Int64, into bytes: inout [UInt8]) {
    var mixed = UInt64(bitPattern: number) &* factor
    mixed ^= mixed >> 32
    for shift in stride(from: (length - 1) * 5, through: 0, by: -5) {
      bytes.append(digits[Int(mixed >> UInt64(shift) & 31)])
    }
  }

  static func decode(_ text: Span<UInt8>, prefix: StaticString) -> Int64? {
    var reader = ByteReader(text)
    guard reader.consume(prefix), reader.remaining == length else { return nil }
    var mixed: UInt64 = 0
    for position in 0..<length {
      guard let byte = reader.byte(), let digit = digits.firstIndex(of: byte) else { return nil }
      if position == 0, digit > 15 { return nil }
      mixed = mixed << 5 | UInt64(digit)
    }
    mixed ^= mixed >> 32
    return Int64(bitPattern: mixed &* inverse)
  }
}
