import Bytes

/// A decoder of base64 text as mail has it (RFC 2045 §6.8), fed in chunks of any size.
///
/// Bytes outside the alphabet are passed over, as the RFC asks, and white space among them is no
/// defect. Padding ends a group, and another may follow, as where encoded texts were joined. What a
/// cut group still tells is kept.
package struct Base64Decoder: Sendable {
  /// Whether something was no base64, or was cut short.
  package private(set) var isMalformed = false
  private var bits: UInt32 = 0
  /// Digits of the group so far: 0 to 3.
  private var digits = 0
  /// Padding characters still due.
  private var paddingDue = 0

  /// A decoder that has read nothing.
  package init() {}

  /// How many bytes `text` decodes to, counted without decoding them.
  package static func decodedSize(of text: Span<UInt8>) -> Int {
    let values = Self.values
    var size = 0
    // Of the groups since the last padding.
    var digits = 0
    for index in text.indices {
      let byte = text[index]
      if values[Int(byte)] < 64 {
        digits += 1
      } else if byte == 0x3D {
        size += decodedSize(digits: digits)
        digits = 0
      }
    }
    return size + decodedSize(digits: digits)
  }

  /// A group that is cut short holds a byte less than it has digits.
  private static func decodedSize(digits: Int) -> Int {
    digits / 4 * 3 + max(digits % 4 - 1, 0)
  }

  /// Decodes a chunk, appending to `output`.
  package mutating func receive(_ chunk: Span<UInt8>, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + chunk.count / 4 * 3 + 3)
    for index in chunk.indices {
      let byte = chunk[index]
      let value = Self.values[Int(byte)]
      if value < 64 {
        add(value, to: &output)
      } else if byte == 0x3D {
        endGroup(to: &output)
      } else if !byte.isFieldSpace {
        isMalformed = true
      }
    }
  }

  /// Ends the text, appending what a group without padding still holds.
  package mutating func finish(into output: inout [UInt8]) {
    if digits > 0 {
      isMalformed = true
      endGroup(to: &output)
    }
    if paddingDue > 0 { isMalformed = true }
    paddingDue = 0
  }

  private mutating func add(_ value: UInt8, to output: inout [UInt8]) {
    bits = bits << 6 | UInt32(value)
    digits += 1
    guard digits == 4 else { return }
    output.append(UInt8(truncatingIfNeeded: bits >> 16))
    output.append(UInt8(truncatingIfNeeded: bits >> 8))
    output.append(UInt8(truncatingIfNeeded: bits))
    bits = 0
    digits = 0
  }

  /// Emits the whole bytes of a group that padding or the end closes.
  private mutating func endGroup(to output: inout [UInt8]) {
    switch digits {
    case 2:
      output.append(UInt8(truncatingIfNeeded: bits >> 4))
      paddingDue = 1
    case 3:
      output.append(UInt8(truncatingIfNeeded: bits >> 10))
      output.append(UInt8(truncatingIfNeeded: bits >> 2))
    case 0 where paddingDue > 0: paddingDue -= 1
    default: isMalformed = true
    }
    bits = 0
    digits = 0
  }

  /// The value of each digit of RFC 4648 §4; 64 for all other bytes.
  private static let values: [UInt8] = {
    var table = [UInt8](repeating: 64, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (value, digit) in alphabet.utf8.enumerated() { table[Int(digit)] = UInt8(value) }
    return table
  }()
}
