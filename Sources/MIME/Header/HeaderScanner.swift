import Bytes

/// Finds the fields of a header (RFC 5322 §2.2 and §4.5) and where it ends.
///
/// Leniencies, each from mail that is met:
/// - *mbox line*: a first line `From …` or `>From …` without a colon is passed over;
/// - *blank before the colon* of a field, which RFC 5322 §4.5 still allows;
/// - *stray line*: a line that is no field is passed over as long as the header goes on behind it
///   (an unindented continuation); else the empty line was forgotten and the body starts with it.
struct HeaderScanner {
  /// How a header ended.
  enum End: Hashable {
    /// By the empty line, which is passed over.
    case emptyLine
    /// By a line that belongs to the body, or at the end of the bytes.
    case unterminated
    /// At a boundary line of a part around it, which is not passed over.
    case boundary
  }

  let limits: MIMELimits
  private(set) var fields: [HeaderField] = []
  private(set) var defects: [Defect.Kind] = []
  private(set) var end = End.unterminated
  /// Where the header ends: behind its empty line, if it has one.
  private(set) var position = 0

  init(limits: MIMELimits) {
    self.limits = limits
  }

  /// Reads the header that starts at `start`.
  mutating func scan(_ bytes: Span<UInt8>, from start: Int, boundaries: [[UInt8]]) {
    position = start
    while position < bytes.count {
      let line = Line(in: bytes, at: position)
      if line.content.isEmpty {
        position = line.end
        end = .emptyLine
        return
      }
      if !boundaries.isEmpty, Boundary.match(bytes, line.content, in: boundaries) != nil {
        end = .boundary
        break
      }
      guard fields.count < limits.headerFields, line.end - start <= limits.headerBytes else {
        report(.headerTooLarge)
        break
      }
      guard read(line, of: bytes) else { break }
      position = line.end
    }
    report(.unterminatedHeader)
  }

  /// Takes one line into the header; false where it belongs to the body.
  private mutating func read(_ line: Line, of bytes: Span<UInt8>) -> Bool {
    if bytes[line.content.lowerBound].isBlank, let last = fields.indices.last {
      let field = fields[last]
      // A continuation: of a stray line it is one as well, and goes with it.
      fields[last].body =
        field.body.lowerBound..<max(field.body.upperBound, line.content.upperBound)
      return true
    }
    if let field = Self.field(in: bytes, line.content) {
      fields.append(field)
      return true
    }
    if fields.isEmpty { return Self.isMboxLine(bytes, line.content) }
    guard continues(bytes, from: line.end) else { return false }
    report(.malformedHeaderLine)
    return true
  }

  /// Whether the next line is of a header too.
  private func continues(_ bytes: Span<UInt8>, from position: Int) -> Bool {
    guard position < bytes.count else { return true }
    let next = Line(in: bytes, at: position).content
    return next.isEmpty || bytes[next.lowerBound].isBlank || Self.field(in: bytes, next) != nil
  }

  private mutating func report(_ defect: Defect.Kind) {
    if !defects.contains(defect) { defects.append(defect) }
  }

  /// The field that a line starts; nil where it starts none.
  private static func field(in bytes: Span<UInt8>, _ line: Range<Int>) -> HeaderField? {
    var index = line.lowerBound
    while index < line.upperBound, bytes[index] > .space, bytes[index] < 0x7F, bytes[index] != 0x3A
    {
      index += 1
    }
    let name = line.lowerBound..<index
    while index < line.upperBound, bytes[index].isBlank { index += 1 }
    guard !name.isEmpty, index < line.upperBound, bytes[index] == 0x3A else { return nil }
    return HeaderField(name: name, body: index + 1..<line.upperBound)
  }

  private static func isMboxLine(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
    var reader = ByteReader(bytes.extracting(line))
    _ = reader.consume(0x3E)
    return reader.consume("From ")
  }
}

/// A line of the message: where its content stands, and where the next begins.
struct Line {
  /// The content without the line break.
  let content: Range<Int>
  /// The offset behind the line break.
  let end: Int

  /// The line that starts at `start`; a line ends with LF, or with CR LF.
  init(in bytes: Span<UInt8>, at start: Int) {
    guard let feed = bytes.firstIndex(of: .lf, from: start) else {
      content = start..<bytes.count
      end = bytes.count
      return
    }
    content = start..<(feed > start && bytes[feed - 1] == .cr ? feed - 1 : feed)
    end = feed + 1
  }
}
