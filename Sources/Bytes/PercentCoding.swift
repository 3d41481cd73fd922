/// Percent-encoding (RFC 3986 §2.1).
package enum PercentCoding {
  /// Decodes `%XX`; with `plusIsSpace`, `+` as a space, as forms write it.
  ///
  /// Nil on a broken escape.
  package static func decode(_ text: Span<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      if byte == 0x25 {
        guard index + 1 < text.count, let high = text[index].hexValue,
          let low = text[index + 1].hexValue
        else { return nil }
        output.append(high << 4 | low)
        index += 2
      } else {
        output.append(byte == 0x2B && plusIsSpace ? .space : byte)
      }
    }
    return output
  }

  /// Encodes every byte that is not unreserved (RFC 3986 §2.3).
  package static func encode(_ bytes: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    for index in 0..<bytes.count {
      let byte = bytes[index]
      if byte.isASCIIDigit || byte.isASCIILetter || byte == 0x2D || byte == 0x2E || byte == 0x5F
        || byte == 0x7E
      {
        output.append(byte)
      } else {
        output.append(0x25)
        output.append(Hex.digit(byte >> 4).asciiUppercased)
        output.append(Hex.digit(byte & 15).asciiUppercased)
      }
    }
    return output
  }
}
