import Bytes

/// One header field while it is written: folded within 78 columns where a fold is possible, and never
/// longer than 998 (RFC 5322 §2.1.1).
struct HeaderLine {
  /// The columns that a line should not exceed: those of one with an encoded word (RFC 2047 §2).
  static let width = 76
  /// The longest word that is written as it is; anything longer becomes encoded words.
  static let longestWord = 900

  private var bytes: [UInt8]
  private var column: Int
  private var isEmpty = true

  init(_ name: String) {
    bytes = Array(name.utf8)
    bytes.append(0x3A)
    column = bytes.count
  }

  /// Adds a space and `token`, which is never broken; the space becomes a fold where it must.
  mutating func append(token: String, space: String = " ") {
    let count = token.utf8.count + space.utf8.count
    if !isEmpty, column + count > Self.width { fold() }
    bytes.append(text: space)
    bytes.append(text: token)
    column += count
    isEmpty = false
  }

  /// Adds `text`, which belongs to the token before it.
  mutating func append(tight text: String) {
    bytes.append(text: text)
    column += text.utf8.count
  }

  /// Adds `text` as encoded words, each cut so that it fits its line.
  mutating func append(encoding text: String) {
    var encoder = EncodedWordEncoder(text)
    while !encoder.isAtEnd {
      var room = Self.width - column - 1
      if room < EncodedWordEncoder.leastRoom, !isEmpty || column > Self.width / 2 {
        fold()
        room = Self.width - 1
      }
      let word = encoder.next(upTo: max(room, EncodedWordEncoder.leastRoom))
      bytes.append(0x20)
      bytes.append(contentsOf: word)
      column += word.count + 1
      isEmpty = false
    }
  }

  /// Ends the field.
  consuming func end(into output: inout [UInt8]) {
    output.append(contentsOf: bytes)
    output.append("\r\n")
  }

  /// Begins a new line; what comes next begins with white space.
  private mutating func fold() {
    bytes.append("\r\n")
    column = 0
  }
}

// MARK: - Unstructured text

extension HeaderLine {
  /// Adds a text: words that can stand as they are do, the rest, from the first that cannot to the
  /// last, becomes encoded words.
  mutating func append(unstructured text: String) {
    let words = HeaderWord.split(text)
    guard var first = words.firstIndex(where: \.needsEncoding),
      let last = words.lastIndex(where: \.needsEncoding)
    else {
      for word in words { append(token: word.text, space: word.space) }
      return
    }
    // Between a plain and an encoded word the one space that parts them shows; what is more than
    // that goes into the word, and what is no space, or parts nothing, takes the word before along.
    while first > 0, words[first].text.isEmpty || !words[first].space.hasPrefix(" ") { first -= 1 }
    for word in words[..<first] { append(token: word.text, space: word.space) }
    let inside = words[first...last].enumerated().map { index, word in
      (index == 0 ? String(word.space.dropFirst()) : word.space) + word.text
    }
    append(encoding: inside.joined())
    for word in words[(last + 1)...] { append(token: word.text, space: word.space) }
  }
}

/// A word of an unstructured text with the white space before it.
private struct HeaderWord {
  let space: String
  let text: String
  let needsEncoding: Bool

  /// The words of `text`; joined with their spaces, and without the first one, they are `text`.
  static func split(_ text: String) -> [HeaderWord] {
    let bytes = Array(text.utf8)
    var pieces: [(space: String, text: String)] = []
    var index = 0
    while index < bytes.count {
      let start = index
      while index < bytes.count, bytes[index].isBlank { index += 1 }
      let wordStart = index
      while index < bytes.count, !bytes[index].isBlank { index += 1 }
      pieces.append(
        (
          String(decoding: bytes[start..<wordStart], as: UTF8.self),
          String(decoding: bytes[wordStart..<index], as: UTF8.self)
        )
      )
    }
    return pieces.enumerated().map { place, piece in
      let space = place == 0 ? " " + piece.space : piece.space
      // One plain space parts words safely; any other white space may be lost on the way.
      let isPlain = space == " " && isPlain(piece.text)
      let isLast = place == pieces.count - 1
      return HeaderWord(
        space: space,
        text: piece.text,
        needsEncoding: !isPlain || (isLast && piece.text.isEmpty)
      )
    }
  }

  private static func isPlain(_ word: String) -> Bool {
    guard word.utf8.count <= HeaderLine.longestWord else { return false }
    var previous: UInt8 = 0
    for byte in word.utf8 {
      // "=?" begins an encoded word, and must not by chance.
      guard byte > 0x20, byte < 0x7F, !(previous == 0x3D && byte == 0x3F) else { return false }
      previous = byte
    }
    return true
  }
}

/// A whole field of one address in angle brackets, its UTF-8 as it is (RFC 6532 §3.2): encoded words must not stand there (RFC 2047 §5).
///
/// Controls become spaces, so that no address ends the field early.
package func formatField(_ name: String, address: String) -> [UInt8] {
  var line = HeaderLine(name)
  line.append(token: "<\(withoutControls(address))>")
  var output: [UInt8] = []
  line.end(into: &output)
  return output
}

private func withoutControls(_ text: String) -> String {
  let safe = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }
  return String(String.UnicodeScalarView(safe))
}

/// A whole field of unstructured text with its line end, folded and encoded (RFC 2047) where it must be.
///
/// Controls become spaces, so that no text ends the field early.
package func formatField(_ name: String, text: String) -> [UInt8] {
  var line = HeaderLine(name)
  line.append(unstructured: withoutControls(text))
  var output: [UInt8] = []
  line.end(into: &output)
  return output
}
