import Bytes

/// Every transition of the session that an answer causes.
///
/// | State | What comes | What follows |
/// |---|---|---|
/// | greeting | `+OK` | authorization; the timestamp offers APOP |
/// | greeting | `-ERR` | closed |
/// | authorization | `+OK` to PASS, RPOP, APOP, AUTH | transaction |
/// | authorization | `+OK` to STLS | the handshake, then the same with nothing known |
/// | authorization | `+ …` to AUTH | the driver's response, then the same |
/// | any | lines and the dot of CAPA | what the server can do, anew |
/// | any | `-ERR` to CAPA | nothing is known of what it can do |
/// | any | any answer to QUIT | closed |
///
/// A `-ERR` ends its command and changes nothing else (RFC 1939 §3).
extension POP3Session {
  mutating func nextReply() throws(POP3SyntaxError) -> Event? {
    isProgressing = false
    guard let (range, next, isBare) = try buffer.line() else { return nil }
    let line = try parsed(buffer.bytes.span.extracting(range))
    buffer.advance(to: next)
    switch line {
    case .stray:
      // Leniency `strayLines`: a blank line, or a dot behind a `-ERR` or behind an end that was lost.
      strayCount += 1
      guard strayCount <= limits.strayLines else { throw .tooLong(limit: "stray lines") }
      isProgressing = true
      return nil
    case .challenge(let challenge):
      reading = .driver
      return .challenge(challenge)
    case .reply(let reply):
      strayCount = 0
      guard state != .greeting else { return greet(reply) }
      guard let command = current else { throw .unasked }
      return answer(reply, to: command, isBare: isBare)
    }
  }

  /// What a line is where a reply is due.
  private enum Line {
    case stray
    case reply(POP3Reply)
    case challenge([UInt8]?)
  }

  private func parsed(_ line: Span<UInt8>) throws(POP3SyntaxError) -> Line {
    if isStray(line) { return .stray }
    if let reply = POP3Reply(line: line) { return .reply(reply) }
    guard state != .greeting else { throw .noGreeting(start: Self.start(of: line)) }
    guard current?.kind == .sasl, line[0] == 0x2B else {
      throw current == nil ? .unasked : .noStatus(start: Self.start(of: line))
    }
    // Leniency `bareChallenge`: `+` alone is `+ `, an empty challenge.
    let rest = line.extracting(1..<line.count)
    return .challenge(Base64.standard.decode(rest.extracting(rest.trimmingBlanks)))
  }

  private func isStray(_ line: Span<UInt8>) -> Bool {
    let trimmed = line.extracting(line.trimmingBlanks)
    return trimmed.isEmpty || (trimmed.count == 1 && trimmed[0] == 0x2E)
  }

  /// The start of a line that is not understood, as it can be shown.
  private static func start(of line: Span<UInt8>) -> String {
    let text = String(utf8: line.extracting(0..<min(line.count, 80)))
    return String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 }))
  }

  private mutating func greet(_ reply: POP3Reply) -> Event {
    if reply.isPositive {
      timestamp = POP3Timestamp(greeting: reply)
      state = .authorization
    } else {
      state = .closed
    }
    return .greeting(reply)
  }

  private mutating func answer(
    _ reply: POP3Reply,
    to command: POP3Command,
    isBare: Bool
  ) -> Event {
    let reply = redacted(reply)
    guard reply.isPositive else {
      if command.kind == .capabilities { capabilities = nil }
      if command.kind == .quit { state = .closed }
      endCommand()
      return .completed(reply)
    }
    guard !command.isMultiLine else {
      gathered = POP3Capabilities()
      if case .text = command.kind {
        decoder = POP3TextDecoder(endsLinesByLF: isBare)
        reading = .text
      } else {
        reading = .lines
      }
      return .began(reply)
    }
    switch command.kind {
    case .startTLS:
      reading = .driver
      return .handshake
    case .login, .sasl: state = .transaction
    case .status: messageCount = POP3DropListing(reply)?.messageCount
    case .utf8: isUTF8 = true
    case .quit: state = .closed
    default: break
    }
    endCommand()
    return .completed(reply)
  }

  // MARK: - Listings

  mutating func nextLine() throws(POP3SyntaxError) -> Event? {
    isProgressing = false
    guard let (range, next, _) = try buffer.line(), let command = current else { return nil }
    let line = listed(range, command.kind)
    if case .reply = line {
      // Leniency `lostListingEnd`: no line of a listing begins so; the next command's answer is there.
      if commandsUnderWay > 1 { return end(.nextReply) }
    }
    buffer.advance(to: next)
    if case .dot = line { return end(.dot) }
    lineCount += 1
    guard lineCount <= limits.listedMessages else {
      throw .tooLong(limit: "\(limits.listedMessages) lines in a listing")
    }
    switch line {
    case .event(let event): return event
    case .capability(let text):
      gathered.add(text)
      isProgressing = true
      return nil
    case .dot, .reply: return .malformedLine
    }
  }

  /// What a line of a listing is.
  private enum ListingLine {
    case dot
    case reply
    case capability(String)
    case event(Event)
  }

  private func listed(_ range: Range<Int>, _ kind: POP3Command.Kind) -> ListingLine {
    var line = buffer.bytes.span.extracting(range)
    if POP3Reply.begins(line) { return .reply }
    if line.count > 0, line[0] == 0x2E {
      line = line.extracting(1..<line.count)
      if line.trimmingBlanks.isEmpty { return .dot }
    }
    let event: Event?
    switch kind {
    case .capabilities: return .capability(String(utf8: line))
    case .scanListing: event = POP3ScanListing(line: line).map { .scanListing($0) }
    case .uniqueIDs:
      event = POP3UniqueIDListing(line: line, limits: limits).map { .uniqueID($0) }
    default: event = POP3Language(line: line).map { .language($0) }
    }
    return .event(event ?? .malformedLine)
  }

  // MARK: - Messages

  mutating func nextText() throws(POP3SyntaxError) -> Event? {
    isProgressing = false
    if hasDot { return end(.dot) }
    guard !buffer.isEmpty else { return nil }
    var piece: [UInt8] = []
    let start = buffer.position
    var decoder = decoder
    let end = decoder.decode(buffer.bytes.span.extracting(start..<buffer.bytes.count), into: &piece)
    self.decoder = decoder
    hasDot = end != nil
    buffer.advance(to: end.map { start + $0 } ?? buffer.bytes.count)
    textBytes += piece.count
    guard textBytes <= limits.messageBytes else {
      throw .tooLong(limit: "\(limits.messageBytes) bytes in a message")
    }
    if !piece.isEmpty { return .text(piece) }
    return hasDot ? self.end(.dot) : nil
  }

  private mutating func end(_ end: End) -> Event {
    if current?.kind == .capabilities { capabilities = gathered }
    hasDot = false
    reading = .reply
    endCommand()
    return .ended(end)
  }

  // MARK: - Ends that were lost

  /// Whether a listing holds as many lines as STAT told of messages, and only its dot is missing.
  ///
  /// The driver waits for the dot a little and then calls `endWithoutDot`.
  package var isListingWhole: Bool {
    guard reading == .lines, let kind = current?.kind else { return false }
    return (kind == .scanListing || kind == .uniqueIDs) && buffer.isEmpty && lineCount > 0
      && lineCount == messageCount
  }

  /// Whether a message has as many bytes as LIST told, and ends with a line's end.
  private var isTextWhole: Bool {
    guard reading == .text, case .text(let announced?)? = current?.kind else { return false }
    return buffer.isEmpty && announced > 0 && textBytes == announced && decoder.isAtLineStart
  }

  /// The end of an answer that lacks only its dot, at the end of the connection or of all patience.
  ///
  /// Leniencies `lostListingEnd` and `lostTextEnd`: some servers close, or fall silent, in place of the
  /// dot. What is not known to be whole stays an error: a listing that lacks lines would make mail
  /// look deleted, and half a message would be kept for a whole one. A silent server may still go on
  /// with a message whose announced size is wrong, so that only the connection's end counts there.
  package mutating func endWithoutDot(isConnectionOver: Bool) -> Event? {
    guard isListingWhole || (isConnectionOver && isTextWhole) else { return nil }
    return end(.announcedCount)
  }
}
