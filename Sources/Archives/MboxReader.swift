import Bytes

/// Reads an mbox (RFC 4155) as it comes, a message at a time.
///
/// No more of it is held than one message, which the limits bound.
struct MboxReader: FormatReader {
  private enum State {
    /// Before the first separator.
    case preamble
    /// In a message; nil where it was found too long and is passed over.
    case message(start: Int?, Heading)
  }

  /// What is known of the message under way.
  private struct Heading {
    var offset: Int64
    var receivedAt: Int64?
    /// Its stamp, once the bytes for it are here.
    var stamp: Stamp?
  }

  private let limits: ArchiveLimits
  private let quoting: MboxQuoting
  private var buffer: ArchiveBuffer
  private var scanner: MboxScanner
  private var state = State.preamble
  /// A separator whose message is not begun, since its first bytes are not here.
  private var separator: MboxScanner.Separator?
  private var pending: [ArchiveEvent] = []
  private var hasText = false

  /// From where on the archive has to be read again to get what was not told yet.
  private(set) var position: Int64

  init(from offset: Int64, quoting: MboxQuoting, _ limits: ArchiveLimits) {
    self.limits = limits
    self.quoting = quoting
    buffer = ArchiveBuffer(base: offset)
    scanner = MboxScanner(limits)
    position = offset
  }

  mutating func receive(_ bytes: [UInt8]) {
    let dropped = buffer.receive(bytes)
    scanner.shift(by: dropped)
    if case .message(let start?, let heading) = state {
      state = .message(start: start - dropped, heading)
    }
    if let found = separator {
      separator?.range = found.range.lowerBound - dropped..<found.range.upperBound - dropped
    }
  }

  mutating func finish() { buffer.isFinished = true }

  /// The next event; nil where more is needed, or at the end.
  mutating func next() -> ArchiveEvent? {
    while true {
      if !pending.isEmpty { return pending.removeFirst() }
      if let separator {
        guard begin(after: separator) else { return nil }
        self.separator = nil
      }
      let from: Int
      if case .message(let start?, _) = state { from = start } else { from = buffer.start }
      let bytes = buffer.bytes  // Shared, not copied.
      let step = scanner.scan(bytes.span, from: from, isFinished: buffer.isFinished)
      switch step {
      case .needsMore:
        dropWhatIsNotKept()
        if pending.isEmpty { return nil }
      case .bareFromLine(let place):
        if case .message = state {
          pending.append(.defect(ArchiveDefect(.bareFromLine, at: buffer.base + Int64(place))))
        }
      case .ends(let end, let separator):
        let isOver = separator == nil
        close(at: end)
        position = buffer.base + Int64(end)
        buffer.finish(upTo: end)
        if isOver, pending.isEmpty { return nil }
        self.separator = separator
      }
    }
  }

  /// Begins the message after `separator`; false where more is needed to know how it is written.
  private mutating func begin(after separator: MboxScanner.Separator) -> Bool {
    let start = separator.range.upperBound
    let longestStamp = limits.keywords * (limits.keywordBytes + 1) + 256
    let bytes = buffer.bytes
    let rest = bytes.span.extracting(start..<bytes.count)
    let first = rest.extracting(0..<min(rest.count, Stamp.nameLength))
    let isStamped = Stamp.begins(first)
    if !buffer.isFinished {
      if first.count < Stamp.nameLength { return false }
      if isStamped, rest.count < longestStamp, Stamp(rest, limits) == nil { return false }
    }
    let stamp = isStamped ? Stamp(rest, limits) : nil
    let heading = Heading(
      offset: buffer.base + Int64(separator.range.lowerBound),
      receivedAt: separator.receivedAt,
      stamp: stamp
    )
    state = .message(start: start, heading)
    scanner.begin(at: start + (stamp?.length ?? 0), readsLength: stamp == nil)
    return true
  }

  /// Lets go of a message that is too long, and of what stands before the first.
  private mutating func dropWhatIsNotKept() {
    switch state {
    case .preamble:
      leaveLongLine()
      noteText(upTo: scanner.line)
    case .message(let start?, let heading):
      guard buffer.bytes.count - start > limits.messageBytes + limits.separatorBytes else { return }
      pending.append(.defect(ArchiveDefect(.messageTooLong, at: heading.offset)))
      state = .message(start: nil, heading)
      leaveLongLine()
    case .message(nil, _): leaveLongLine()
    }
    buffer.finish(upTo: scanner.line)
  }

  /// Passes over what is here of a line that is too long for a separator, and may have no end.
  private mutating func leaveLongLine() {
    let end = buffer.bytes.count
    guard end - scanner.line > limits.separatorBytes else { return }
    // What may be a separator waits for the line after it.
    let isCandidate = buffer.bytes[scanner.line] == 0x46
    guard !isCandidate || end - scanner.line > limits.messageBytes else { return }
    scanner.leaveLine(at: end)
  }

  /// Tells of what stands before the first separator, once.
  private mutating func noteText(upTo end: Int) {
    guard !hasText, buffer.start < end,
      buffer.bytes[buffer.start..<end].contains(where: { $0 > .space })
    else { return }
    hasText = true
    pending.append(.defect(ArchiveDefect(.noMessage, at: buffer.position)))
  }

  /// Ends what is under way at `end`.
  private mutating func close(at end: Int) {
    switch state {
    case .preamble: noteText(upTo: end)
    case .message(nil, _): break
    case .message(let start?, let heading):
      let body = scanner.measuredBody.map { $0.lowerBound - start..<$0.upperBound - start }
      guard end - start <= limits.messageBytes + limits.separatorBytes else {
        return pending.append(.defect(ArchiveDefect(.messageTooLong, at: heading.offset)))
      }
      let bytes = buffer.bytes
      let text = bytes.span.extracting(start..<end)
      let assembly = MboxAssembly(quoting: quoting, limits: limits)
      let message =
        heading.stamp.map { assembly.message(text, $0) }
        ?? assembly.message(text, measuredBody: body)
      guard var message else { break }
      message.offset = heading.offset
      if heading.stamp == nil { message.receivedAt = heading.receivedAt ?? message.receivedAt }
      pending.append(.message(message))
    }
    state = .preamble
  }
}
