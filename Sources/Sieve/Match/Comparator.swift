import Bytes

/// A way to compare strings (RFC 4790), by its registered name.
enum Comparator: String, Sendable {
  /// Byte by byte.
  case octet = "i;octet"
  /// Byte by byte, ASCII letters of either case alike.
  case asciiCasemap = "i;ascii-casemap"
  /// As the number that the string begins with.
  case asciiNumeric = "i;ascii-numeric"

  var name: String { rawValue }

  /// Whether a script may use it without `require` (RFC 5228 §2.7.3).
  var isCore: Bool { self != .asciiNumeric }

  /// Whether it can look for a string inside another.
  var findsSubstrings: Bool { self != .asciiNumeric }

  /// Whether two strings are equal.
  @inline(__always)
  func isEqual(_ one: Text, _ other: Text) -> Bool {
    switch self {
    case .octet: one.bytes == other.bytes
    case .asciiCasemap: one.folded == other.folded
    case .asciiNumeric: Self.compareNumbers(one.bytes, other.bytes) == 0
    }
  }

  /// Below 0 where the first string sorts first, 0 where they are equal, else above 0.
  func compare(_ one: Text, _ other: Text) -> Int {
    switch self {
    case .octet: Self.compareBytes(one.bytes, other.bytes) { $0 }
    // RFC 4790 §9.2.1: letters are compared in upper case, which tells where `_` sorts.
    case .asciiCasemap: Self.compareBytes(one.bytes, other.bytes) { $0.asciiUppercased }
    case .asciiNumeric: Self.compareNumbers(one.bytes, other.bytes)
    }
  }

  /// The bytes that are compared for equality.
  @inline(__always)
  func form(_ text: Text) -> [UInt8] { self == .asciiCasemap ? text.folded : text.bytes }

  private static func compareBytes(
    _ one: [UInt8],
    _ other: [UInt8],
    _ form: (UInt8) -> UInt8
  ) -> Int {
    for index in 0..<min(one.count, other.count) {
      let (first, second) = (form(one[index]), form(other[index]))
      if first != second { return first < second ? -1 : 1 }
    }
    return one.count - other.count
  }

  /// Compares the numbers that two strings begin with; a string that begins with none is infinite
  /// (RFC 4790 §9.1.1).
  private static func compareNumbers(_ one: [UInt8], _ other: [UInt8]) -> Int {
    switch (digits(one), digits(other)) {
    case (nil, nil): return 0
    case (nil, _): return 1
    case (_, nil): return -1
    case (.some(let first), .some(let second)):
      if first.count != second.count { return first.count - second.count }
      for (one, other) in zip(first, second) where one != other { return one < other ? -1 : 1 }
      return 0
    }
  }

  /// The digits that a string begins with, without leading zeros; nil where there is none.
  private static func digits(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let digits = bytes.prefix(while: \.isASCIIDigit)
    guard !digits.isEmpty else { return nil }
    return digits.drop { $0 == 0x30 }
  }
}
