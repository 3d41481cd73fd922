import Logging
import MailProtocols
import MailTransport
import Model
import Net

/// Waits in IDLE on a connection of its own, and says when something happened.
///
/// Where the server has NOTIFY (RFC 5465) that tells of all the user's mailboxes, of the inbox alone
/// elsewhere. It never syncs: the command connection does. A server without IDLE is left to the poll.
struct InboxWatcher: Sendable {
  let account: ID<Account>
  let settings: BackendSettings
  let secret: Secret?
  let services: EngineServices
  let signal: LoopSignal
  let told: ToldMailboxes
  let record: ConnectionRecord
  /// Sees to a command that is under way on the other connection when this one is lost.
  let suspect: @Sendable () -> Void
  let logger: Logger

  private var configuration: EngineConfiguration { services.configuration }

  /// Watches until the task is cancelled; a lost connection is made again after a growing wait.
  func run(on loop: EventLoop) async {
    var backoff = Backoff(
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    var usesNotify = true
    while !Task.isCancelled {
      var wasWatching = false
      do {
        let goesOn = try await watch(&usesNotify) {
          backoff.reset()
          wasWatching = true
        }
        guard goesOn else { return }
      } catch {
        if Task.isCancelled { return }
        if let error = error as? ServiceError, error.code == .backendLimited {
          signal.notify(.limits)
        }
        logger.debug("watch ended", metadata: ["reason": "\(error)"])
        // What took a connection that was there may have taken the one for commands, which nobody reads.
        if wasWatching {
          signal.notify(.suspicion)
          suspect()
        }
      }
      record.begin(.poll, at: services.now())
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
  private func watch(_ usesNotify: inout Bool, _ whenReady: () -> Void) async throws -> Bool {
    let client = try await services.backends.imap(settings, for: account, .watching) { secret }
    defer { client.close() }
    guard client.capabilities.contains(.idle) else { return false }
    try await client.examine(.inbox)
    let isNotified = usesNotify ? try await notify(client) : false
    let means: AccountConnection.Watching.Means = isNotified ? .notify : .idle
    whenReady()
    record.begin(means, at: services.now())
    // Between the last sync and now something may have come.
    signal.notify(isNotified ? [.inbox, .tree] : .inbox)
    let probe = IdleProbe(silence: configuration.watchSilence, answer: configuration.watchAnswer)
    while !Task.isCancelled {
      let events = try await client.idle(until: .now + configuration.idleRenewal, probe: probe) {
        record.heard(by: means, at: services.now())
      } goesOn: { events in
        guard !events.contains(.notificationsEnded) else { return false }
        tell(events)
        return true
      }
      guard !events.contains(.notificationsEnded) else {
        // As after NOTIFY NONE, not even the inbox is told of any more (RFC 5465 §5.8): a connection
        // without it is made, and what was not told is looked for.
        usesNotify = false
        signal.notify(.tree)
        return true
      }
      tell(events)
    }
    return true
  }

  /// Asks to be told of all mailboxes; whether the server does so.
  ///
  /// Never ended by NOTIFY NONE: after that Dovecot tells nothing of the inbox either.
  private func notify(_ client: IMAPClient) async throws(IMAPError) -> Bool {
    guard client.capabilities.contains(.notify) else { return false }
    var request = NotifyRequest()
    // The pass that follows asks for the counters by LIST.
    request.wantsStatus = false
    do throws(IMAPError) {
      try await client.notify(request)
      return true
    } catch {
      guard case .refused = error else { throw error }
      return false
    }
  }

  private func tell(_ events: [MailboxEvent]) {
    var reasons: LoopSignal.Reasons = []
    for event in events {
      switch event {
      case .exists, .expunged, .vanished, .changed: reasons.formUnion(.inbox)
      case .status(let name, _):
        told.insert(name)
        reasons.formUnion(.mailboxes)
      case .listed: reasons.formUnion(.tree)
      case .overflowed: reasons.formUnion([.inbox, .tree])
      case .notificationsEnded, .alert: break
      }
    }
    if !reasons.isEmpty { signal.notify(reasons) }
  }
}
