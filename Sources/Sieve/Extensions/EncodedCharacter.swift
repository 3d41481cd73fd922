import Bytes

/// `${hex:…}` and `${unicode:…}` in strings (RFC 5228 §2.4.2.4).
extension ScriptExtension {
  static let encodedCharacter = ScriptExtension("encoded-character") { capability in
    capability.changesReading = true
  }
}

/// Strings with the characters that a script names by number.
enum EncodedCharacters {
  /// The string with each encoding decoded; what is none stays as it is written.
  static func decode(_ bytes: [UInt8], at offset: Int) throws(Fault) -> [UInt8] {
    var output: [UInt8] = []
    var position = 0
    while position < bytes.count {
      guard bytes[position] == 0x24, let (decoded, end) = try sequence(bytes, position, offset)
      else {
        output.append(bytes[position])
        position += 1
        continue
      }
      output += decoded
      position = end
    }
    return output
  }

  /// The encoding that begins at `start`, and where it ends; nil where none does.
  private static func sequence(
    _ bytes: [UInt8],
    _ start: Int,
    _ offset: Int
  ) throws(Fault) -> (bytes: [UInt8], end: Int)? {
    var reader = ByteReader(bytes.span)
    reader.seek(to: start)
    guard reader.consume("${") else { return nil }
    let isHex = reader.consume(ignoringCase: "HEX:")
    guard isHex || reader.consume(ignoringCase: "UNICODE:") else { return nil }
    var output: [UInt8] = []
    var isFirst = true
    while true {
      let blanks = reader.take { $0.isSieveBlank }
      if reader.consume(0x7D) { return isFirst ? nil : (output, reader.position) }
      guard isFirst || !blanks.isEmpty else { return nil }
      isFirst = false
      guard let number = number(&reader, digits: isHex ? 2 : 16) else { return nil }
      if isHex {
        output.append(UInt8(truncatingIfNeeded: number))
      } else {
        guard let scalar = Unicode.Scalar(number) else {
          throw Fault(at: offset, "a character of this number does not exist")
        }
        output += Array(String(scalar).utf8)
      }
    }
  }

  private static func number(_ reader: inout ByteReader, digits limit: Int) -> UInt32? {
    var value: UInt64 = 0
    var count = 0
    while let digit = reader.next?.hexValue, count < limit {
      reader.skip(1)
      value = min(value << 4 | UInt64(digit), UInt64(UInt32.max))
      count += 1
    }
    return count == 0 ? nil : UInt32(truncatingIfNeeded: value)
  }
}
