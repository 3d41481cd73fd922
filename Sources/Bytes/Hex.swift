/// Bytes as lower-case hexadecimal text and back.
package enum Hex {
  /// Two lower-case digits a byte.
  package static func encode(_ bytes: Span<UInt8>) -> String {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count * 2)
    for index in 0..<bytes.count {
      output.append(digit(bytes[index] >> 4))
      output.append(digit(bytes[index] & 15))
    }
    return String(decoding: output, as: UTF8.self)
  }

  /// The bytes that `text` spells; nil on an odd length or a byte that is no digit.
  package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
    guard text.count % 2 == 0 else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(text.count / 2)
    for index in stride(from: 0, to: text.count, by: 2) {
      guard let high = text[index].hexValue, let low = text[index + 1].hexValue else { return nil }
      output.append(high << 4 | low)
    }
    return output
  }

  /// The lower-case digit of a value below 16.
  @inlinable
  package static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
