package import MailProtocols
package import Net

/// A POP3 connection, driven from one task at a time.
///
/// A client belongs to the event loop of its stream. One operation runs at a time; within it commands are
/// pipelined where the server offers it. A `POP3Retrieval` hands out what it reads while the rest is
/// on its way; starting another operation before its end reads and drops what is under way.
///
/// Every wait has a deadline: a command's is `timeouts.command` unless it is given one; what transfers
/// messages goes on as long as no single wait takes longer than `timeouts.silence`. An error that
/// breaks the connection closes it; every later operation throws that error again.
package final class POP3Client: @unchecked Sendable {  // Confined to its stream's event loop.
  package let limits: POP3Limits
  package let timeouts: POP3Timeouts
  /// Called once, when the connection is closed; forgotten with the client if it never is.
  package var whenClosed: (() -> Void)?
  /// What the server said first.
  package internal(set) var greeting: POP3Reply?
  /// What the server is called, as some SASL mechanisms sign it.
  let service: SASLService
  let variant: POP3Variant
  var session: POP3Session
  var stream: any ByteStream
  /// The unique ids that the server told in this session.
  var uniqueIDs: [POP3MessageNumber: POP3UniqueID] = [:]
  /// The messages that came whole in this session.
  var retrieved: Set<POP3MessageNumber> = []
  private var failure: POP3Error?
  private var isRunning = false
  /// A retrieval that has commands under way.
  private var unfinished: POP3Retrieval?

  /// A client over `stream`, whose greeting is still to be read.
  package init(
    over stream: any ByteStream,
    service: SASLService = SASLService("pop", host: "localhost"),
    variant: POP3Variant = .standard,
    limits: POP3Limits = POP3Limits(),
    timeouts: POP3Timeouts = POP3Timeouts()
  ) {
    self.stream = stream
    self.service = service
    self.variant = variant
    self.limits = limits
    self.timeouts = timeouts
    session = POP3Session(limits: limits)
  }

  /// What the server said it can do, after login if there was one; nil where it does not say.
  package var capabilities: POP3Capabilities? { session.capabilities }

  /// Whether the connection can take another command.
  package var isUsable: Bool { failure == nil && session.state != .closed }

  /// Whether the user is logged in.
  package var isLoggedIn: Bool { session.state == .transaction }

  /// Whether TLS protects the connection.
  package var isSecure: Bool { stream.isSecure }

  /// Whether messages come in UTF-8 (RFC 6856 §2.1).
  package var isUTF8: Bool { session.isUTF8 }

  /// How many commands go ahead of their answers.
  var window: Int {
    capabilities?.offers(.pipelining) == true ? max(1, limits.pipelinedCommands) : 1
  }

  /// Closes the connection at once, without QUIT: what was marked as deleted stays.
  package func close() {
    if failure == nil { failure = .closed }
    endStream()
  }

  private func endStream() {
    session.close()
    stream.close()
    let ended = whenClosed
    whenClosed = nil
    ended?()
  }

  /// Sends `commands`, each answered by one line, and returns the lines, `-ERR` included.
  ///
  /// Without a deadline each answer has `timeouts.command`: thousands of DELE take their time.
  func replies(
    to commands: [POP3Command],
    deadline: Deadline?
  ) async throws(POP3Error) -> [POP3Reply] {
    try await begin(deadline ?? .now + timeouts.command)
    defer { end() }
    var replies: [POP3Reply] = []
    var sent = 0
    while replies.count < commands.count {
      while sent < commands.count, sent - replies.count < window {
        try send(commands[sent])
        sent += 1
      }
      let event = try await nextEvent(deadline ?? .now + timeouts.command)
      guard case .completed(let reply) = event else { throw astray() }
      replies.append(reply)
    }
    return replies
  }

  /// Sends `command` and returns its one line, `-ERR` included.
  func reply(
    to command: POP3Command,
    deadline: Deadline? = nil
  ) async throws(POP3Error) -> POP3Reply {
    guard let reply = try await replies(to: [command], deadline: deadline).first else {
      throw astray()
    }
    return reply
  }

  /// Sends `command` and waits until it ended well.
  @discardableResult
  func perform(
    _ command: POP3Command,
    deadline: Deadline? = nil
  ) async throws(POP3Error) -> POP3Reply {
    let reply = try await reply(to: command, deadline: deadline)
    guard reply.isPositive else { throw .refused(command: command.name, reply) }
    return reply
  }

  // MARK: - One operation at a time

  /// Claims the connection; what an unfinished retrieval left is read and dropped.
  func begin(_ deadline: Deadline) async throws(POP3Error) {
    if let failure { throw failure }
    guard !isRunning else { throw .busy }
    guard session.state != .closed else { throw .closed }
    isRunning = true
    guard let retrieval = unfinished else { return }
    unfinished = nil
    do {
      try await retrieval.drain(deadline)
    } catch {
      isRunning = false
      throw error
    }
  }

  /// Claims the connection for the next step of `retrieval`.
  func resume(_ retrieval: POP3Retrieval) throws(POP3Error) {
    if let failure { throw failure }
    guard unfinished === retrieval else { throw .closed }
    guard !isRunning else { throw .busy }
    isRunning = true
  }

  /// Gives the connection back, with a retrieval's commands still under way.
  func suspend(_ retrieval: POP3Retrieval) {
    unfinished = retrieval
    isRunning = false
  }

  /// Gives the connection back.
  func end() {
    unfinished = nil
    isRunning = false
  }

  // MARK: - Driving the session

  /// Puts `command` into the output, if the connection is still there.
  func send(_ command: POP3Command) throws(POP3Error) {
    if let failure { throw failure }
    session.send(command)
  }

  // Below 64 KB: when a block of that size is freed, malloc first gathers all small ones that are free.
  private static let readSize = 32 << 10

  /// Writes what is to be written and reads until the session has an event.
  func nextEvent(_ deadline: Deadline) async throws(POP3Error) -> POP3Session.Event {
    while true {
      let output = session.takeOutput()
      if !output.isEmpty { try await write(output, deadline) }
      if let event = try takeEvent() { return event }
      if let event = try await read(deadline) { return event }
    }
  }

  private func takeEvent() throws(POP3Error) -> POP3Session.Event? {
    do throws(POP3SyntaxError) {
      return try session.next()
    } catch {
      throw fail(POP3Error(error))
    }
  }

  /// Reads once; an event only where the end of an answer was lost.
  private func read(_ deadline: Deadline) async throws(POP3Error) -> POP3Session.Event? {
    let patience = session.isListingWhole ? timeouts.lostEnd : timeouts.silence
    let bytes: [UInt8]
    do throws(NetError) {
      bytes = try await stream.read(upTo: Self.readSize, deadline: min(deadline, .now + patience))
    } catch {
      if error == .timedOut, let event = session.endWithoutDot(isConnectionOver: false) {
        return event
      }
      throw fail(POP3Error(error))
    }
    guard bytes.isEmpty else {
      session.receive(bytes)
      return nil
    }
    let event = session.endWithoutDot(isConnectionOver: true)
    let error = fail(.closed)
    guard let event else { throw error }
    return event
  }

  private func write(_ bytes: [UInt8], _ deadline: Deadline) async throws(POP3Error) {
    do throws(NetError) {
      try await stream.write(bytes, deadline: min(deadline, .now + timeouts.silence))
    } catch {
      throw fail(POP3Error(error))
    }
  }

  /// Closes the connection for `error` and returns it.
  func fail(_ error: POP3Error) -> POP3Error {
    if failure == nil { failure = error }
    endStream()
    return error
  }

  /// The error that an event of another kind than was due is.
  func astray() -> POP3Error {
    fail(.broken(reason: "the server answers otherwise than it was asked"))
  }
}

/// How long a POP3 client waits.
package struct POP3Timeouts: Sendable {
  /// For all of a command that transfers no messages.
  package var command: Duration = .seconds(60)
  /// For a login: servers lock and read the whole mailbox before they answer.
  package var login: Duration = .seconds(120)
  /// For the next bytes, or for the server to take ours, while messages and listings are transferred.
  package var silence: Duration = .seconds(60)
  /// For the final dot, where everything that was announced is there.
  package var lostEnd: Duration = .seconds(10)
  /// For the answer to QUIT, before which servers delete what was marked.
  package var quit: Duration = .seconds(60)

  /// The defaults that stand at each member.
  package init() {}
}
