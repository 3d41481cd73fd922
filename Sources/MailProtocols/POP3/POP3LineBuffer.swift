import Bytes

/// What the server sent and nobody has read yet, cut into lines where lines are asked for.
struct POP3LineBuffer: Sendable {
  private let limits: POP3Limits
  private(set) var bytes: [UInt8] = []
  private(set) var position = 0
  /// Up to here no line's end was found, so that no byte is looked at twice.
  private var scanned = 0

  init(limits: POP3Limits) { self.limits = limits }

  var isEmpty: Bool { position == bytes.count }

  mutating func receive(_ more: [UInt8]) {
    if position == bytes.count {
      bytes = more
      scanned = 0
    } else {
      if position > 0 { bytes.removeSubrange(..<position) }
      scanned = max(0, scanned - position)
      bytes.append(contentsOf: more)
    }
    position = 0
  }

  /// Forgets everything (RFC 2595 §4: what came before the handshake was not protected by it).
  mutating func discard() { self = POP3LineBuffer(limits: limits) }

  /// Goes on to `offset` of `bytes`.
  mutating func advance(to offset: Int) {
    position = offset
    scanned = max(scanned, offset)
    // An idle connection holds no buffer.
    if isEmpty { discard() }
  }

  /// The next line, not consumed: its range without its end, where the next one starts, and whether it
  /// ends by a bare LF.
  mutating func line() throws(POP3SyntaxError) -> (range: Range<Int>, next: Int, isBare: Bool)? {
    let found = bytes.span.firstIndex(of: .lf, from: max(scanned, position))
    guard (found ?? bytes.count) - position <= limits.lineBytes else {
      throw .tooLong(limit: "\(limits.lineBytes) bytes in a line")
    }
    guard let end = found else {
      scanned = bytes.count
      return nil
    }
    scanned = end
    let isBare = end == position || bytes[end - 1] != .cr
    return (position..<(isBare ? end : end - 1), end + 1, isBare)
  }
}
