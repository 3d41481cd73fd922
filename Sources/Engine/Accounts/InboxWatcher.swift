import Logging
import MailProtocols
import MailTransport
import Model
import Net

/// Waits in IDLE on the inbox, on a connection of its own, and says when something happened.
///
/// It never syncs: the command connection does. A server without IDLE is left to the poll.
struct InboxWatcher: Sendable {
  let account: ID<Account>
  let settings: BackendSettings
  let secret: Secret?
  let services: EngineServices
  let signal: LoopSignal
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
        if let error = error as? ServiceError, error.code == .backendLimited {
          signal.notify(.limits)
        }
        logger.debug("watch ended", metadata: ["reason": "\(error)"])
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
    let client = try await services.backends.imap(settings, for: account, .watching) { secret }
    defer { client.close() }
    guard client.capabilities.contains(.idle) else { return false }
    try await client.examine(.inbox)
    whenReady()
    // Between the last sync and this EXAMINE something may have come.
    signal.notify(.inbox)
    while !Task.isCancelled {
      let events = try await client.idle(until: .now + services.configuration.idleRenewal)
      if !events.isEmpty { signal.notify(.inbox) }
    }
    return true
  }
}
