import Bytes

/// The client's side of one ManageSieve session (RFC 5804), without its socket.
///
/// Bytes from the server go in by `receive`, a command by `send`; events come out of `next` and bytes
/// for the server out of `takeOutput`. Commands carry no tag and are sent one at a time.
///
///     S: "SIEVE" "fileinto vacation"
///     S: "STARTTLS"
///     S: OK
///     C: STARTTLS
///     S: OK
///     <TLS; the server tells its capabilities again>
///     C: AUTHENTICATE "PLAIN" "AHVzZXIAc2VjcmV0"
///     S: OK
///     C: PUTSCRIPT "restante" {8+}
///     C: keep;␍␊
///     S: OK
package struct ManageSieveSession: Sendable {
  /// What the server said, for the driver to act on.
  package enum Event: Hashable, Sendable {
    /// The server tells its capabilities unasked: at first, and again behind TLS.
    case greeting(ManageSieveAnswer)
    /// The command has ended.
    case completed(ManageSieveAnswer)
    /// AUTHENTICATE goes on: the driver answers by `respond`. Nil where it is not base64.
    case challenge([UInt8]?)
    /// The server waits for the TLS handshake; the driver calls `secured` after it.
    case handshake
  }

  private enum State: Hashable {
    case greeting, idle, busy, handshake, challenged, closed
  }

  package let limits: ManageSieveLimits
  /// What the server can do, as it said last.
  package private(set) var capabilities = ManageSieveCapabilities()
  private var state = State.greeting
  private var reader: ManageSieveLineReader
  private var command: ManageSieveCommand?
  private var hidden: [String] = []
  private var lines: [[ManageSieveToken]] = []
  private var lineBytes = 0
  private var output: [UInt8] = []

  /// A session whose connection was just made.
  package init(limits: ManageSieveLimits = ManageSieveLimits()) {
    self.limits = limits
    reader = ManageSieveLineReader(limits: limits)
  }

  /// Whether a command may be sent.
  package var isReady: Bool { state == .idle }

  /// Whether the session is over.
  package var isClosed: Bool { state == .closed }

  /// Takes in what the network brought.
  package mutating func receive(_ bytes: [UInt8]) { reader.receive(bytes) }

  /// What is to be written now; empty where there is nothing.
  package mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Puts `command` into the output.
  package mutating func send(_ command: ManageSieveCommand) {
    precondition(state == .idle, "a command while another is under way")
    output += command.bytes
    hidden = command.secrets
    self.command = command
    state = .busy
  }

  /// Answers `.challenge`; nil gives the exchange up (RFC 5804 §2.1).
  package mutating func respond(_ response: [UInt8]?) {
    guard state == .challenged else { preconditionFailure("nothing was asked") }
    let text = response.map { Base64.standard.encode($0.span) } ?? Array("*".utf8)
    if response != nil { hidden.append(String(utf8: text.span)) }
    output += ManageSieveCommand.string(text) + [.cr, .lf]
    state = .busy
  }

  /// The handshake is done: forgets what was known, and whatever was sent, before it (RFC 5804 §2.2).
  package mutating func secured() {
    guard state == .handshake else { preconditionFailure("no handshake was asked for") }
    reader.discard()
    capabilities = ManageSieveCapabilities()
    state = .greeting
  }

  /// The connection is gone, or is to be.
  package mutating func close() {
    state = .closed
    output = []
  }

  /// The next thing the server said; nil while it owes something, or the driver does.
  package mutating func next() throws(ManageSieveSyntaxError) -> Event? {
    while state == .greeting || state == .busy || state == .idle {
      guard let (line, bytes) = try reader.next() else { return nil }
      if let event = try take(line, bytes) { return event }
    }
    return nil
  }

  private mutating func take(
    _ line: [ManageSieveToken],
    _ bytes: Int
  ) throws(ManageSieveSyntaxError) -> Event? {
    guard var answer = ManageSieveAnswer(line) else {
      // Nothing follows the end of an answer but a BYE, when the server has waited long enough.
      guard state != .idle else { throw .unasked }
      return try gather(line, bytes)
    }
    answer.lines = lines
    lines = []
    lineBytes = 0
    answer = answer.redacting(hidden)
    if answer.status == .bye { return end(by: answer) }
    switch state {
    case .greeting:
      capabilities = ManageSieveCapabilities(answer)
      state = answer.status == .ok ? .idle : .closed
      return .greeting(answer)
    case .busy: return complete(answer)
    case .idle, .handshake, .challenged, .closed: throw .unasked
    }
  }

  private mutating func gather(
    _ line: [ManageSieveToken],
    _ bytes: Int
  ) throws(ManageSieveSyntaxError) -> Event? {
    if state == .busy, command?.kind == .authenticate {
      guard line.count == 1, case .string(let text) = line[0] else {
        throw .malformed(start: "a challenge that is no string")
      }
      state = .challenged
      return .challenge(Base64.standard.decode(text.span))
    }
    // An empty line ends the literal of a script on some servers.
    guard !line.isEmpty else { return nil }
    guard case .string = line[0] else { throw .malformed(start: "a line that is no string") }
    lines.append(line)
    lineBytes += bytes
    guard lines.count <= limits.lines else { throw .tooLong(limit: "\(limits.lines) lines") }
    guard lineBytes <= limits.answerBytes else {
      throw .tooLong(limit: "\(limits.answerBytes) bytes in an answer")
    }
    return nil
  }

  private mutating func end(by answer: ManageSieveAnswer) -> Event {
    defer { state = .closed }
    return state == .greeting ? .greeting(answer) : .completed(answer)
  }

  private mutating func complete(_ answer: ManageSieveAnswer) -> Event {
    defer {
      command = nil
      hidden = []
    }
    state = .idle
    guard answer.status == .ok else { return .completed(answer) }
    switch command?.kind {
    case .startTLS:
      state = .handshake
      return .handshake
    case .capability: capabilities = ManageSieveCapabilities(answer)
    case .logout: state = .closed
    case .plain, .authenticate, nil: break
    }
    return .completed(answer)
  }
}
