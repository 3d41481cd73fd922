import Logging
import MailProtocols
import MailTransport
import Model
import Net

/// Waits in IDLE on the inbox, on a connection of its own, and says when something happened.
///
/// It never syncs: the command connection does. A server without IDLE is left to the poll.
struct InboxWatcher: Sendable {
  let settings: BackendSettings
  let secret: Secret?
  let services: EngineServices
  let signal: LoopSignal
  let record: ConnectionRecord
  let logger: Logger

  /// Watches until the task is cancelled; a lost connection is made again after a growing wait.
  func run(on loop: EventLoop) async {
    let configuration = services.configuration
    var backoff = Backoff(
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    while !Task.isCancelled {
      do {
        guard try await watch({ backoff.reset() }) else { return }
      } catch {
        if Task.isCancelled { return }
        logger.debug("watch ended", metadata: ["reason": "\(error)"])
        record.begin(.poll, at: services.now())
        // What took this connection may have taken the one for commands, which nobody reads.
        signal.notify(.suspicion)
      }
      do {
        try await loop.sleep(until: .now + backoff.next(spread: Double.random(in: 0...1)))
      } catch {
        return  // Cancelled.
      }
      // What happened while nobody watched.
      signal.notify(.inbox)
    }
  }

  /// Returns false where the server has no IDLE.
  private func watch(_ whenReady: () -> Void) async throws -> Bool {
    let client = try await services.backends.imap(settings, secret: secret)
    defer { client.close() }
    guard client.capabilities.contains(.idle) else { return false }
    let configuration = services.configuration
    try await client.introduce(configuration)
    try await client.examine(.inbox)
    whenReady()
    record.begin(.idle, at: services.now())
    // Between the last sync and this EXAMINE something may have come.
    signal.notify(.inbox)
    let probe = IdleProbe(silence: configuration.watchSilence, answer: configuration.watchAnswer)
    while !Task.isCancelled {
      let events = try await client.idle(until: .now + configuration.idleRenewal, probe: probe) {
        record.heard(by: .idle, at: services.now())
      }
      if !events.isEmpty { signal.notify(.inbox) }
    }
    return true
  }
}
