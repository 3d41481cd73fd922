import Bytes

/// A search for one string in many: `memchr` for its rarest byte, then a comparison.
///
/// The rarest byte is guessed by what English mail is made of; a bad guess costs time only. On text made
/// to fool it the search costs the product of both lengths: hence the steps, which callers bound.
final class ByteSearch: Sendable {
  let needle: [UInt8]
  private let rarest: Int

  init(_ needle: [UInt8]) {
    self.needle = needle
    var best = 0
    for index in needle.indices where Self.rank(needle[index]) < Self.rank(needle[best]) {
      best = index
    }
    rarest = best
  }

  /// How common a byte is in mail, roughly; the letters come as `etaoinshrdlu`.
  private static func rank(_ byte: UInt8) -> UInt8 {
    switch byte.asciiLowercased {
    case 0x65, 0x74, 0x61, 0x6F, 0x69, 0x6E, .space: 3
    case 0x73, 0x68, 0x72, 0x64, 0x6C, 0x75, 0x63, 0x6D: 2
    case 0x70, 0x67, 0x66, 0x77, 0x79, 0x62, 0x2E, 0x2D, 0x30, 0x31, 0x32: 1
    default: 0
    }
  }

  /// Where the string first stands at or after `start`; nil where it does not.
  func first(in text: Span<UInt8>, from start: Int = 0) -> Int? {
    var steps = Int.max
    return first(in: text, from: start, steps: &steps)
  }

  /// The same, for at most `steps` of some sixteen bytes that are looked at.
  func first(in text: Span<UInt8>, from start: Int = 0, steps: inout Int) -> Int? {
    let needle = needle
    let count = needle.count
    guard count > 0 else { return start <= text.count ? start : nil }
    guard start >= 0, text.count - start >= count else { return nil }
    let wanted = needle[rarest]
    let span = needle.span
    let cost = count / 16 + 1
    steps -= (text.count - start) / 64 + 1
    var position = start + rarest
    while steps > 0, let found = text.firstIndex(of: wanted, from: position) {
      steps -= cost
      let candidate = found - rarest
      guard candidate + count <= text.count else { return nil }
      if text.extracting(candidate..<candidate + count).elementsEqual(span) { return candidate }
      position = found + 1
    }
    return nil
  }
}
