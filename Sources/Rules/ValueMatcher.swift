import Bytes
import Model
import Sieve

/// Values of a rule, made ready to be held against values of a message.
struct ValueMatcher: Sendable {
  private let comparison: MessageTest.Comparison
  private let keys: [[UInt8]]
  private let patterns: [TextPattern]

  init(_ comparison: MessageTest.Comparison, _ values: [String]) {
    self.comparison = comparison
    switch comparison {
    case .matches:
      keys = []
      patterns = values.map { TextPattern(wildcards: $0) }
    case .regex:
      keys = []
      patterns = values.compactMap { TextPattern(regex: $0) }
    default:
      keys = values.map { [UInt8]($0.utf8).map(\.asciiLowercased) }
      patterns = []
    }
  }

  /// Whether one of the values stands in the relation to `value`.
  func matches(_ value: ComparedText) -> Bool {
    guard patterns.isEmpty else { return patterns.contains { $0.matches(value.bytes) } }
    let folded = value.folded
    return keys.contains { key in
      switch comparison {
      case .contains: Self.contains(folded, key)
      case .begins: folded.starts(with: key)
      case .ends: folded.count >= key.count && folded.suffix(key.count).elementsEqual(key)
      case .over: key.lexicographicallyPrecedes(folded)
      case .under: folded.lexicographicallyPrecedes(key)
      default: folded == key
      }
    }
  }

  private static func contains(_ text: [UInt8], _ key: [UInt8]) -> Bool {
    guard let first = key.first else { return true }
    guard text.count >= key.count else { return false }
    var start = 0
    let span = text.span
    while let found = span.firstIndex(of: first, from: start), found + key.count <= text.count {
      if text[found..<found + key.count].elementsEqual(key) { return true }
      start = found + 1
    }
    return false
  }
}

/// The entries of a list of addresses and domains.
struct ListEntries: Sendable {
  /// Whole addresses, in lower case.
  private(set) var addresses: Set<String> = []
  /// Domains, in lower case.
  private(set) var domains: Set<String> = []

  init(_ entries: [String]) {
    for entry in entries {
      let folded = String(decoding: entry.utf8.map(\.asciiLowercased), as: UTF8.self)
      if folded.hasPrefix("@") {
        domains.insert(String(folded.dropFirst()))
      } else if folded.contains("@") {
        addresses.insert(folded)
      } else {
        domains.insert(folded)
      }
    }
  }

  func hold(_ address: ComparedAddress) -> Bool {
    func text(_ bytes: [UInt8]) -> String {
      String(decoding: bytes.map(\.asciiLowercased), as: UTF8.self)
    }
    return addresses.contains(text(address.all))
      || address.domain.map { domains.contains(text($0)) } ?? false
  }
}
