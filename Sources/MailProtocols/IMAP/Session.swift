import Bytes

/// The client's side of an IMAP connection, without the connection.
///
/// Bytes from the server go in by `receive`, commands by `send`; events come out of `next` and
/// bytes for the server out of `takeOutput`. All transitions stand in this file:
///
///     greeting           OK → notAuthenticated · PREAUTH → authenticated · BYE → loggedOut
///     notAuthenticated   STARTTLS OK → the same, capabilities and unread bytes forgotten
///                        LOGIN or AUTHENTICATE OK → authenticated, capabilities to be asked again
///     authenticated      SELECT or EXAMINE OK → selected
///     selected           SELECT or EXAMINE OK → selected, the other mailbox · NO → authenticated
///                        UNSELECT OK → authenticated
///     any                BYE, or the end of LOGOUT → loggedOut
///
/// **Pipelining.** Commands may be sent before earlier ones end; each has its own tag, and servers
/// may end them in any order. Untagged responses name no command: what belongs to which is the
/// driver's knowledge, and it never has two commands under way whose answers look alike, but for
/// FETCH, whose answers name the message.
///
/// **Continuations.** The output is a queue with barriers. A synchronising literal stands behind a
/// barrier that the server's `+` removes; if the command ends before, its rest is dropped from the
/// queue. So nothing after a barrier can overtake it. IDLE has no barrier: its `+` becomes
/// `.idling`, and `endIdle` writes DONE. Nor has AUTHENTICATE, after which nothing is pipelined: its
/// `+` becomes `.challenge`, which the driver answers by `respond`.
package struct IMAPSession: Sendable {
  /// Where the session stands (RFC 9051 §3).
  package enum State: Hashable, Sendable {
    case greeting
    case notAuthenticated
    case authenticated
    case selected(MailboxName)
    case loggedOut
  }

  /// The number in a command's tag: `A7`.
  package struct Tag: Hashable, Sendable {
    let number: Int
  }

  /// What a session tells its driver.
  package enum Event: Hashable, Sendable {
    case greeting(StatusResponse)
    case untagged(UntaggedResponse)
    case completed(Tag, StatusResponse)
    /// More of the literal that the oldest body fetch under way asked for.
    case literal([UInt8])
    /// The server waits for the literal of `count` bytes of APPEND: the driver writes them, then
    /// calls `literalSent`.
    case wantsLiteral(count: Int)
    /// IDLE has begun.
    case idling
    /// AUTHENTICATE goes on: the driver answers by `respond`. Nil where it is not base64, such as the
    /// `+ go ahead` of some servers before the first response.
    case challenge([UInt8]?)
  }

  private struct Pending {
    let tag: Tag
    let kind: IMAPCommand.Kind
  }

  private enum Output {
    case bytes([UInt8])
    case barrier
    case literal(count: Int)
  }

  package let limits: IMAPLimits
  package private(set) var state = State.greeting
  /// What the server can do; nil until it says so, and again after STARTTLS and login.
  package private(set) var capabilities: IMAPCapabilities?
  /// What the server turned on when it was asked to (RFC 5161).
  package private(set) var enabled: Set<IMAPCapability> = []
  /// Whether IDLE has begun and `endIdle` was not called yet.
  package private(set) var isIdling = false
  /// Whether mailbox names stand on the wire in UTF-8; everywhere else they keep their older form.
  package private(set) var usesUTF8 = false
  private var framer: IMAPFramer
  private var pending: [Pending] = []
  private var output: [(tag: Tag, item: Output)] = []
  private var literalWasAnnounced = false
  private var lastTag = 0
  private var malformed = 0

  /// A session that waits for the greeting.
  package init(limits: IMAPLimits = IMAPLimits()) {
    self.limits = limits
    framer = IMAPFramer(limits: limits)
  }

  /// Keeps what the server can do in memory that `shared` gives for an equal list.
  package mutating func shareCapabilities(_ shared: (IMAPCapabilities) -> IMAPCapabilities) {
    capabilities = capabilities.map(shared)
  }

  /// Whether commands are under way.
  package var isBusy: Bool { !pending.isEmpty }

  /// Whether the server has sent bytes that `next` has not taken yet.
  package var hasUnreadBytes: Bool { !framer.isEmpty }

  // MARK: - Sending

  /// Puts `command` into the output and returns its tag.
  package mutating func send(_ command: IMAPCommand) -> Tag {
    lastTag += 1
    let tag = Tag(number: lastTag)
    pending.append(Pending(tag: tag, kind: command.kind))
    var bytes: [UInt8] = []
    bytes.append(0x41)
    bytes.append(decimal: tag.number)
    bytes.append(.space)
    for part in command.parts {
      switch part {
      case .text(let text): bytes.append(contentsOf: text)
      case .charset: if !usesUTF8 { bytes.append(" CHARSET UTF-8") }
      case .mailbox(let name): append(name, tag, &bytes)
      case .literal(let literal): append(literal: literal, tag, &bytes)
      case .streamedLiteral(let count):
        announce(count: count, tag, &bytes)
        flush(&bytes, tag)
        output.append((tag, .literal(count: count)))
      }
    }
    bytes.append("\r\n")
    flush(&bytes, tag)
    if command.changesCapabilities { capabilities = nil }
    return tag
  }

  /// Writes a mailbox's name, in UTF-8 where the server speaks it (RFC 6855 §3, RFC 9051 §5.1).
  private mutating func append(_ name: MailboxName, _ tag: Tag, _ bytes: inout [UInt8]) {
    let value = usesUTF8 ? Array(name.decoded.utf8) : name.encoded
    if let quoted = CommandWriter.quoted(value, allowing8Bit: usesUTF8) {
      bytes.append(contentsOf: quoted)
    } else {
      append(literal: value, tag, &bytes)
    }
  }

  private mutating func append(literal: [UInt8], _ tag: Tag, _ bytes: inout [UInt8]) {
    announce(count: literal.count, tag, &bytes)
    bytes.append(contentsOf: literal)
  }

  /// Writes a literal's header; a barrier follows unless the server takes literals at once.
  private mutating func announce(count: Int, _ tag: Tag, _ bytes: inout [UInt8]) {
    let isImmediate =
      capabilities?.contains(.literalPlus) == true
      || (count <= 4096 && capabilities?.contains(.literalMinus) == true)
    bytes.append(0x7B)
    bytes.append(decimal: count)
    if isImmediate { bytes.append(0x2B) }
    bytes.append("}\r\n")
    guard !isImmediate else { return }
    flush(&bytes, tag)
    output.append((tag, .barrier))
  }

  private mutating func flush(_ bytes: inout [UInt8], _ tag: Tag) {
    guard !bytes.isEmpty else { return }
    output.append((tag, .bytes(bytes)))
    bytes = []
  }

  /// Takes what can be written now: all up to the first barrier, or the first literal to stream.
  package mutating func takeOutput() -> [UInt8] {
    var bytes: [UInt8] = []
    var taken = 0
    loop: for entry in output {
      switch entry.item {
      case .bytes(let more): bytes.append(contentsOf: more)
      case .barrier, .literal: break loop
      }
      taken += 1
    }
    output.removeFirst(taken)
    return bytes
  }

  /// Notes that the bytes of `.wantsLiteral` were written.
  package mutating func literalSent() {
    guard case .literal? = output.first?.item else { return }
    output.removeFirst()
    literalWasAnnounced = false
  }

  /// Ends IDLE: DONE goes out, and IDLE completes.
  package mutating func endIdle() {
    guard isIdling, let idle = pending.first(where: { $0.kind == .idle }) else { return }
    isIdling = false
    output.append((idle.tag, .bytes(Array("DONE\r\n".utf8))))
  }

  /// Answers a challenge of AUTHENTICATE; nil gives the exchange up (RFC 3501 §6.2.2).
  package mutating func respond(_ response: [UInt8]?) {
    guard let command = pending.first(where: { $0.kind == .authenticate }) else { return }
    let line = response.map { Base64.standard.encode($0.span) } ?? [0x2A]
    output.append((command.tag, .bytes(line + [.cr, .lf])))
  }

  // MARK: - Receiving

  /// Takes the bytes that no event was made of yet; for COMPRESS, whose end they come behind.
  package mutating func takeUnreadBytes() -> [UInt8] { framer.takeRest() }

  /// Takes bytes from the server.
  package mutating func receive(_ bytes: [UInt8]) { framer.receive(bytes) }

  /// The next event; nil if more bytes are needed.
  package mutating func next() throws(IMAPProtocolError) -> Event? {
    while true {
      // Looked at each time: the continuation just read may have made it the first in the queue.
      if case .literal(let count)? = output.first?.item, !literalWasAnnounced {
        literalWasAnnounced = true
        return .wantsLiteral(count: count)
      }
      guard let frame = try nextFrame() else { return nil }
      switch frame {
      case .literal(let piece):
        // Nobody asked for it: a literal too great to hold, in an answer that holds others.
        guard pending.contains(where: { $0.kind == .body }) else { continue }
        return .literal(piece)
      case .response(let range):
        if let event = try event(of: range) { return event }
      }
    }
  }

  private mutating func nextFrame() throws(IMAPProtocolError) -> IMAPFramer.Frame? {
    do {
      return try framer.next()
    } catch {
      throw .framing(error)
    }
  }

  /// A response, read but not yet acted on.
  private enum Line {
    case greeting(StatusResponse)
    case noGreeting(String)
    case untagged(UntaggedResponse)
    case continuation([UInt8])
    case tagged(Int, StatusResponse)
    /// An untagged response, or an empty line, that no grammar takes.
    case malformed(IMAPSyntaxError)
    /// A line that is no response at all.
    case garbage(IMAPSyntaxError)
  }

  private func line(at range: Range<Int>) -> Line {
    let range = range.withoutLineEnd(in: framer.buffer)
    var reader = ByteReader(framer.buffer.span.extracting(range))
    if state == .greeting { return Self.greeting(&reader) }
    switch reader.next {
    case 0x2A:
      reader.skip(1)
      do {
        return .untagged(try reader.requireUntagged(limits: limits))
      } catch {
        return .malformed(error)
      }
    case 0x2B:
      reader.skip(1)
      reader.skipBlanks()
      return .continuation(reader.copy(reader.position..<reader.bytes.count))
    case 0x5B:
      // Leniency `bareResponseCode`: Exchange answers MOVE by `[COPYUID …]` without `* OK`.
      return .untagged(.condition(StatusResponse(.ok, code: reader.responseCode())))
    case nil:
      return .malformed(reader.syntaxError("response"))
    default:
      return Self.tagged(&reader)
    }
  }

  private static func greeting(_ reader: inout ByteReader) -> Line {
    let isUntagged = reader.consume(0x2A)
    reader.skipBlanks()
    if isUntagged, let status = reader.statusResponse() { return .greeting(status) }
    return .noGreeting(String(utf8: reader.slice(0..<min(reader.bytes.count, 80))))
  }

  private static func tagged(_ reader: inout ByteReader) -> Line {
    guard reader.consume(ignoringCase: "A"), let number = reader.number(),
      let tag = Int(exactly: number)
    else { return .garbage(reader.syntaxError("the tag of a command")) }
    reader.skipBlanks()
    guard let status = reader.statusResponse() else {
      return .garbage(reader.syntaxError("OK, NO or BAD"))
    }
    return .tagged(tag, status)
  }

  private mutating func event(of range: Range<Int>) throws(IMAPProtocolError) -> Event? {
    switch line(at: range) {
    case .greeting(let status): return greet(status)
    case .noGreeting(let start): throw .noGreeting(start)
    case .untagged(let response): return .untagged(note(response))
    case .continuation(let text): return continuation(text)
    case .tagged(let number, let status): return try complete(number, status)
    case .malformed(let error): return try tolerate(error)
    case .garbage(let error): throw .malformed(error)
    }
  }

  private mutating func greet(_ status: StatusResponse) -> Event {
    switch status.condition {
    case .ok: state = .notAuthenticated
    case .preauth: state = .authenticated
    case .bye, .no, .bad: state = .loggedOut
    }
    learn(from: status)
    return .greeting(status)
  }

  private mutating func note(_ received: UntaggedResponse) -> UntaggedResponse {
    malformed = 0
    let response = usesUTF8 ? received.readingNamesAsUTF8() : received
    switch response {
    case .capability(let list): learn(list)
    case .enabled(let names):
      enabled.formUnion(names)
      if let capabilities { learn(capabilities) }
    case .condition(let status):
      if status.condition == .bye { state = .loggedOut }
      learn(from: status)
    default: break
    }
    return response
  }

  /// Leniency `malformedResponse`: an untagged response that no grammar takes is dropped, since
  /// framing does not depend on it, until there are too many in a row.
  private mutating func tolerate(_ error: IMAPSyntaxError) throws(IMAPProtocolError) -> Event? {
    malformed += 1
    guard malformed <= limits.malformedResponses else { throw .malformed(error) }
    return nil
  }

  private mutating func continuation(_ text: [UInt8]) -> Event? {
    if case .barrier? = output.first?.item {
      output.removeFirst()
      return nil
    }
    guard let oldest = pending.first else { return nil }
    switch oldest.kind {
    case .idle where !isIdling:
      isIdling = true
      return .idling
    case .authenticate:
      return .challenge(Base64.standard.decode(text.span))
    default:
      return nil
    }
  }

  private mutating func complete(
    _ number: Int,
    _ status: StatusResponse
  ) throws(IMAPProtocolError) -> Event {
    guard let index = pending.firstIndex(where: { $0.tag.number == number }) else {
      throw .malformed(IMAPSyntaxError(expected: "the tag of a command under way", position: 0))
    }
    let command = pending.remove(at: index)
    if case .literal? = output.first?.item, output.first?.tag == command.tag {
      literalWasAnnounced = false
    }
    output.removeAll { $0.tag == command.tag }
    transition(after: command.kind, status)
    return .completed(command.tag, status)
  }

  // MARK: - Transitions

  private mutating func transition(after kind: IMAPCommand.Kind, _ status: StatusResponse) {
    let isOK = status.condition == .ok
    switch kind {
    case .login, .authenticate:
      if isOK { state = .authenticated }
      learn(from: status)
    case .startTLS:
      guard isOK else { break }
      capabilities = nil
      framer.discard()
    case .select(let mailbox):
      learn(from: status)
      if state != .loggedOut { state = isOK ? .selected(mailbox) : .authenticated }
    case .unselect:
      if isOK { state = .authenticated }
    case .idle:
      isIdling = false
    case .logout:
      state = .loggedOut
    case .plain, .body:
      learn(from: status)
    }
  }

  private mutating func learn(from status: StatusResponse) {
    if case .capability(let list)? = status.code { learn(list) }
  }

  private mutating func learn(_ list: IMAPCapabilities) {
    capabilities = list.implied(byRev2: enabled.contains(.imap4rev2))
    usesUTF8 =
      enabled.contains(.imap4rev2) || enabled.contains(.utf8Accept) || list.speaksOnlyRev2
  }
}

extension IMAPCommand {
  /// Whether what the server can do may differ once the command ends.
  fileprivate var changesCapabilities: Bool {
    switch kind {
    case .login, .authenticate: true
    default: false
    }
  }
}

extension Range<Int> {
  /// The range without the CR and LF that end it in `buffer`.
  fileprivate func withoutLineEnd(in buffer: [UInt8]) -> Range<Int> {
    var end = upperBound
    while end > lowerBound, buffer[end - 1] == .lf || buffer[end - 1] == .cr { end -= 1 }
    return lowerBound..<end
  }
}

/// What the server sent is not IMAP; the connection is of no more use.
package enum IMAPProtocolError: Error, Equatable, Sendable {
  case framing(IMAPFramingError)
  case malformed(IMAPSyntaxError)
  /// The first line is no greeting; its first bytes, sent before any secret was.
  case noGreeting(String)
}
