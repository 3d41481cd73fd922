import Bytes

/// Cuts a server's bytes into responses: a line with the literals in it, up to its last line end.
///
/// Framing comes before grammar. A response is complete when a line ends that no literal follows,
/// so the grammar never meets "not yet", and it reads literals where they lie in the buffer:
///
///     * 12 FETCH (UID 40 BODY[HEADER] {9}␍␊
///     To: x␍␊␍␊)␍␊                                    one frame
///
/// A literal too great to hold is not put into the frame. It comes out in pieces as it arrives,
/// first, and the frame follows with `{…!` in place of `{…}`: a mark that no grammar of IMAP
/// allows, of the same length, that tells the parser that the bytes are elsewhere.
struct IMAPFramer {
  enum Frame {
    /// A complete response, its line end included, at this range of `buffer`.
    case response(Range<Int>)
    /// More of a literal that is not held.
    case literal([UInt8])
  }

  /// The sign that replaces the closing brace of a streamed literal's header.
  static let streamedMark: UInt8 = 0x21

  let limits: IMAPLimits
  private(set) var buffer: [UInt8] = []
  /// Where the next frame starts.
  private var start = 0
  /// Up to where the frame's bytes were looked at: the start of a line of it.
  private var lineStart = 0
  /// Up to where the line was searched for its end.
  private var searched = 0
  /// The frame's bytes up to and including a streamed literal's header.
  private var held: [UInt8] = []
  /// How much of a streamed literal is still to come.
  private var streaming = 0

  init(limits: IMAPLimits) { self.limits = limits }

  /// Whether bytes are there that belong to no finished frame.
  var isEmpty: Bool { start == buffer.count && held.isEmpty }

  /// Forgets all that was received, as STARTTLS demands.
  mutating func discard() { self = IMAPFramer(limits: limits) }

  /// Takes what was received and belongs to no frame yet, as COMPRESS demands.
  mutating func takeRest() -> [UInt8] {
    let rest = Array(buffer[min(start, buffer.count)...])
    discard()
    return rest
  }

  mutating func receive(_ bytes: [UInt8]) {
    if start == buffer.count {
      buffer = bytes
      lineStart -= start
      searched -= start
      start = 0
      return
    }
    if start > 0 {
      buffer.removeSubrange(..<start)
      lineStart -= start
      searched -= start
      start = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next frame; nil if more bytes are needed.
  mutating func next() throws(IMAPFramingError) -> Frame? {
    if streaming > 0 { return literalPiece() }
    while lineStart <= buffer.count {  // A literal that is held may not have come whole yet.
      guard let lineEnd = buffer.span.firstIndex(of: .lf, from: searched) else {
        searched = buffer.count
        guard buffer.count - start <= limits.response else {
          throw .tooLong(limit: limits.response)
        }
        release()
        return nil
      }
      let next = lineEnd + 1
      guard let literal = try literalHeader(lineStart..<lineEnd) else { return finish(at: next) }
      let isHeld =
        literal.count == 0
        || (literal.count <= limits.literalInMemory
          && next - start + literal.count <= limits.response / 2)
      guard isHeld else {
        guard let piece = beginStreaming(literal, dataStart: next) else { return nil }
        return piece
      }
      lineStart = next + literal.count
      searched = lineStart
    }
    return nil
  }

  /// Lets go of bytes that all belong to frames that were taken: an idle connection holds no buffer.
  private mutating func release() {
    guard start == buffer.count, !buffer.isEmpty else { return }
    buffer = []
    lineStart -= start
    searched -= start
    start = 0
  }

  private mutating func finish(at end: Int) -> Frame? {
    let range = start..<end
    start = end
    lineStart = end
    searched = end
    return .response(range)
  }

  private mutating func beginStreaming(
    _ literal: (count: Int, brace: Int),
    dataStart: Int
  ) -> Frame? {
    buffer[literal.brace] = Self.streamedMark
    held = Array(buffer[start..<dataStart])
    start = dataStart
    streaming = literal.count
    return literalPiece()
  }

  /// Takes what is there of a streamed literal; after its end the frame goes on.
  private mutating func literalPiece() -> Frame? {
    let available = min(streaming, buffer.count - start)
    guard available > 0 else { return nil }
    let piece: [UInt8]
    if start == 0, available == buffer.count {
      piece = buffer  // The whole read belongs to the literal: hand it on without a copy.
      buffer = []
    } else {
      piece = Array(buffer[start..<start + available])
      start += available
    }
    streaming -= available
    if streaming == 0 {
      buffer = held + buffer[start...]
      start = 0
      lineStart = held.count
      searched = held.count
      held = []
    }
    return .literal(piece)
  }

  /// The literal whose header ends the line: its length, and where its closing brace stands.
  private func literalHeader(
    _ line: Range<Int>
  ) throws(IMAPFramingError) -> (count: Int, brace: Int)? {
    let bytes = buffer.span
    var index = line.upperBound - 1
    if index >= line.lowerBound, bytes[index] == .cr { index -= 1 }
    guard index > line.lowerBound, bytes[index] == 0x7D else { return nil }
    let brace = index
    index -= 1
    if index > line.lowerBound, bytes[index] == 0x2B { index -= 1 }
    let lastDigit = index
    while index > line.lowerBound, bytes[index].isASCIIDigit { index -= 1 }
    guard index < lastDigit, bytes[index] == 0x7B, !isStatusLine else { return nil }
    var reader = ByteReader(bytes.extracting(index + 1..<lastDigit + 1))
    guard let count = reader.number(), count <= UInt64(limits.literal) else {
      throw .literalTooLong(limit: limits.literal)
    }
    return (Int(count), brace)
  }

  /// Whether the frame's first line is a status response, whose text may end in anything.
  private var isStatusLine: Bool {
    guard lineStart == start else { return false }
    var reader = ByteReader(buffer.span.extracting(start..<buffer.count))
    if reader.next == 0x2B { return true }
    _ = reader.take { $0 > 0x20 }
    reader.skipBlanks()
    return ["OK ", "NO ", "BAD ", "BYE ", "PREAUTH "].contains {
      reader.consume(ignoringCase: $0)
    }
  }
}

/// The bytes cannot be cut into responses; nothing after them can be trusted.
package enum IMAPFramingError: Error, Equatable, Sendable {
  /// A response is longer than `limit` bytes.
  case tooLong(limit: Int)
  /// A literal is longer than `limit` bytes.
  case literalTooLong(limit: Int)
}
