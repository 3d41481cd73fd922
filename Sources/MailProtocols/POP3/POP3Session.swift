import Bytes

/// The client's side of one POP3 session (RFC 1939 §3), without its socket.
///
/// Bytes from the server go in by `receive`, commands by `send`; events come out of `next` and bytes
/// for the server out of `takeOutput`. What each answer does stands in `POP3Session+Answers.swift`.
///
///     S: +OK ready <1896.697170952@dbc.mtview.ca.us>
///     C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
///     S: +OK 2 messages
///     C: RETR 1                             ahead of the answer where PIPELINING is offered
///     C: RETR 2
///     S: +OK 120 octets
///     S: …
///     S: .
///
/// Commands carry no tag: answers come in the order of the commands, and every event belongs to the
/// oldest command that has not ended (RFC 2449 §6.6). What may not be followed before its answer is
/// there (CAPA, STLS, a login, QUIT) is the driver's to send alone.
package struct POP3Session: Sendable {
  /// Where the session stands (RFC 1939 §3).
  package enum State: Hashable, Sendable {
    case greeting
    case authorization
    case transaction
    case closed
  }

  /// What the server said, of the oldest command under way.
  package enum Event: Hashable, Sendable {
    /// The server greets; a `-ERR` closes.
    case greeting(POP3Reply)
    /// The command has ended by this line.
    case completed(POP3Reply)
    /// The answer is more than this line.
    case began(POP3Reply)
    /// A line of LIST.
    case scanListing(POP3ScanListing)
    /// A line of UIDL.
    case uniqueID(POP3UniqueIDListing)
    /// A line of LANG.
    case language(POP3Language)
    /// A line of a listing that says nothing; leniency `malformedLine`, so that one broken line does
    /// not keep the mail of all others.
    case malformedLine
    /// More of a message, its stuffed dots taken out; never empty.
    case text([UInt8])
    /// The command has ended behind lines or text.
    case ended(End)
    /// AUTH goes on: the driver answers by `respond`. Nil where it is not base64.
    case challenge([UInt8]?)
    /// The server waits for the TLS handshake; the driver calls `secured` after it.
    case handshake
  }

  /// How an answer of many lines ended.
  package enum End: Hashable, Sendable {
    /// By its final dot.
    case dot
    /// Without it, and yet all that was announced is there.
    case announcedCount
    /// By the reply to the next command: lines may be missing.
    case nextReply
  }

  /// What is read next.
  enum Reading: Hashable, Sendable {
    /// A reply, or a challenge.
    case reply
    /// A line of a listing.
    case lines
    /// A message.
    case text
    /// Nothing, until the driver acts.
    case driver
  }

  package let limits: POP3Limits
  package internal(set) var state = State.greeting
  /// What the server can do; nil before it said so, where it does not say, and again after STLS.
  package internal(set) var capabilities: POP3Capabilities?
  /// The challenge of APOP; nil where the greeting offers none.
  package internal(set) var timestamp: POP3Timestamp?
  /// Whether the session is in UTF-8 mode (RFC 6856 §2.1).
  package internal(set) var isUTF8 = false
  /// How many messages STAT last told of; DELE does not change it.
  package internal(set) var messageCount: Int?
  /// How many bytes of text the answer under way has brought.
  package internal(set) var textBytes = 0

  var buffer: POP3LineBuffer
  var pending: [POP3Command] = []
  var firstPending = 0
  var reading = Reading.reply
  var decoder = POP3TextDecoder(endsLinesByLF: false)
  /// Whether the text's final dot was read.
  var hasDot = false
  var gathered = POP3Capabilities()
  var lineCount = 0
  var strayCount = 0
  private var output: [UInt8] = []
  private var hidden: [[UInt8]] = []

  /// A session whose connection was just made.
  package init(limits: POP3Limits = POP3Limits()) {
    self.limits = limits
    buffer = POP3LineBuffer(limits: limits)
  }

  /// How many commands have not ended.
  package var commandsUnderWay: Int { pending.count - firstPending }

  /// Whether the server has sent bytes that `next` has not taken.
  package var hasUnreadBytes: Bool { !buffer.isEmpty }

  /// The oldest command that has not ended.
  var current: POP3Command? { firstPending < pending.count ? pending[firstPending] : nil }

  /// Takes in what the network brought.
  package mutating func receive(_ bytes: [UInt8]) { buffer.receive(bytes) }

  /// What is to be written now; empty where there is nothing.
  package mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Puts `command` into the output.
  package mutating func send(_ command: POP3Command) {
    precondition(state != .closed && reading != .driver, "a command that cannot be sent now")
    output.append(contentsOf: command.bytes)
    hidden += command.secrets
    pending.append(command)
  }

  /// Answers `.challenge`; nil gives the exchange up (RFC 5034 §4).
  package mutating func respond(_ response: [UInt8]?) {
    guard reading == .driver, current?.kind == .sasl else {
      preconditionFailure("nothing was asked")
    }
    reading = .reply
    guard let response else {
      output.append("*\r\n")
      return
    }
    let text = Base64.standard.encode(response.span)
    hidden.append(text)
    output.append(contentsOf: text)
    output.append("\r\n")
  }

  /// The handshake is done: forgets what was known, and whatever was sent, before it (RFC 2595 §4).
  package mutating func secured() {
    guard reading == .driver, current?.kind == .startTLS else {
      preconditionFailure("no handshake was asked for")
    }
    buffer.discard()
    capabilities = nil
    reading = .reply
    endCommand()
  }

  /// The connection is gone, or is to be.
  package mutating func close() {
    state = .closed
    output = []
  }

  /// The next thing the server said; nil while it owes something, or the driver does.
  package mutating func next() throws(POP3SyntaxError) -> Event? {
    while true {
      let event: Event?
      switch reading {
      case .driver: return nil
      case .reply: event = try nextReply()
      case .lines: event = try nextLine()
      case .text: event = try nextText()
      }
      if let event { return event }
      // A whole capability was taken, or a stray line: there may be more.
      guard isProgressing else { return nil }
    }
  }

  /// Whether the last step consumed something without an event.
  var isProgressing = false

  /// Ends the oldest command.
  mutating func endCommand() {
    firstPending += 1
    lineCount = 0
    textBytes = 0
    if firstPending == pending.count {
      pending.removeAll(keepingCapacity: true)
      firstPending = 0
      hidden = []
    } else if firstPending >= 256 {
      pending.removeFirst(firstPending)
      firstPending = 0
    }
  }

  /// The reply without what was sent in secret.
  func redacted(_ reply: POP3Reply) -> POP3Reply {
    hidden.isEmpty ? reply : reply.redacting(hidden)
  }
}
