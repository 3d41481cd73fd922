import Bytes
import MIME

/// Reads a batch of news or mail as UUCP moved it: before each article a line with its length.
///
///     #! rnews 812
///     Path: news.example!not-for-mail
///     …
///
/// What begins otherwise, with a header field, is one article, as rnews itself takes it. Where an article does not end at the next such line, that is looked for.
struct RnewsReader: FormatReader {
  private enum State {
    case start
    /// Where a batch line should stand; those of the article before, for what is said of it.
    case line(after: Int64?)
    /// An article of this length.
    case article(Int, offset: Int64)
    /// So many bytes of one that is too long.
    case skipping(Int, offset: Int64)
    /// The next batch line is looked for.
    case searching
    /// All of it is one article.
    case single
    /// The beginning of the article that the archive ends in.
    case cut(ArchivedMessage)
  }

  private static let mark: StaticString = "#! rnews "
  private let limits: ArchiveLimits
  private var buffer: ArchiveBuffer
  private var state: State
  /// From where on the archive has to be read again to get what was not told yet.
  private(set) var position: Int64

  init(from offset: Int64, _ limits: ArchiveLimits) {
    self.limits = limits
    buffer = ArchiveBuffer(base: offset)
    state = offset == 0 ? .start : .line(after: nil)
    position = offset
  }

  mutating func receive(_ bytes: [UInt8]) { _ = buffer.receive(bytes) }

  mutating func finish() { buffer.isFinished = true }

  /// The next event; nil where more is needed, or at the end.
  mutating func next() -> ArchiveEvent? {
    while true {
      let step: Step
      switch state {
      case .start: step = begin()
      case .line(let previous): step = readLine(after: previous)
      case .article(let length, let offset): step = readArticle(length, at: offset)
      case .skipping(let count, let offset): step = skip(count, offset)
      case .searching: step = search()
      case .single: step = readSingle()
      case .cut(let message):
        state = .line(after: nil)
        step = .event(.message(message))
      }
      switch step {
      case .goesOn: continue
      case .waits: return nil
      case .event(let event): return event
      }
    }
  }

  private enum Step {
    case goesOn
    case waits
    case event(ArchiveEvent)
  }

  private mutating func begin() -> Step {
    guard buffer.available >= 3 || buffer.isFinished else { return .waits }
    let bytes = buffer.bytes
    var reader = ByteReader(bytes.span.extracting(buffer.start..<bytes.count))
    state = reader.consume("#! ") || buffer.available == 0 ? .line(after: nil) : .single
    return .goesOn
  }

  private mutating func readLine(after previous: Int64?) -> Step {
    let offset = buffer.position
    guard buffer.available > 0 else { return .waits }
    let bytes = buffer.bytes  // Shared, not copied.
    let rest = bytes.span.extracting(buffer.start..<bytes.count)
    let longest = rest.extracting(0..<min(rest.count, limits.separatorBytes))
    let lf = longest.firstIndex(of: .lf)
    guard lf != nil || buffer.isFinished || rest.count >= limits.separatorBytes else {
      return .waits
    }
    let end = lf ?? longest.count
    var reader = ByteReader(longest.extracting(0..<end))
    guard lf != nil, reader.consume(Self.mark), let length = reader.number(),
      let count = Int(exactly: length)
    else {
      // Whatever this line is, it begins no article.
      buffer.finish(upTo: buffer.start + (lf == nil ? end : end + 1))
      state = .searching
      return .event(
        .defect(
          previous.map { ArchiveDefect(.wrongLength, at: $0) } ?? .init(.noMessage, at: offset)
        )
      )
    }
    buffer.finish(upTo: buffer.start + end + 1)
    if count > limits.messageBytes {
      state = .skipping(count, offset: offset)
      return .event(.defect(ArchiveDefect(.messageTooLong, at: offset)))
    }
    state = .article(count, offset: offset)
    return .goesOn
  }

  private mutating func readArticle(_ length: Int, at offset: Int64) -> Step {
    guard buffer.available >= length || buffer.isFinished else { return .waits }
    let isWhole = buffer.available >= length
    let end = buffer.start + min(length, buffer.available)
    let message = message(buffer.bytes.span.extracting(buffer.start..<end), at: offset)
    buffer.finish(upTo: end)
    position = buffer.position
    guard isWhole else {
      // What there is of it is better than nothing.
      state = message.raw.isEmpty ? .line(after: nil) : .cut(message)
      return .event(.defect(ArchiveDefect(.truncated, at: offset)))
    }
    state = .line(after: offset)
    return .event(.message(message))
  }

  private mutating func skip(_ count: Int, _ offset: Int64) -> Step {
    let skipped = min(count, buffer.available)
    buffer.finish(upTo: buffer.start + skipped)
    guard skipped == count else {
      state = .skipping(count - skipped, offset: offset)
      return .waits
    }
    position = buffer.position
    state = .line(after: offset)
    return .goesOn
  }

  /// Goes on to the next line that begins an article.
  private mutating func search() -> Step {
    let bytes = buffer.bytes  // Shared, not copied.
    let rest = bytes.span.extracting(buffer.start..<bytes.count)
    var place = 0
    while let hash = rest.firstIndex(of: 0x23, from: place) {
      var reader = ByteReader(rest.extracting(hash..<rest.count))
      let isLine = hash == 0 || rest[hash - 1] == .lf
      if isLine, reader.consume(Self.mark) {
        buffer.finish(upTo: buffer.start + hash)
        position = buffer.position
        state = .line(after: nil)
        return .goesOn
      }
      if rest.count - hash < Self.mark.utf8CodeUnitCount, !buffer.isFinished {
        // The byte before tells whether it begins a line.
        buffer.finish(upTo: buffer.start + max(hash - 1, 0))
        return .waits
      }
      place = hash + 1
    }
    // The last byte may be the line end before the next one.
    buffer.finish(upTo: buffer.isFinished ? buffer.bytes.count : buffer.bytes.count - 1)
    return .waits
  }

  private mutating func readSingle() -> Step {
    guard buffer.isFinished || buffer.available > limits.messageBytes else { return .waits }
    let offset = buffer.position
    guard buffer.available <= limits.messageBytes else {
      // What follows is of the same article, to the end.
      state = .skipping(.max, offset: offset)
      return .event(.defect(ArchiveDefect(.messageTooLong, at: offset)))
    }
    guard buffer.available > 0 else { return .waits }
    let bytes = buffer.bytes
    let text = bytes.span.extracting(buffer.start..<bytes.count)
    defer {
      buffer.finish(upTo: buffer.bytes.count)
      position = buffer.position
    }
    guard HeaderLines.beginsWithField(text) else {
      return .event(.defect(ArchiveDefect(.noMessage, at: offset)))
    }
    return .event(.message(message(text, at: offset)))
  }

  private func message(_ text: Span<UInt8>, at offset: Int64) -> ArchivedMessage {
    var message: ArchivedMessage
    if let stamp = Stamp(text, limits) {
      let body = text.extracting(stamp.length..<text.count)
      message = ArchivedMessage(
        stamp.form == .lf ? LineForm.crlf(body) : body.array,
        keywords: stamp.keywords,
        receivedAt: stamp.receivedAt
      )
    } else {
      message = ArchivedMessage(text.array, receivedAt: HeaderLines.date(text))
    }
    message.offset = offset
    return message
  }
}

extension HeaderLines {
  /// Whether the first line of a text is a field: a name of printing characters, a colon (RFC 5322, section 2.2).
  static func beginsWithField(_ text: Span<UInt8>) -> Bool {
    var place = 0
    while place < text.count, text[place] > .space, text[place] < 0x7F,
      text[place] != UInt8(ascii: ":")
    {
      place += 1
    }
    return place > 0 && place < text.count && text[place] == UInt8(ascii: ":")
  }

  /// What the first `Date` of a message says, in seconds since 1970.
  static func date(_ message: Span<UInt8>) -> Int64? {
    var date: Int64?
    var start = 0
    while start < message.count {
      let end = message.firstIndex(of: .lf, from: start) ?? message.count
      let line = message.extracting(start..<end)
      if line.count == 0 || line.count == 1 && line[0] == .cr { return date }
      var reader = ByteReader(line)
      if reader.consume(ignoringCase: "DATE:") {
        date = MIMEDate.parse(line.extracting(reader.position..<line.count))?.seconds
        return date
      }
      start = end + 1
    }
    return date
  }
}
