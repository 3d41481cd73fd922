/// The alphabets of RFC 4648: `standard` (§4, padded) and `url` (§5, not padded).
package enum Base64: Sendable {
  case standard
  case url

  private static let standardAlphabet = [UInt8](
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
  )
  private static let urlAlphabet = [UInt8](
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8
  )

  /// Encodes `bytes` on one line.
  package func encode(_ bytes: Span<UInt8>) -> [UInt8] {
    let alphabet = self == .standard ? Self.standardAlphabet : Self.urlAlphabet
    var output: [UInt8] = []
    output.reserveCapacity((bytes.count + 2) / 3 * 4)
    var index = 0
    while index + 2 < bytes.count {
      let group = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
      output.append(alphabet[group >> 18])
      output.append(alphabet[group >> 12 & 63])
      output.append(alphabet[group >> 6 & 63])
      output.append(alphabet[group & 63])
      index += 3
    }
    let left = bytes.count - index
    if left > 0 {
      let group = Int(bytes[index]) << 16 | (left == 2 ? Int(bytes[index + 1]) << 8 : 0)
      output.append(alphabet[group >> 18])
      output.append(alphabet[group >> 12 & 63])
      if left == 2 { output.append(alphabet[group >> 6 & 63]) }
      if self == .standard { output.append(contentsOf: [UInt8](repeating: 0x3D, count: 3 - left)) }
    }
    return output
  }

  /// Decodes exactly encoded bytes; nil on any byte outside the alphabet or a wrong length.
  ///
  /// The tolerant decoder for message bodies stands in `MIME`.
  package func decode(_ text: Span<UInt8>) -> [UInt8]? {
    var count = text.count
    if self == .standard {
      guard count % 4 == 0 else { return nil }
      while count > 0, count > text.count - 2, text[count - 1] == 0x3D { count -= 1 }
    }
    guard count % 4 != 1 else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(count / 4 * 3 + 2)
    var bits: UInt32 = 0
    var held = 0
    for index in 0..<count {
      guard let value = value(of: text[index]) else { return nil }
      bits = bits << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        output.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
      }
    }
    guard bits & ((1 << UInt32(held)) - 1) == 0 else { return nil }
    return output
  }

  private func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5A: byte - 0x41
    case 0x61...0x7A: byte - 0x61 + 26
    case 0x30...0x39: byte - 0x30 + 52
    case 0x2B where self == .standard, 0x2D where self == .url: 62
    case 0x2F where self == .standard, 0x5F where self == .url: 63
    default: nil
    }
  }
}
