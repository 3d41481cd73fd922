import Bytes

/// A string of a script or of a message, in UTF-8, together with its form for comparing without case.
///
/// Both are made once: a value of a header is compared with hundreds of keys. An object, so that to hand
/// it on costs one reference count and not two.
final class Text: Sendable {
  /// The bytes as they stand.
  let bytes: [UInt8]
  /// The bytes with ASCII letters in lower case; the same array where there is none in upper case.
  let folded: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    guard let first = bytes.firstIndex(where: { $0 &- 0x41 < 26 }) else {
      folded = bytes
      return
    }
    var folded = bytes
    for index in first..<folded.count { folded[index] = folded[index].asciiLowercased }
    self.folded = folded
  }

  convenience init(_ text: String) { self.init([UInt8](text.utf8)) }

  static let empty = Text([])

  /// The text as a string, ill-formed UTF-8 repaired.
  var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension [UInt8] {
  /// The bytes as a string, ill-formed UTF-8 repaired.
  var text: String { String(decoding: self, as: UTF8.self) }

  /// The bytes with ASCII letters in lower case.
  var lowercased: [UInt8] { map(\.asciiLowercased) }

  /// The bytes without blanks and line ends at both ends.
  var trimmed: [UInt8] {
    guard let first = firstIndex(where: { !$0.isSieveBlank }),
      let last = lastIndex(where: { !$0.isSieveBlank })
    else { return [] }
    return first == 0 && last == count - 1 ? self : [UInt8](self[first...last])
  }

  /// The place of `needle` at or after `start`; nil where it does not come.
  func firstRange(of needle: [UInt8], from start: Int = 0) -> Int? {
    ByteSearch(needle).first(in: span, from: start)
  }
}

extension UInt8 {
  /// Whether this is a space, a tab or part of a line end.
  var isSieveBlank: Bool { self == .space || self == .tab || self == .cr || self == .lf }
}
