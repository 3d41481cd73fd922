import Bytes
import MIME
import Model
import Sieve

/// The words of a message that a search for bare words looks among: its subject, addresses, preview and the names of
/// its attachments.
struct MessageWords {
  private let words: [String]

  init(_ message: RuleMessage) {
    var texts = ["subject", "from", "to", "cc", "bcc"].flatMap {
      ComparedValues.texts(of: $0, in: message.header)
    }.map { String(decoding: $0, as: UTF8.self) }
    if let parsed = message.parsed {
      texts.append(parsed.preview())
      texts += parsed.parts.compactMap(\.name)
    }
    words = texts.flatMap { Self.split($0) + [""] }
  }

  private static let separators = Set(#"@.<>,;:/\_-+='"()[]{}|!?&*#~%$^`"#)

  private static func split(_ text: String) -> [String] {
    text.lowercased().split { separators.contains($0) || $0.isWhitespace }.map(String.init)
      .filter(SearchTerm.hasWord)
  }

  /// Whether the words of `text` stand one after the other, the last of which may go on.
  func holds(_ text: String, isPrefix: Bool) -> Bool {
    let wanted = Self.split(text)
    guard let last = wanted.last else { return false }
    guard words.count >= wanted.count else { return false }
    return (0...words.count - wanted.count).contains { start in
      let found = words[start..<start + wanted.count]
      guard found.dropLast().elementsEqual(wanted.dropLast()) else { return false }
      let end = found[found.endIndex - 1]
      return isPrefix ? end.hasPrefix(last) : end == last
    }
  }
}
