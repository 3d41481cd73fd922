import Bytes

/// Writes a message as the DATA command wants it (RFC 5321 §4.5.2), chunk by chunk.
///
/// Every line end becomes CRLF, a bare CR or LF included: a server that took `LF . LF` or `CR . CR` for
/// the end of the message would read what follows as commands, and so mail could be smuggled in. A
/// line that begins with a dot gets a second one.
package struct SMTPBodyEncoder: Sendable {
  private var isAtLineStart = true
  /// The last byte was a CR, whose line end was written; an LF that follows belongs to it.
  private var sawCR = false

  /// An encoder at the start of a message.
  package init() {}

  /// Appends the wire form of the next bytes of the message.
  package mutating func encode(_ chunk: Span<UInt8>, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + chunk.count + chunk.count / 32 + 16)
    var position = 0
    var nextCR = chunk.firstIndex(of: .cr) ?? chunk.count
    var nextLF = chunk.firstIndex(of: .lf) ?? chunk.count
    if sawCR, nextLF == 0 { position = 1 }
    if !chunk.isEmpty { sawCR = false }
    while position < chunk.count {
      if nextCR < position { nextCR = chunk.firstIndex(of: .cr, from: position) ?? chunk.count }
      if nextLF < position { nextLF = chunk.firstIndex(of: .lf, from: position) ?? chunk.count }
      let end = min(nextCR, nextLF)
      if end > position {
        if isAtLineStart, chunk[position] == 0x2E { output.append(0x2E) }
        output.append(chunk.extracting(position..<end))
        isAtLineStart = false
      }
      guard end < chunk.count else { return }
      output.append("\r\n")
      isAtLineStart = true
      sawCR = end == nextCR && end + 1 == chunk.count
      position = end == nextCR && nextLF == end + 1 ? end + 2 : end + 1
    }
  }

  /// Appends the end of the message: a line end where the last line has none, and the dot.
  package mutating func finish(into output: inout [UInt8]) {
    if !isAtLineStart { output.append("\r\n") }
    output.append(".\r\n")
    self = Self()
  }
}
