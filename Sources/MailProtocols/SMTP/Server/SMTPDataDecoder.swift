import Bytes

/// Takes a message out of what follows DATA (RFC 5321 §4.5.2), and finds its one true end.
///
/// The end is `CRLF . CRLF` and nothing else. Servers that took `LF . LF`, `CR . CR` or any mixture for it let
/// mail be smuggled through those that did not: what one of them took for text was the next one's commands. So a
/// lone dot with a bare CR or LF beside it ends the session at once, before what follows could be read as anything; and
/// a bare CR or LF elsewhere has the message refused, since the next host may read it in its own way.
struct SMTPDataDecoder: Sendable {
  /// How far the message has come.
  enum Progress: Equatable, Sendable {
    /// There is more of it.
    case more
    /// It has ended, at this offset of the bytes given.
    case end(Int)
    /// Somebody tries to smuggle.
    case smuggling
  }

  /// What is wrong with the message, whose end is still looked for.
  enum Defect: Equatable, Sendable {
    case bareLineEnd
    case longLine
  }

  private enum State: Sendable {
    case lineStart
    /// Behind a dot that began a line.
    case dot
    /// Behind the CR that follows such a dot.
    case dotCR
    case text
    /// Behind a CR in a line.
    case cr
  }

  private let lineLimit: Int
  private var state = State.lineStart
  /// Whether a CR or LF alone stands before this line.
  private var isAfterBareEnd = false
  private var lineBytes = 0
  /// The first thing that is wrong.
  private(set) var defect: Defect?

  /// A decoder at the start of a message.
  init(lineLimit: Int) {
    self.lineLimit = lineLimit
  }

  /// Appends the message's next bytes to `output`, up to its end.
  mutating func decode(_ bytes: Span<UInt8>, into output: inout [UInt8]) -> Progress {
    var position = 0
    var nextCR = bytes.firstIndex(of: .cr) ?? bytes.count
    var nextLF = bytes.firstIndex(of: .lf) ?? bytes.count
    while position < bytes.count {
      let byte = bytes[position]
      switch state {
      case .lineStart:
        lineBytes = 0
        state = byte == 0x2E ? .dot : .text
        if byte == 0x2E { position += 1 }
      case .dot:
        guard byte != .lf else { return .smuggling }
        // A dot that was doubled, or should have been (RFC 5321 §4.5.2): it goes.
        state = byte == .cr ? .dotCR : .text
        if byte == .cr { position += 1 }
      case .dotCR:
        guard byte == .lf, !isAfterBareEnd else { return .smuggling }
        return .end(position + 1)
      case .text:
        // Found anew only where they were passed, so that no byte is looked at twice.
        if nextCR < position { nextCR = bytes.firstIndex(of: .cr, from: position) ?? bytes.count }
        if nextLF < position { nextLF = bytes.firstIndex(of: .lf, from: position) ?? bytes.count }
        let end = min(nextCR, nextLF)
        output.append(bytes.extracting(position..<end))
        lineBytes += end - position
        if lineBytes > lineLimit { defect = defect ?? .longLine }
        position = end
        guard end < bytes.count else { break }
        position += 1
        if end == nextCR { state = .cr } else { endLine(barely: true, with: .lf, &output) }
      case .cr:
        if byte == .lf {
          output.append(.cr)
          endLine(barely: false, with: .lf, &output)
          position += 1
        } else {
          endLine(barely: true, with: .cr, &output)
        }
      }
    }
    return .more
  }

  private mutating func endLine(barely isBare: Bool, with byte: UInt8, _ output: inout [UInt8]) {
    output.append(byte)
    if isBare { defect = defect ?? .bareLineEnd }
    isAfterBareEnd = isBare
    state = .lineStart
  }
}
