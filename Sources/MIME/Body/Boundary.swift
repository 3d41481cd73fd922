import Bytes

/// The lines that part a multipart (RFC 2046 §5.1.1).
enum Boundary {
  /// The boundary that a line is: which of those open, and whether it closes its multipart.
  ///
  /// The outermost wins, for a part can't reach beyond the one around it. White space behind it is
  /// allowed; anything else is not, so that a boundary that begins with another's text is not taken
  /// for it.
  static func match(
    _ bytes: Span<UInt8>,
    _ line: Range<Int>,
    in open: [[UInt8]]
  ) -> (level: Int, isClosing: Bool)? {
    guard line.count >= 2, bytes[line.lowerBound] == 0x2D, bytes[line.lowerBound + 1] == 0x2D
    else { return nil }
    var end = line.upperBound
    while end > line.lowerBound, bytes[end - 1].isFieldSpace { end -= 1 }
    let text = min(line.lowerBound + 2, end)..<end
    for (level, boundary) in open.enumerated() {
      let extra = text.count - boundary.count
      guard extra == 0 || extra == 2, starts(bytes, text, with: boundary) else { continue }
      if extra == 0 { return (level, false) }
      if bytes[end - 1] == 0x2D, bytes[end - 2] == 0x2D { return (level, true) }
    }
    return nil
  }

  private static func starts(
    _ bytes: Span<UInt8>,
    _ text: Range<Int>,
    with boundary: [UInt8]
  ) -> Bool {
    for (offset, byte) in boundary.enumerated() where bytes[text.lowerBound + offset] != byte {
      return false
    }
    return true
  }
}
