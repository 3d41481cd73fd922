import Bytes

/// Finds where messages of an mbox begin and end, line by line, whatever pieces the bytes come in.
///
/// A line that begins with `From ` parts two messages where an empty line, or nothing, is before it and a date stands in it. Where only
/// one of these holds, the line after it decides: the first line of a message is a field. What is left is text, as
/// programs write it that rely on `Content-Length` (mboxcl2) or on luck.
///
/// A `Content-Length` is believed only where the message that it tells of ends right before such a line, or at the end of the archive.
struct MboxScanner {
  /// What a scan came to; places are of the bytes given.
  enum Step: Equatable {
    /// More bytes are needed to tell.
    case needsMore
    /// The message, or what stands before the first, ends here.
    case ends(at: Int, separator: Separator?)
    /// A line that may be one of the archive or of the message; taken as text.
    case bareFromLine(at: Int)
  }

  /// A line between messages.
  struct Separator: Equatable {
    var range: Range<Int>
    var receivedAt: Int64?
  }

  private let limits: ArchiveLimits
  /// Where the line that is looked at begins.
  private(set) var line = 0
  /// From where on its end is looked for.
  private var search = 0
  private var followsEmptyLine = true
  /// Whether the header is read over, and with it any `Content-Length`.
  private var isInBody = false
  /// Where the body of a message that tells its length stands.
  private(set) var measuredBody: Range<Int>?
  /// Whether `line` stands within a line whose beginning was let go of.
  private var isInsideLine = false
  /// Whether nothing of the message was read yet: a separator is no empty line before it.
  private var isFirstLine = false

  init(_ limits: ArchiveLimits) { self.limits = limits }

  /// Begins a message whose first line stands at `place`.
  mutating func begin(at place: Int, readsLength: Bool) {
    self = MboxScanner(limits)
    (line, search) = (place, place)
    isInBody = !readsLength
    isFirstLine = true
  }

  /// Takes into account that the first `count` bytes are gone.
  mutating func shift(by count: Int) {
    line -= count
    search -= count
    measuredBody = measuredBody.map { $0.lowerBound - count..<$0.upperBound - count }
  }

  /// Goes on behind a piece of a line that nobody keeps, which may have no end.
  mutating func leaveLine(at place: Int) {
    (line, search) = (place, place)
    isInsideLine = true
  }

  /// Goes on to the end of the message.
  mutating func scan(_ bytes: Span<UInt8>, from start: Int, isFinished: Bool) -> Step {
    while true {
      if line >= bytes.count {
        return isFinished ? .ends(at: bytes.count, separator: nil) : .needsMore
      }
      if isInsideLine {
        guard let end = endOfLine(bytes, isFinished) else { return .needsMore }
        isInsideLine = false
        pass(to: end, isEmpty: false)
        continue
      }
      if bytes[line] == 0x46 {  // F
        switch separator(bytes, isFinished) {
        case .needsMore: return .needsMore
        case .found(let separator): return .ends(at: line, separator: separator)
        case .bare:
          let place = line
          guard let end = endOfLine(bytes, isFinished) else { return .needsMore }
          pass(to: end, isEmpty: false)
          return .bareFromLine(at: place)
        case .none: break
        }
      }
      guard let end = endOfLine(bytes, isFinished) else { return .needsMore }
      let isEmpty =
        end - line == 1 && bytes[line] == .lf
        || end - line == 2 && bytes[line] == .cr && bytes[line + 1] == .lf
      if isEmpty, !isInBody {
        guard let measure = measure(bytes, from: start, to: end, isFinished) else {
          return .needsMore
        }
        isInBody = true
        if let (length, next) = measure {
          measuredBody = end..<(end + length)
          pass(to: next, isEmpty: true)
          continue
        }
      }
      pass(to: end, isEmpty: isEmpty)
    }
  }

  private mutating func pass(to place: Int, isEmpty: Bool) {
    (line, search) = (place, place)
    followsEmptyLine = isEmpty
    isFirstLine = false
  }

  /// Behind the end of the line; nil where that is not here yet.
  private mutating func endOfLine(_ bytes: Span<UInt8>, _ isFinished: Bool) -> Int? {
    if let lf = bytes.firstIndex(of: .lf, from: search) { return lf + 1 }
    search = bytes.count
    return isFinished ? bytes.count : nil
  }

  // MARK: - Separators

  private enum Finding {
    case needsMore
    case none
    case bare
    case found(Separator)
  }

  private func separator(_ bytes: Span<UInt8>, _ isFinished: Bool) -> Finding {
    var reader = ByteReader(bytes.extracting(line..<bytes.count))
    guard reader.consume("From ") else {
      return reader.remaining < 5 && !isFinished && Self.maybe(bytes.extracting(line..<bytes.count))
        ? .needsMore : .none
    }
    let longest = bytes.extracting(line..<min(bytes.count, line + limits.separatorBytes))
    guard let lf = longest.firstIndex(of: .lf) else {
      return !isFinished && longest.count < limits.separatorBytes ? .needsMore : .none
    }
    let end = line + lf
    let text = bytes.extracting(line..<(end > line && bytes[end - 1] == .cr ? end - 1 : end))
    let kind = MboxSeparator.kind(text)
    let receivedAt: Int64? = if case .dated(let seconds) = kind { seconds } else { nil }
    let found = Separator(range: line..<(end + 1), receivedAt: receivedAt)
    switch (kind, followsEmptyLine && !isFirstLine) {
    case (.dated, true): return .found(found)
    case (.dated, false), (.empty, true):
      guard let isField = isField(bytes, at: end + 1, isFinished) else { return .needsMore }
      return isField ? .found(found) : .bare
    case (.text, true): return .bare
    case (.text, false), (.empty, false): return .none
    }
  }

  /// Whether the bytes may go on to `From `.
  private static func maybe(_ bytes: Span<UInt8>) -> Bool {
    let word: StaticString = "From "
    for index in 0..<min(bytes.count, 5) where unsafe word.utf8Start[index] != bytes[index] {
      return false
    }
    return true
  }

  /// Whether a field stands at `place`; nil where more is needed to tell.
  private func isField(_ bytes: Span<UInt8>, at place: Int, _ isFinished: Bool) -> Bool? {
    let next = bytes.extracting(place..<min(bytes.count, place + 160))
    if next.firstIndex(of: .lf) == nil, next.count < 160, !isFinished { return nil }
    return MboxSeparator.isField(next)
  }

  // MARK: - Content-Length

  /// The `Content-Length`, and where what follows the message begins; inner nil where none is to be believed, outer where more is
  /// needed to tell.
  private func measure(
    _ bytes: Span<UInt8>,
    from start: Int,
    to body: Int,
    _ isFinished: Bool
  ) -> (length: Int, next: Int)?? {
    guard let length = contentLength(bytes.extracting(start..<body)),
      length <= limits.messageBytes, length > 0
    else { return .some(nil) }
    let end = body + length
    // Of the next separator there has to be enough to know it by.
    guard end + limits.separatorBytes <= bytes.count || isFinished else { return nil }
    guard end <= bytes.count else { return .some(nil) }
    var next = end
    while next < min(bytes.count, end + 4), bytes[next] == .lf || bytes[next] == .cr { next += 1 }
    if next == bytes.count { return (length, next) }
    var other = MboxScanner(limits)
    other.line = next
    guard next == end ? end > 0 && bytes[end - 1] == .lf : true,
      case .found = other.separator(bytes, true)
    else { return .some(nil) }
    return (length, next)
  }

  private func contentLength(_ header: Span<UInt8>) -> Int? {
    var fields = StatusFields(limits)
    HeaderLines.forEach(header) { name, body, _ in
      if name.equalsIgnoringCase("content-length") { _ = fields.take(name, body) }
    }
    return fields.contentLength
  }
}

/// The fields of a header whose lines may end in LF.
enum HeaderLines {
  /// Calls `body` with the name, the body and the place of each field, folded lines included; other lines have no name.
  static func forEach(
    _ header: Span<UInt8>,
    _ body: (Span<UInt8>, Span<UInt8>, Range<Int>) -> Void
  ) {
    var start = 0
    while start < header.count {
      var end = header.firstIndex(of: .lf, from: start).map { $0 + 1 } ?? header.count
      while end < header.count, header[end].isBlank {
        end = header.firstIndex(of: .lf, from: end).map { $0 + 1 } ?? header.count
      }
      let field = header.extracting(start..<end)
      var reader = ByteReader(field)
      let name = reader.take { $0 > .space && $0 != 0x3A }
      let hasName = reader.consume(0x3A)
      body(
        field.extracting(hasName ? name : 0..<0),
        field.extracting((hasName ? reader.position : 0)..<field.count),
        start..<end
      )
      start = end
    }
  }
}
