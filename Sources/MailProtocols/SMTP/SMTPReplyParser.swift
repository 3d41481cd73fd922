import Bytes

/// Bytes that are no reply of RFC 5321 §4.2; the connection cannot be used any more.
package struct SMTPSyntaxError: Error, Equatable, Sendable {
  /// What was expected.
  package let reason: String
}

/// Cuts what the server sends into replies.
///
/// Leniencies, each met in the wild: a line may end with a bare LF; the code may stand alone, without
/// space and text; where the lines of one reply disagree about the code, the last one counts; text
/// that is not UTF-8 is repaired.
struct SMTPReplyParser: Sendable {
  private let limits: SMTPLimits
  private var buffer: [UInt8] = []
  /// How much of `buffer` was consumed.
  private var position = 0
  /// How much of `buffer` is known to hold no line end, so that no byte is looked at twice.
  private var scanned = 0
  private var lines: [String] = []

  /// A parser that has seen nothing.
  init(limits: SMTPLimits) {
    self.limits = limits
  }

  /// Whether nothing waits to be parsed.
  var isEmpty: Bool { position == buffer.count && lines.isEmpty }

  /// Takes in what the network brought.
  mutating func receive(_ bytes: [UInt8]) {
    buffer.removeFirst(position)
    scanned = max(0, scanned - position)
    position = 0
    if buffer.isEmpty {
      buffer = bytes
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  /// Forgets all that was received and not consumed: what stood there before the TLS handshake was
  /// not protected by it (RFC 3207 §4.2).
  mutating func discard() {
    buffer = []
    position = 0
    scanned = 0
    lines = []
  }

  /// The next complete reply; nil while more bytes are needed.
  mutating func next() throws(SMTPSyntaxError) -> SMTPReply? {
    while let range = try line() {
      let (code, isLast, text) = try parse(range)
      lines.append(text)
      guard lines.count <= limits.replyLines else {
        throw SMTPSyntaxError(reason: "a reply has more than \(limits.replyLines) lines")
      }
      if isLast {
        defer { lines = [] }
        return SMTPReply(code: code, lines: lines)
      }
    }
    return nil
  }

  /// The range of the next line, without its end.
  private mutating func line() throws(SMTPSyntaxError) -> Range<Int>? {
    let found = buffer.span.firstIndex(of: .lf, from: max(scanned, position))
    guard (found ?? buffer.count) - position <= limits.replyLineBytes else {
      throw SMTPSyntaxError(reason: "a reply line is longer than \(limits.replyLineBytes) bytes")
    }
    guard let end = found else {
      scanned = buffer.count
      return nil
    }
    let start = position
    position = end + 1
    scanned = position
    return start..<(end > start && buffer[end - 1] == .cr ? end - 1 : end)
  }

  /// `Reply-code [ SP / "-" textstring ]`.
  private func parse(
    _ range: Range<Int>
  ) throws(SMTPSyntaxError) -> (code: Int, isLast: Bool, text: String) {
    let line = buffer.span.extracting(range)
    guard line.count >= 3, line[0] >= 0x32, line[0] <= 0x35, line[1].isASCIIDigit,
      line[2].isASCIIDigit
    else { throw SMTPSyntaxError(reason: "a line does not begin with a reply code") }
    let code = Int(line[0] - 0x30) * 100 + Int(line[1] - 0x30) * 10 + Int(line[2] - 0x30)
    guard line.count > 3 else { return (code, true, "") }
    guard line[3] == .space || line[3] == 0x2D else {
      throw SMTPSyntaxError(reason: "a reply code is followed by neither space nor hyphen")
    }
    let text = line.extracting(4..<line.count)
    return (code, line[3] == .space, String(utf8: text.extracting(text.trimmingBlanks)))
  }
}
