import Bytes

/// The base subject of a message: what is left when marks of replies and forwards are taken off (RFC 5256 §2.1).
///
///     "Re: [list] RE: lunch (fwd)"  →  "lunch", a reply
///     "[fwd: [list] lunch]"         →  "lunch", a reply
///     "[list] lunch"                →  "lunch", no reply
package struct BaseSubject: Sendable, Equatable {
  /// UTF-8, runs of blanks made one, equal for subjects that differ in case alone (RFC 5256 §7, `i;unicode-casemap`).
  package let bytes: [UInt8]
  /// Whether a mark of a reply or of a forward was taken off.
  package let isReply: Bool

  /// How many bytes of a subject are looked at: brackets without end would cost the square of their number.
  private static let limit = 512

  /// The base of a subject whose encoded words are decoded.
  package init(of subject: Span<UInt8>) {
    var text = Self.folded(subject.extracting(first: Self.limit))
    var isReply = false
    var changes = true
    while changes {
      changes = false
      Self.dropTrailers(&text, &isReply)
      Self.dropLeaders(&text, &isReply)
      if text.starts(with: Self.forwardHeader), text.last == 0x5D {
        text.removeFirst(Self.forwardHeader.count)
        text.removeLast()
        isReply = true
        changes = true
      }
    }
    bytes = Self.caseMapped(text)
    self.isReply = isReply
  }

  /// In one case, as `i;unicode-casemap` compares texts (RFC 5051 §2); other than there, nothing is decomposed.
  private static func caseMapped(_ text: ArraySlice<UInt8>) -> [UInt8] {
    guard text.contains(where: { $0 >= 0x80 }) else { return Array(text) }
    // Of letters with two lower cases one.
    let lower = String(decoding: text, as: UTF8.self).lowercased()
    return Array(lower.replacing("ς", with: "σ").utf8)
  }

  private static let forwardHeader = Array("[fwd:".utf8)
  private static let forwardTrailer = Array("(fwd)".utf8)

  /// Step 1: blanks made one; and, as comparisons take no account of case, ASCII in lower case.
  private static func folded(_ subject: Span<UInt8>) -> ArraySlice<UInt8> {
    var text: [UInt8] = []
    text.reserveCapacity(subject.count)
    for index in subject.indices {
      let byte = subject[index]
      if byte == 0x20 || (0x09...0x0D).contains(byte) {
        if text.last != 0x20 { text.append(0x20) }
      } else {
        text.append((0x41...0x5A).contains(byte) ? byte | 0x20 : byte)
      }
    }
    return text[...]
  }

  /// Step 2.
  private static func dropTrailers(_ text: inout ArraySlice<UInt8>, _ isReply: inout Bool) {
    while true {
      if text.last == 0x20 {
        text.removeLast()
      } else if text.suffix(forwardTrailer.count).elementsEqual(forwardTrailer) {
        text.removeLast(forwardTrailer.count)
        isReply = true
      } else {
        return
      }
    }
  }

  /// Steps 3 to 5.
  private static func dropLeaders(_ text: inout ArraySlice<UInt8>, _ isReply: inout Bool) {
    while true {
      if text.first == 0x20 {
        text.removeFirst()
      } else if let end = endOfLeader(text) {
        text = text[end...]
        isReply = true
      } else if let end = endOfBlob(text[...]), end < text.endIndex {
        text = text[end...]
      } else {
        return
      }
    }
  }

  /// Where `*subj-blob subj-refwd` ends; nil where the text does not begin with one.
  private static func endOfLeader(_ text: ArraySlice<UInt8>) -> Int? {
    var rest = text
    while let end = endOfBlob(rest) { rest = rest[end...] }
    let marks = ["re", "fwd", "fw"]
    guard let mark = marks.first(where: { rest.starts(with: $0.utf8) }) else { return nil }
    rest = rest.dropFirst(mark.utf8.count)
    while rest.first == 0x20 { rest = rest.dropFirst() }
    if let end = endOfBlob(rest) { rest = rest[end...] }
    return rest.first == 0x3A ? rest.startIndex + 1 : nil
  }

  /// Where `subj-blob`, text in square brackets and the blanks behind it, ends.
  private static func endOfBlob(_ text: ArraySlice<UInt8>) -> Int? {
    guard text.first == 0x5B else { return nil }
    var index = text.startIndex + 1
    while index < text.endIndex, text[index] != 0x5D {
      guard text[index] != 0x5B else { return nil }
      index += 1
    }
    guard index < text.endIndex else { return nil }
    index += 1
    while index < text.endIndex, text[index] == 0x20 { index += 1 }
    return index
  }
}
