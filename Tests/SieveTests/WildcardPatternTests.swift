@testable import Sieve
import TestSupport
import Testing

/// `:matches`, against a plain definition of it.
@Suite("Sieve :matches (RFC 5228 §2.7.1)") struct WildcardPatternTests {
  /// Whether a text matches by trying everything, and the shortest wildcards from the left.
  private static func slow(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> [[UInt8]]? {
    guard let first = pattern.first else { return text.isEmpty ? [] : nil }
    let rest = pattern.dropFirst()
    switch first {
    case 0x2A:
      for count in 0...text.count {
        if let found = slow(rest, text.dropFirst(count)) {
          return [[UInt8](text.prefix(count))] + found
        }
      }
      return nil
    case 0x3F:
      guard let byte = text.first, let found = slow(rest, text.dropFirst()) else { return nil }
      return [[byte]] + found
    case 0x5C where !rest.isEmpty:
      guard let byte = text.first, byte == rest.first else { return nil }
      return slow(rest.dropFirst(), text.dropFirst())
    default:
      guard text.first == first else { return nil }
      return slow(rest, text.dropFirst())
    }
  }

  @Test func `it agrees with a matcher that tries everything`() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<20_000 {
      let pattern = (0..<random.number(0...7)).map { _ in random.pick(Array("ab*?\\".utf8)) }
      let text = (0..<random.number(0...9)).map { _ in random.pick(Array("ab*\\".utf8)) }
      let expected = Self.slow(pattern[...], text[...])
      var steps = Int.max
      let fast = WildcardPattern(pattern)
      #expect(fast.matches(text.span, steps: &steps) == (expected != nil))
      guard let expected else { continue }
      #expect(fast.wildcards(in: text.span).map { [UInt8](text[$0]) } == expected)
    }
  }

  @Test func `a search agrees with one that looks everywhere`() {
    var random = SeededRandom(seed: 4)
    for _ in 0..<20_000 {
      let needle = (0..<random.number(0...4)).map { _ in random.pick(Array("abz".utf8)) }
      let text = (0..<random.number(0...12)).map { _ in random.pick(Array("abz".utf8)) }
      let last = text.count - needle.count
      let expected =
        last < 0 ? nil : (0...last).first { Array(text[$0..<$0 + needle.count]) == needle }
      #expect(ByteSearch(needle).first(in: text.span) == expected)
    }
  }
}
