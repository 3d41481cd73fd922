import MailProtocols
package import Net

extension IMAPClient {
  /// Whether a task waits in IDLE.
  package var isIdling: Bool { session.isIdling }

  /// Waits in IDLE (RFC 2177) until something happens, and returns what did.
  ///
  /// Ends without an event when `deadline` passes or `endIdle` is called. The deadline is to be at
  /// most 29 minutes away, since servers may drop whoever is silent for 30.
  ///
  /// A network can lose a connection without a word to either side, and who waits in IDLE sends nothing
  /// that would show it. So where the server said nothing for `probe.silence`, IDLE is ended, too: the
  /// server must say so within `probe.answer`, or the connection is broken. `heard` is called for
  /// whatever the server says, such as the `* OK Still here` of Dovecot.
  ///
  /// What happens is first offered to `goesOn`, at once: where it returns true it has been dealt with, and IDLE goes on
  /// without the round trip that it takes to end it.
  package func idle(
    until deadline: Deadline,
    probe: IdleProbe? = nil,
    heard: () -> Void = {},
    goesOn: ([MailboxEvent]) -> Bool = { _ in false }
  ) async throws(IMAPError) -> [MailboxEvent] {
    while true {
      switch try await idleStep(until: deadline, probe: probe, heard: heard, goesOn: goesOn) {
      case .waiting(let instant): try await waitInIdle(until: instant)
      case .ended(let events): return events
      }
    }
  }

  /// One step of `idle`, for whoever waits without it: begins IDLE, or reads what came since the last
  /// step, and does not wait for more.
  ///
  /// Between two steps `waitInIdle` waits, in frames of a few hundred bytes where those of a read take
  /// kilobytes. `deadline` counts from the step that begins IDLE on.
  package func idleStep(
    until deadline: Deadline,
    probe: IdleProbe? = nil,
    heard: () -> Void = {},
    goesOn: ([MailboxEvent]) -> Bool = { _ in false }
  ) async throws(IMAPError) -> IdleStep {
    guard capabilities.contains(.idle) else { throw .unsupported("IDLE") }
    if idle == nil {
      try await begin(.now + timeouts.command)
      // What was told before is not waited for.
      let earlier = takeEvents()
      guard earlier.isEmpty else {
        end()
        return .ended(earlier)
      }
      idle = IdleCommand(tag: session.send(.idle), deadline: deadline)
    } else {
      try resumeIdle()
    }
    defer { end() }
    return try await readIdle(probe, heard, goesOn)
  }

  private func readIdle(
    _ probe: IdleProbe?,
    _ heard: () -> Void,
    _ goesOn: ([MailboxEvent]) -> Bool
  ) async throws(IMAPError) -> IdleStep {
    let answer = probe?.answer ?? timeouts.command
    while let idle {
      guard let event = try await idleEvent(answer) else {
        let end = probe.map { min(idle.deadline, lastHeard + $0.silence) } ?? idle.deadline
        guard end <= .now else { return .waiting(until: end) }
        session.endIdle()
        continue
      }
      heard()
      switch event {
      case .untagged(let response): note(response)
      case .completed(let ended, let status):
        guard ended == idle.tag else { continue }
        self.idle = nil
        guard status.condition == .ok else { throw IMAPError(status, to: "IDLE") }
        return .ended(idle.events + takeEvents())
      case .greeting, .literal, .wantsLiteral, .idling, .challenge: break
      }
      let told = takeEvents()
      if told.isEmpty || !session.isIdling || !goesOn(told) { self.idle?.events += told }
      if self.idle?.events.isEmpty == false, !session.hasUnreadBytes { session.endIdle() }
    }
    return .ended([])
  }

  /// Waits until there may be something to read in IDLE, or for its next step at `deadline`.
  package func waitInIdle(until deadline: Deadline) async throws(IMAPError) {
    do throws(NetError) {
      try await stream.waitUntilReadable(by: deadline)
    } catch {
      guard error == .timedOut else { throw fail(IMAPError(error)) }
    }
  }

  /// Ends `idle`, which another task waits in.
  package func endIdle() async throws(IMAPError) {
    guard session.isIdling else { return }
    session.endIdle()
    try await write(session.takeOutput(), .now + timeouts.command)
  }

  /// The next event; nil where IDLE waits and nothing is there to be read.
  private func idleEvent(_ answer: Duration) async throws(IMAPError) -> IMAPSession.Event? {
    guard session.isIdling else { return try await nextEvent(.now + answer) }
    return try await nextEventNow()
  }
}

/// What a step of IDLE came to.
package enum IdleStep: Sendable {
  /// Nothing has happened; the next step is due when there is something to read, or at this instant.
  case waiting(until: Deadline)
  /// IDLE has ended, with what happened if anything did.
  case ended([MailboxEvent])
}

/// An IDLE under way.
struct IdleCommand {
  let tag: IMAPSession.Tag
  /// When it is ended though nothing happened.
  let deadline: Deadline
  /// What happened since it began.
  var events: [MailboxEvent] = []
}

/// How one finds out, in IDLE, that a connection is dead.
package struct IdleProbe: Sendable {
  /// How long the server may be silent before it is asked.
  package var silence: Duration
  /// How long it may take to answer.
  package var answer: Duration

  package init(silence: Duration, answer: Duration) {
    self.silence = silence
    self.answer = answer
  }
}
