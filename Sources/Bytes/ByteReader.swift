/// A cursor over borrowed bytes, from which every parser of the project reads.
///
/// Methods named by a noun (`byte`, `line`) try: they return nil and consume nothing where the input
/// does not match. Grammar is added by extensions in the target that needs it.
package struct ByteReader: ~Escapable {
  /// All the bytes, those already read included.
  package let bytes: Span<UInt8>
  /// How many bytes were read: the offset of the next one in `bytes`.
  package private(set) var position: Int

  /// A reader at the start of `bytes`.
  @inlinable
  @_lifetime(copy bytes)
  package init(_ bytes: Span<UInt8>) {
    self.bytes = bytes
    self.position = 0
  }

  /// How many bytes are left.
  @inlinable @inline(__always) package var remaining: Int { bytes.count - position }

  /// Whether every byte was read.
  @inlinable @inline(__always) package var isAtEnd: Bool { position >= bytes.count }

  /// The next byte, not consumed; nil at the end.
  @inlinable @inline(__always)
  package var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// The byte `offset` places after the next one, not consumed.
  @inlinable @inline(__always)
  package func peek(_ offset: Int) -> UInt8? {
    position + offset < bytes.count ? bytes[position + offset] : nil
  }

  /// Consumes and returns the next byte.
  @inlinable @inline(__always)
  package mutating func byte() -> UInt8? {
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  /// Consumes `count` bytes, or all that are left.
  @inlinable @inline(__always)
  package mutating func skip(_ count: Int) {
    position = min(position + max(count, 0), bytes.count)
  }

  /// Goes back, or on, to `offset`.
  @inlinable @inline(__always)
  package mutating func seek(to offset: Int) {
    position = min(max(offset, 0), bytes.count)
  }

  /// Consumes the next byte if it is `wanted`.
  @inlinable @inline(__always)
  package mutating func consume(_ wanted: UInt8) -> Bool {
    guard next == wanted else { return false }
    position += 1
    return true
  }

  /// Consumes `text` if it comes next, letter for letter.
  package mutating func consume(_ text: StaticString) -> Bool {
    matches(text, ignoringCase: false)
  }

  /// Consumes `text`, written in upper case, if it comes next in any case.
  package mutating func consume(ignoringCase text: StaticString) -> Bool {
    matches(text, ignoringCase: true)
  }

  private mutating func matches(_ text: StaticString, ignoringCase: Bool) -> Bool {
    let count = text.utf8CodeUnitCount
    guard remaining >= count else { return false }
    for index in 0..<count {
      let wanted = unsafe text.utf8Start[index]
      let found = bytes[position + index]
      guard found == wanted || (ignoringCase && found.asciiUppercased == wanted) else {
        return false
      }
    }
    position += count
    return true
  }

  /// Consumes bytes while `condition` holds and returns their range in `bytes` (may be empty).
  @inlinable @inline(__always)
  package mutating func take(while condition: (UInt8) -> Bool) -> Range<Int> {
    let start = position
    while position < bytes.count, condition(bytes[position]) { position += 1 }
    return start..<position
  }

  /// Consumes up to, and not including, the next `byte`; to the end where there is none.
  package mutating func take(upTo byte: UInt8) -> Range<Int> {
    let start = position
    position = bytes.firstIndex(of: byte, from: start) ?? bytes.count
    return start..<position
  }

  /// An unsigned decimal number of at least one digit; nil, with nothing consumed, on none or on overflow.
  @inlinable
  package mutating func number() -> UInt64? {
    let start = position
    var value: UInt64 = 0
    while let digit = next, digit.isASCIIDigit {
      let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
      let (sum, carried) = product.addingReportingOverflow(UInt64(digit &- 0x30))
      guard !overflowed, !carried else {
        position = start
        return nil
      }
      value = sum
      position += 1
    }
    return position > start ? value : nil
  }

  /// The bytes of `range`, borrowed from what the reader reads.
  @inlinable
  @_lifetime(copy self)
  package func slice(_ range: Range<Int>) -> Span<UInt8> {
    bytes.extracting(range)
  }

  /// The bytes of `range` as an array of their own.
  @inlinable
  package func copy(_ range: Range<Int>) -> [UInt8] {
    bytes.extracting(range).array
  }
}
