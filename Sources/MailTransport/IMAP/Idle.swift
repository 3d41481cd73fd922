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
    guard capabilities.contains(.idle) else { throw .unsupported("IDLE") }
    try await begin(.now + timeouts.command)
    defer { end() }
    // What was told before is not waited for.
    let earlier = takeEvents()
    guard earlier.isEmpty else { return earlier }
    let tag = session.send(.idle)
    var gathered: [MailboxEvent] = []
    while true {
      let end = probe.map { min(deadline, .now + $0.silence) } ?? deadline
      guard let event = try await idleEvent(end, probe?.answer ?? timeouts.command) else {
        session.endIdle()
        continue
      }
      heard()
      switch event {
      case .untagged(let response): note(response)
      case .completed(let ended, let status):
        guard ended == tag else { continue }
        guard status.condition == .ok else { throw IMAPError(status, to: "IDLE") }
        return gathered + takeEvents()
      case .greeting, .literal, .wantsLiteral, .idling, .challenge: break
      }
      let told = takeEvents()
      if told.isEmpty || !session.isIdling || !goesOn(told) { gathered += told }
      if !gathered.isEmpty, !session.hasUnreadBytes { session.endIdle() }
    }
  }

  /// Ends `idle`, which another task waits in.
  package func endIdle() async throws(IMAPError) {
    guard session.isIdling else { return }
    session.endIdle()
    try await write(session.takeOutput(), .now + timeouts.command)
  }

  /// The next event; nil when `deadline` passes while IDLE waits.
  private func idleEvent(
    _ deadline: Deadline,
    _ answer: Duration
  ) async throws(IMAPError) -> IMAPSession.Event? {
    guard session.isIdling else { return try await nextEvent(.now + answer) }
    return try await nextEvent(patiently: deadline)
  }
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
