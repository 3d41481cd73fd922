import MailProtocols
package import Net

extension IMAPClient {
  /// Whether a task waits in IDLE.
  package var isIdling: Bool { session.isIdling }

  /// Waits in IDLE (RFC 2177) until something happens, and returns what did.
  ///
  /// Ends without an event when `deadline` passes or `endIdle` is called. The deadline is to be at
  /// most 29 minutes away, since servers may drop whoever is silent for 30.
  package func idle(until deadline: Deadline) async throws(IMAPError) -> [MailboxEvent] {
    guard capabilities.contains(.idle) else { throw .unsupported("IDLE") }
    try await begin(.now + timeouts.command)
    defer { end() }
    // What was told before is not waited for.
    let earlier = takeEvents()
    guard earlier.isEmpty else { return earlier }
    let tag = session.send(.idle)
    var gathered: [MailboxEvent] = []
    while true {
      guard let event = try await idleEvent(deadline) else {
        session.endIdle()
        continue
      }
      switch event {
      case .untagged(let response): note(response)
      case .completed(let ended, let status):
        guard ended == tag else { continue }
        guard status.condition == .ok else { throw IMAPError(status, to: "IDLE") }
        return gathered + takeEvents()
      case .greeting, .literal, .wantsLiteral, .idling, .challenge: break
      }
      gathered += takeEvents()
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
  private func idleEvent(_ deadline: Deadline) async throws(IMAPError) -> IMAPSession.Event? {
    guard session.isIdling else { return try await nextEvent(.now + timeouts.command) }
    return try await nextEvent(patiently: deadline)
  }
}
