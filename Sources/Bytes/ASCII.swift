extension UInt8 {
  @inlinable package static var cr: UInt8 { 0x0D }
  @inlinable package static var lf: UInt8 { 0x0A }
  @inlinable package static var tab: UInt8 { 0x09 }
  @inlinable package static var space: UInt8 { 0x20 }
  @inlinable package static var quote: UInt8 { 0x22 }
  @inlinable package static var backslash: UInt8 { 0x5C }

  /// Whether this is a decimal digit.
  @inlinable package var isASCIIDigit: Bool { self &- 0x30 < 10 }

  /// Whether this is an ASCII letter.
  @inlinable package var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }

  /// Whether this is a space or a tab.
  @inlinable package var isBlank: Bool { self == 0x20 || self == 0x09 }

  /// Whether this is a control character (C0 or DEL).
  @inlinable package var isControl: Bool { self < 0x20 || self == 0x7F }

  /// The lower-case form of an ASCII letter; any other byte as it is.
  @inlinable package var asciiLowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

  /// The upper-case form of an ASCII letter; any other byte as it is.
  @inlinable package var asciiUppercased: UInt8 { self &- 0x61 < 26 ? self & 0xDF : self }

  /// The value of a hexadecimal digit in either case; nil for any other byte.
  @inlinable package var hexValue: UInt8? {
    if isASCIIDigit { return self &- 0x30 }
    let letter = (self | 0x20) &- 0x61
    return letter < 6 ? letter + 10 : nil
  }
}

extension [UInt8] {
  /// Appends the ASCII or UTF-8 bytes of a literal.
  @inlinable
  package mutating func append(_ text: StaticString) {
    unsafe append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    )
  }

  /// Appends the UTF-8 bytes of `text`.
  @inlinable
  package mutating func append(text: String) {
    append(contentsOf: text.utf8)
  }

  /// Appends `bytes`.
  @inlinable
  package mutating func append(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }

  /// Appends `number` in decimal.
  @inlinable
  package mutating func append(decimal number: some FixedWidthInteger) {
    if number < 0 { append(0x2D) }
    append(magnitude: UInt64(number.magnitude))
  }

  @usableFromInline
  mutating func append(magnitude: UInt64) {
    // From the first digit on: turning a slice of an array round copies it.
    var unit: UInt64 = 1
    while magnitude / unit >= 10 { unit *= 10 }
    while unit > 0 {
      append(UInt8(truncatingIfNeeded: magnitude / unit % 10) + 0x30)
      unit /= 10
    }
  }
}
