import Bytes

/// Text with each run of white space as one space, cut at a number of scalars; it comes line by line.
struct CollapsedText {
  /// In UTF-8.
  private(set) var bytes: [UInt8] = []
  /// Whether there is no room for more.
  private(set) var isFull = false
  /// How many scalars there is room for.
  private var room: Int
  private var isSpaceDue = false

  init(limit: Int) {
    room = limit
    bytes.reserveCapacity(limit + 32)
  }

  var isEmpty: Bool { bytes.isEmpty }

  /// Takes a line in UTF-8, without its end.
  mutating func append(_ line: Span<UInt8>) {
    var start = 0
    while start < line.count, !isFull {
      var end = start
      while end < line.count, line[end] > .space, line[end] < 0x7F { end += 1 }
      if end > start {
        append(word: line.extracting(start..<end))
      } else if line[start] < 0x80 {
        endWord()
        end = start + 1
      } else {
        return append(String(utf8: line.extracting(start..<line.count)))
      }
      start = end
    }
    endWord()
  }

  /// Takes printable ASCII.
  private mutating func append(word: Span<UInt8>) {
    guard makeRoom() else { return }
    bytes.append(word.extracting(first: room))
    isFull = word.count >= room
    room -= min(room, word.count)
  }

  private mutating func append(_ text: String) {
    for scalar in text.unicodeScalars {
      guard !isFull else { break }
      if Self.isBlank(scalar) {
        endWord()
      } else if !Self.isFiller(scalar), !(Self.isJoiner(scalar) && isSpaceDue), makeRoom() {
        bytes.append(contentsOf: String(scalar).utf8)
        room -= 1
        isFull = room == 0
      }
    }
    endWord()
  }

  private mutating func endWord() { isSpaceDue = !bytes.isEmpty }

  /// Writes the space that is due; false where nothing has room behind it.
  private mutating func makeRoom() -> Bool {
    isFull = room < (isSpaceDue ? 2 : 1)
    guard !isFull else { return false }
    if isSpaceDue {
      bytes.append(.space)
      room -= 1
      isSpaceDue = false
    }
    return true
  }

  /// Whether a scalar is white space (Unicode's White_Space) or a control of ASCII.
  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case ...0x20, 0x7F, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
      true
    default: false
    }
  }

  /// Whether a scalar only pads: newsletters fill their preview text with them.
  private static func isFiller(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00AD, 0x034F, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, 0xFFFD: true
    default: false
    }
  }

  /// Whether a scalar means something only between two others.
  private static func isJoiner(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value == 0x200C || scalar.value == 0x200D
  }
}
