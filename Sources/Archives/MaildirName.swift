import Bytes

/// The name of a file in a Maildir: something unique, sizes (Maildir++), and after `:2,` the flags.
///
///     1764125222.M17P5.host,S=812,W=838:2,FS
///
/// D draft, F flagged, P passed on, R replied, S seen, T trashed; small letters stand for keywords, which Dovecot keeps by number in
/// `dovecot-keywords`. Where a colon cannot stand in a name, `;` or `!` takes its place.
struct MaildirName {
  var keywords: Set<String> = []
  var isDeleted = false
  /// Letters of keywords, as numbers.
  var letters: [Int] = []
  /// The size of the file, and what it would be with CRLF at each line's end.
  var size: Int?
  var wireSize: Int?

  private static let system: [(letter: UInt8, keyword: String)] = [
    (0x44, "$draft"), (0x46, "$flagged"), (0x50, "$forwarded"), (0x52, "$answered"),
    (0x53, "$seen"),
  ]

  init(_ name: Span<UInt8>) {
    var base = name
    for index in stride(from: name.count - 3, through: 0, by: -1) {
      let isMark = name[index] == 0x3A || name[index] == 0x3B || name[index] == 0x21
      guard isMark, name[index + 1] == 0x32, name[index + 2] == 0x2C else { continue }
      base = name.extracting(0..<index)
      readFlags(name.extracting(index + 3..<name.count))
      break
    }
    size = Self.number(after: 0x53, in: base)
    wireSize = Self.number(after: 0x57, in: base)
  }

  private mutating func readFlags(_ flags: Span<UInt8>) {
    for index in 0..<flags.count {
      let letter = flags[index]
      if let known = Self.system.first(where: { $0.letter == letter }) {
        keywords.insert(known.keyword)
      } else if letter == 0x54 {
        isDeleted = true
      } else if (0x61...0x7A).contains(letter) {
        letters.append(Int(letter - 0x61))
      } else if letter == 0x2C {
        break  // What follows is of other programs.
      }
    }
  }

  /// The number of `,S=812`.
  private static func number(after letter: UInt8, in name: Span<UInt8>) -> Int? {
    var position = 0
    while let comma = name.firstIndex(of: 0x2C, from: position) {
      var reader = ByteReader(name.extracting(comma + 1..<name.count))
      if reader.consume(letter), reader.consume(0x3D), let number = reader.number() {
        return Int(exactly: number)
      }
      position = comma + 1
    }
    return nil
  }

  /// The letters of `keywords`, `words` being those that have a letter each.
  static func flags(of keywords: [String], _ words: [String]) -> String {
    var letters = system.filter { keywords.contains($0.keyword) }.map(\.letter)
    for (index, word) in words.prefix(26).enumerated() where keywords.contains(word) {
      letters.append(UInt8(0x61 + index))
    }
    return String(utf8: letters.span)
  }

  /// Whether a keyword has a letter of its own everywhere.
  static func isSystem(_ keyword: String) -> Bool { system.contains { $0.keyword == keyword } }
}
