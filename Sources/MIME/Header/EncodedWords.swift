import Bytes

/// Encoded words in header fields (RFC 2047).
///
///     Subject: =?iso-8859-1?Q?Gr=FC=DFe?= aus =?UTF-8?B?TcO8bmNoZW4=?=
///
/// White space between two words is dropped, and the bytes of neighbours in one charset are joined
/// before they are decoded, so that a character cut in two by a careless sender is whole again.
///
/// Leniencies, each from mail that is met:
/// - *anywhere*: a word needs no white space around it, and may stand in a quoted string;
/// - *blanks inside*: the Q text may hold blanks, and the B text need not be padded;
/// - *raw eight-bit*: text outside words is UTF-8 where it is valid, else windows-1252.
///
/// NUL is dropped everywhere and other controls where they come out of a word, so that no encoded
/// line break reaches whoever uses the text (RFC 8621 §4.1.2.2).
package enum EncodedWords {
  /// The text of an unstructured field body or an ENVELOPE string, decoded and unfolded.
  package static func decode(_ bytes: Span<UInt8>) -> String {
    guard bytes.firstIndex(of: 0x3D) != nil else { return literal(bytes) }
    var decoder = EncodedWordDecoder()
    var position = 0
    var plainStart = 0
    while let equals = bytes.firstIndex(of: 0x3D, from: position) {
      guard let word = EncodedWord(in: bytes, at: equals) else {
        position = equals + 1
        continue
      }
      decoder.add(plain: bytes.extracting(plainStart..<equals))
      decoder.add(word, in: bytes)
      position = word.end
      plainStart = word.end
    }
    guard plainStart > 0 else { return literal(bytes) }
    decoder.add(plain: bytes.extracting(plainStart..<bytes.count))
    return decoder.finish()
  }

  /// Whether `decode` would give the very bytes back: ASCII on one line, without an encoded word.
  package static func isPlain(_ bytes: Span<UInt8>) -> Bool {
    for index in 0..<bytes.count {
      switch bytes[index] {
      case 0, .lf, .cr, 0x3D, 0x80...: return false
      default: continue
      }
    }
    return true
  }

  /// The text of bytes without encoded words, unfolded.
  static func literal(_ bytes: Span<UInt8>) -> String {
    if bytes.firstIndex(of: .lf) == nil, bytes.firstIndex(of: .cr) == nil {
      return String(headerBytes: bytes)
    }
    let unfolded = bytes.array.filter { $0 != .cr && $0 != .lf }
    return String(headerBytes: unfolded.span)
  }
}

/// Where the pieces of one encoded word stand.
private struct EncodedWord {
  let charset: Range<Int>
  let isBase64: Bool
  let text: Range<Int>
  /// The offset behind the closing `?=`.
  let end: Int

  /// The word that starts at the `=` at `start`; nil where what stands there is none.
  init?(in bytes: Span<UInt8>, at start: Int) {
    let longestCharset = 60
    guard start + 1 < bytes.count, bytes[start + 1] == 0x3F,
      let first = bytes.firstIndex(of: 0x3F, from: start + 2),
      first > start + 2, first - start < longestCharset, first + 2 < bytes.count,
      bytes[first + 2] == 0x3F
    else { return nil }
    for index in start + 2..<first where bytes[index] <= .space || bytes[index] == 0x3D {
      return nil
    }
    switch bytes[first + 1].asciiLowercased {
    case 0x62: isBase64 = true
    case 0x71: isBase64 = false
    default: return nil
    }
    let textStart = first + 3
    guard let close = Self.close(in: bytes, from: textStart) else { return nil }
    charset = start + 2..<first
    text = textStart..<close
    end = close + 2
  }

  /// Where the `?=` of a word stands whose text starts at `start`.
  ///
  /// A question mark inside is passed over, but no more than a line's length is searched: a header
  /// full of openings must not cost the square of its length.
  private static func close(in bytes: Span<UInt8>, from start: Int) -> Int? {
    let longestText = 4_096
    var index = start
    while let mark = bytes.firstIndex(of: 0x3F, from: index), mark - start < longestText {
      guard mark + 1 < bytes.count else { return nil }
      if bytes[mark + 1] == 0x3D { return mark }
      index = mark + 1
    }
    return nil
  }
}

/// Gathers plain text and encoded words into one string.
private struct EncodedWordDecoder {
  private var output = ""
  /// Blanks that are dropped if another word follows.
  private var heldBlanks = ""
  private var afterWord = false
  private var charset = ""
  private var pending: [UInt8] = []

  mutating func add(plain bytes: Span<UInt8>) {
    let text = EncodedWords.literal(bytes)
    if afterWord, text.utf8.allSatisfy({ $0.isBlank }) {
      heldBlanks += text
      return
    }
    flush()
    output += heldBlanks + text
    heldBlanks = ""
    afterWord = false
  }

  mutating func add(_ word: EncodedWord, in bytes: Span<UInt8>) {
    let name = String(lowercasing: bytes.extracting(word.charset))
    if name != charset { flush() }
    charset = name
    heldBlanks = ""
    afterWord = true
    let text = bytes.extracting(word.text)
    pending += word.isBase64 ? Self.decodeB(text) : Self.decodeQ(text)
  }

  mutating func finish() -> String {
    flush()
    return output + heldBlanks
  }

  private mutating func flush() {
    guard !pending.isEmpty else { return }
    let text = Charset.decode(pending.span, charset: charset).text
    if text.utf8.contains(where: \.isControl) {
      output.unicodeScalars.append(
        contentsOf: text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }
      )
    } else {
      output += text
    }
    pending = []
  }

  private static func decodeB(_ text: Span<UInt8>) -> [UInt8] {
    var decoder = Base64Decoder()
    var output: [UInt8] = []
    decoder.receive(text, into: &output)
    decoder.finish(into: &output)
    return output
  }

  private static func decodeQ(_ text: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    var index = 0
    while index < text.count {
      let byte = text[index]
      index += 1
      switch byte {
      case 0x5F: output.append(.space)
      case 0x3D where index + 1 < text.count:
        if let high = text[index].hexValue, let low = text[index + 1].hexValue {
          output.append(high << 4 | low)
          index += 2
        } else {
          output.append(byte)
        }
      case .cr, .lf: break
      default: output.append(byte)
      }
    }
    return output
  }
}
