import Bytes

/// Writes a text as encoded words (RFC 2047) in UTF-8, by B or Q, whichever is shorter for it.
///
///     =?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?utf-8?B?5pel5pys?=
struct EncodedWordEncoder {
  /// The longest encoded word (§2).
  static let longestWord = 75
  /// The room below which a line is ended rather than filled: a word of three scalars fits in it.
  static let leastRoom = 36
  /// `=?utf-8?Q?` and `?=`.
  private static let frame = 12

  private let isBase64: Bool
  /// What cannot be split: characters as people see them, or scalars where one alone is too long.
  private let units: [[UInt8]]
  private var position = 0

  init(_ text: String) {
    let bytes = Array(text.utf8)
    isBase64 = (bytes.count + 2) / 3 * 4 < bytes.reduce(0) { $0 + Self.quotedLength($1) }
    // A unit fits in the least room by either encoding.
    units = text.flatMap { character -> [[UInt8]] in
      let bytes = Array(String(character).utf8)
      return bytes.count <= 8 ? [bytes] : character.unicodeScalars.map { Array(String($0).utf8) }
    }
  }

  /// Whether every character was written.
  var isAtEnd: Bool { position == units.count }

  /// The next encoded word, of at most `room` columns and of at least one character.
  mutating func next(upTo room: Int) -> [UInt8] {
    let payload = min(room, Self.longestWord) - Self.frame
    var content: [UInt8] = []
    var length = 0
    while position < units.count {
      let unit = units[position]
      let grown =
        isBase64
        ? (content.count + unit.count + 2) / 3 * 4
        : length + unit.reduce(0) { $0 + Self.quotedLength($1) }
      guard grown <= payload || content.isEmpty else { break }
      content.append(contentsOf: unit)
      length = grown
      position += 1
    }
    var word: [UInt8] = []
    word.append(text: isBase64 ? "=?utf-8?B?" : "=?utf-8?Q?")
    if isBase64 {
      word.append(contentsOf: Base64.standard.encode(content.span))
    } else {
      for byte in content { Self.quote(byte, into: &word) }
    }
    word.append("?=")
    return word
  }

  /// Whether Q may leave the byte as it is even inside a phrase (§5 (3)).
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte.isASCIILetter || byte.isASCIIDigit || "!*+-/".utf8.contains(byte)
  }

  private static func quotedLength(_ byte: UInt8) -> Int {
    isPlain(byte) || byte == .space ? 1 : 3
  }

  private static func quote(_ byte: UInt8, into output: inout [UInt8]) {
    if isPlain(byte) {
      output.append(byte)
    } else if byte == .space {
      output.append(0x5F)
    } else {
      output.appendEscape(0x3D, byte)
    }
  }
}

extension [UInt8] {
  /// Appends `mark` and the byte in two upper-case hexadecimal digits.
  mutating func appendEscape(_ mark: UInt8, _ byte: UInt8) {
    append(mark)
    for digit in [byte >> 4, byte & 15] { append(digit < 10 ? 0x30 + digit : 0x37 + digit) }
  }
}
