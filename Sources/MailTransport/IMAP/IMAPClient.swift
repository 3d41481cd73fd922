package import MailProtocols
package import Net

/// An IMAP connection, driven from one task at a time.
///
/// A client belongs to the event loop of its stream. One operation runs at a time; within it
/// commands are pipelined. `fetch` and `fetchBody` hand out what they read while the rest is on its
/// way; starting another operation before their end reads and drops what is left. Whatever the
/// server tells unasked, in whichever operation it comes, gathers in `takeEvents`.
///
/// Every wait has a deadline: a command's is `timeouts.command` unless it is given one; what
/// transfers messages goes on as long as no single wait takes longer than `timeouts.silence`. An
/// error that breaks the connection closes it; every later operation throws that error again.
package final class IMAPClient: @unchecked Sendable {  // Confined to its stream's event loop.
  package let limits: IMAPLimits
  package let timeouts: IMAPTimeouts
  /// The mailbox that SELECT or EXAMINE opened, kept current as the server tells of changes.
  package internal(set) var selected: SelectedMailbox?
  /// Called once, when the connection is closed; forgotten with the client if it never is.
  package var whenClosed: (() -> Void)?
  /// What the server is called, as some SASL mechanisms sign it.
  let service: SASLService
  /// Whether COMPRESS deflates the connection.
  package internal(set) var isCompressed = false
  /// Whether NOTIFY has been set.
  package internal(set) var isNotifying = false
  var session: IMAPSession
  var stream: any ByteStream
  private var events = MailboxEvents()
  private var failure: IMAPError?
  private var isRunning = false
  /// When the server last sent anything.
  package private(set) var lastHeard = Deadline.now
  /// The IDLE that is under way.
  var idle: IdleCommand?
  /// A fetch that has commands under way.
  private var unfinished: (any UnfinishedFetch)?

  /// A client over `stream`, whose greeting is still to be read.
  package init(
    over stream: any ByteStream,
    service: SASLService = SASLService("imap", host: "localhost"),
    limits: IMAPLimits = IMAPLimits(),
    timeouts: IMAPTimeouts = IMAPTimeouts()
  ) {
    self.stream = stream
    self.service = service
    self.limits = limits
    self.timeouts = timeouts
    session = IMAPSession(limits: limits)
  }

  /// What the server said it can do, after login if there was one.
  package var capabilities: IMAPCapabilities { session.capabilities ?? IMAPCapabilities() }

  /// Keeps what the server can do in memory that `shared` gives for an equal list.
  package func shareCapabilities(_ shared: (IMAPCapabilities) -> IMAPCapabilities) {
    session.shareCapabilities(shared)
  }

  /// Whether the connection can take another command.
  package var isUsable: Bool { failure == nil && session.state != .loggedOut }

  /// Whether an operation is under way.
  package var isBusy: Bool { isRunning }

  /// Whether TLS protects the connection.
  package var isSecure: Bool { stream.isSecure }

  /// What the server told unasked since the last call.
  package func takeEvents() -> [MailboxEvent] { events.take() }

  /// Closes the connection at once, without LOGOUT.
  package func close() {
    if failure == nil { failure = .closed }
    endStream()
  }

  private func endStream() {
    stream.close()
    let ended = whenClosed
    whenClosed = nil
    ended?()
  }

  /// Sends `commands` in as few writes as can be and returns how each ended, NO and BAD included.
  ///
  /// Untagged responses go to `take`, and to the events where it returns false.
  package func pipeline(
    _ commands: [IMAPCommand],
    deadline: Deadline? = nil,
    take: (UntaggedResponse) -> Bool = { _ in false }
  ) async throws(IMAPError) -> [StatusResponse] {
    let deadline = deadline ?? .now + timeouts.command
    try await begin(deadline)
    defer { end() }
    return try await run(commands, deadline, take)
  }

  /// Sends `command` and waits until it ended well.
  @discardableResult
  func perform(
    _ command: IMAPCommand,
    deadline: Deadline? = nil,
    take: (UntaggedResponse) -> Bool = { _ in false }
  ) async throws(IMAPError) -> StatusResponse {
    let statuses = try await pipeline([command], deadline: deadline, take: take)
    guard let status = statuses.first, status.condition == .ok else {
      throw IMAPError(statuses.first ?? StatusResponse(.bad), to: command.name)
    }
    return status
  }

  /// Commands under way at once: more would risk that both sides wait to write.
  private static let window = 100

  func run(
    _ commands: [IMAPCommand],
    _ deadline: Deadline,
    _ take: (UntaggedResponse) -> Bool
  ) async throws(IMAPError) -> [StatusResponse] {
    var statuses = [StatusResponse](repeating: StatusResponse(.bad), count: commands.count)
    var indices: [IMAPSession.Tag: Int] = [:]
    var sent = 0
    while sent < commands.count || !indices.isEmpty {
      while sent < commands.count, indices.count < Self.window {
        indices[session.send(commands[sent])] = sent
        sent += 1
      }
      switch try await nextEvent(deadline) {
      case .untagged(let response):
        if !take(response) { note(response) }
      case .completed(let tag, let status):
        guard let index = indices.removeValue(forKey: tag) else { continue }
        statuses[index] = status
        noteModSeq(status)
      case .greeting, .literal, .wantsLiteral, .idling, .challenge:
        continue
      }
    }
    return statuses
  }

  // MARK: - One operation at a time

  /// Claims the connection; what an unfinished fetch left is read and dropped.
  func begin(_ deadline: Deadline) async throws(IMAPError) {
    if let failure { throw failure }
    guard !isRunning, !session.isIdling else { throw .busy }
    isRunning = true
    guard let fetch = unfinished else { return }
    unfinished = nil
    do {
      try await fetch.drain(deadline)
    } catch {
      isRunning = false
      throw error
    }
  }

  /// Claims the connection for the next step of `fetch`.
  func resume(_ fetch: some UnfinishedFetch) throws(IMAPError) {
    if let failure { throw failure }
    guard unfinished === fetch else { throw .closed }
    guard !isRunning else { throw .busy }
    isRunning = true
  }

  /// Claims the connection for the next step of IDLE.
  func resumeIdle() throws(IMAPError) {
    if let failure { throw failure }
    guard !isRunning else { throw .busy }
    isRunning = true
  }

  /// Gives the connection back, with a fetch's commands still under way.
  func suspend(_ fetch: some UnfinishedFetch) {
    unfinished = fetch
    isRunning = false
  }

  /// Gives the connection back.
  func end() {
    unfinished = nil
    isRunning = false
  }

  // MARK: - Driving the session

  // Below 64 KB: when a block of that size is freed, malloc first gathers all small ones that are free.
  private static let readSize = 60 << 10

  /// Writes what is to be written and reads until the session has an event.
  func nextEvent(_ deadline: Deadline) async throws(IMAPError) -> IMAPSession.Event {
    while true {
      if let event = try takeEvent() { return event }
      let output = session.takeOutput()
      guard output.isEmpty else {
        // A literal that needs no leave may be next in the queue: look again before reading.
        try await write(output, deadline)
        continue
      }
      session.receive(try await read(deadline))
    }
  }

  /// Like `nextEvent`, but nil where nothing is there to be read.
  func nextEventNow() async throws(IMAPError) -> IMAPSession.Event? {
    while true {
      if let event = try takeEvent() { return event }
      let output = session.takeOutput()
      if !output.isEmpty { try await write(output, .now + timeouts.command) }
      do throws(NetError) {
        let bytes = try await stream.read(upTo: Self.readSize, deadline: .now)
        guard !bytes.isEmpty else { throw .closed }
        lastHeard = .now
        session.receive(bytes)
      } catch {
        if error == .timedOut { return nil }
        throw fail(IMAPError(error))
      }
    }
  }

  private func takeEvent() throws(IMAPError) -> IMAPSession.Event? {
    let event: IMAPSession.Event?
    do {
      event = try session.next()
    } catch {
      throw fail(IMAPError(error))
    }
    guard case .untagged(.condition(let status)) = event, status.condition == .bye,
      !isLoggingOut
    else { return event }
    throw fail(Self.farewell(status))
  }

  /// What a BYE that nobody asked for says.
  static func farewell(_ status: StatusResponse) -> IMAPError {
    if let refusal = status.connectionRefusal {
      .turnedAway(refusal, response: status.text)
    } else {
      .bye(response: status.text)
    }
  }

  /// Whether BYE is what we asked for.
  var isLoggingOut = false

  private func read(_ deadline: Deadline) async throws(IMAPError) -> [UInt8] {
    let bytes: [UInt8]
    do {
      bytes = try await stream.read(
        upTo: Self.readSize,
        deadline: min(deadline, .now + timeouts.silence)
      )
    } catch {
      throw fail(IMAPError(error))
    }
    guard !bytes.isEmpty else { throw fail(.closed) }
    lastHeard = .now
    return bytes
  }

  func write(_ bytes: [UInt8], _ deadline: Deadline) async throws(IMAPError) {
    do {
      try await stream.write(bytes, deadline: min(deadline, .now + timeouts.silence))
    } catch {
      throw fail(IMAPError(error))
    }
  }

  /// Closes the connection for `error` and returns it.
  func fail(_ error: IMAPError) -> IMAPError {
    if failure == nil { failure = error }
    endStream()
    return error
  }

  // MARK: - What the server tells unasked

  func note(_ response: UntaggedResponse) {
    switch response {
    case .exists(let count):
      guard selected?.exists != count else { break }
      selected?.exists = count
      events.append(.exists(count), limit: limits.events)
    case .expunge(let number):
      if let exists = selected?.exists, exists > 0 { selected?.exists = exists - 1 }
      events.append(.expunged(sequenceNumber: number), limit: limits.events)
    case .vanished(let uids, let isEarlier):
      // Only what vanishes now was counted (RFC 7162 §3.2.10).
      if !isEarlier, let exists = selected?.exists {
        selected?.exists = exists - min(exists, UInt32(clamping: uids.count))
      }
      events.append(.vanished(uids), limit: limits.events)
    case .fetch(let message):
      events.append(.changed(message), limit: limits.events)
    case .status(let name, let status) where isNotifying:
      events.append(.status(name, status), limit: limits.events)
    case .list(let mailbox) where isNotifying:
      events.append(.listed(mailbox), limit: limits.events)
    case .condition(let status):
      noteModSeq(status)
      if case .other("NOTIFICATIONOVERFLOW", _)? = status.code {
        isNotifying = false
        events.append(.notificationsEnded, limit: limits.events)
      }
      if case .other("ALERT", _)? = status.code {
        events.append(.alert(status.text), limit: limits.events)
      }
    default: break
    }
  }

  /// Takes the mailbox's new version from the end of a command that changed it (RFC 7162 §3.1.2.1),
  /// or from a notice in between, as Cyrus sends it.
  private func noteModSeq(_ status: StatusResponse) {
    guard case .highestModSeq(let modSeq)? = status.code, let known = selected?.highestModSeq
    else { return }
    selected?.highestModSeq = max(known, modSeq)
  }

  /// Forgets what was told of a mailbox that is no longer selected.
  func forgetEvents() { _ = events.take() }
}

/// How long a client waits.
package struct IMAPTimeouts: Sendable {
  /// For all of a command that transfers no messages.
  package var command: Duration = .seconds(60)
  /// For the next bytes, or for the server to take ours, while messages are transferred.
  package var silence: Duration = .seconds(60)

  /// The defaults that stand at each member.
  package init() {}
}

/// A fetch that was begun and may still have answers under way.
protocol UnfinishedFetch: AnyObject {
  /// Reads and drops the rest; what was not asked for yet stays so.
  func drain(_ deadline: Deadline) async throws(IMAPError)
}
