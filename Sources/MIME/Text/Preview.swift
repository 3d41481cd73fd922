import Bytes

/// The plain-text fragment that a list shows of a message (RFC 8621 §4.1.4 `preview`).
package enum Preview {
  /// How many bytes of a text are read at most: enough for the preview even where most lines are quotes.
  private static let mostBytes = 64 << 10

  /// The beginning of `text`, white space collapsed; of HTML, its text only.
  ///
  /// At most `limit` Unicode scalars. Quoted lines and what follows a signature's dashes are left
  /// out, unless nothing else stands there.
  package static func text(from text: String, isHTML: Bool = false, limit: Int = 256) -> String {
    let whole = isHTML ? HTMLText.plainText(text, limit: mostBytes) : text
    let plain = Array(whole.utf8.prefix(mostBytes))
    if let full = full(from: plain, limit: limit) { return full }
    let preview = collapsed(plain, upTo: mostBytes, leavesOutQuotes: true, limit)
    if !preview.isEmpty { return String(decoding: preview.bytes, as: UTF8.self) }
    let all = Array(whole.utf8)
    let anything = collapsed(all, upTo: all.count, leavesOutQuotes: false, limit)
    return String(decoding: anything.bytes, as: UTF8.self)
  }

  /// The preview of a text that begins with these lines, where they are enough for it, as they mostly are.
  static func full(from lines: [UInt8], limit: Int) -> String? {
    let begun = collapsed(lines, upTo: limit * 6, leavesOutQuotes: true, limit)
    return begun.isFull ? String(decoding: begun.bytes, as: UTF8.self) : nil
  }

  /// The lines that begin within the first `count` bytes as one, cut at `limit` scalars.
  private static func collapsed(
    _ text: [UInt8],
    upTo count: Int,
    leavesOutQuotes: Bool,
    _ limit: Int
  ) -> CollapsedText {
    let bytes = text.span
    var collapsed = CollapsedText(limit: limit)
    var line = 0
    while line < min(count, bytes.count), !collapsed.isFull {
      let next = bytes.firstIndex(of: .lf, from: line) ?? bytes.count
      let content = bytes.extracting(line..<next)
      line = next + 1
      if leavesOutQuotes {
        if isSignatureMark(content) { break }
        if !content.isEmpty, content[0] == 0x3E { continue }
      }
      collapsed.append(content)
    }
    return collapsed
  }

  private static func isSignatureMark(_ line: Span<UInt8>) -> Bool {
    guard line.count >= 3, line.extracting(first: 3).elementsEqual("-- ".utf8.span) else {
      return false
    }
    return (3..<line.count).allSatisfy { line[$0] == .cr }
  }
}
