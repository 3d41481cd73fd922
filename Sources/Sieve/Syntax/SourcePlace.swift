import Bytes

/// Turns an offset of a script into a line and a column, both counted from 1.
enum SourcePlace {
  /// The place of `offset`; columns count characters, not bytes.
  static func find(_ offset: Int, in script: Span<UInt8>) -> (line: Int, column: Int) {
    let end = min(max(offset, 0), script.count)
    var line = 1
    var start = 0
    while let feed = script.firstIndex(of: .lf, from: start), feed < end {
      line += 1
      start = feed + 1
    }
    var column = 1
    for index in start..<end where script[index] & 0xC0 != 0x80 { column += 1 }
    return (line, column)
  }
}
