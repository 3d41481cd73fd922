import Logging
import MailProtocols
import MailTransport
import Model
import Net

/// Waits in IDLE on a connection of its own, and says when something happened.
///
/// Where the server has NOTIFY (RFC 5465) that tells of all the user's mailboxes, of the inbox alone
/// elsewhere. It never syncs: the command connection does. A server without IDLE is left to the poll.
///
/// Thousands of these wait at once. So whatever is deep is done in child tasks, and between two of them
/// nothing is held but this object, the connection, and the frames of a wait.
final class InboxWatcher: Sendable {
  private let account: ID<Account>
  private let settings: BackendSettings
  private let secret: Secret?
  private let services: EngineServices
  private let signal: LoopSignal
  private let told: ToldMailboxes
  private let record: ConnectionRecord
  private let logger: Logger
  /// Sees to a command that is under way on the other connection when this one is lost.
  private let suspect: @Sendable () -> Void

  init(
    account: ID<Account>,
    settings: BackendSettings,
    secret: Secret?,
    services: EngineServices,
    signal: LoopSignal,
    told: ToldMailboxes,
    record: ConnectionRecord,
    logger: Logger,
    suspect: @escaping @Sendable () -> Void
  ) {
    self.account = account
    self.settings = settings
    self.secret = secret
    self.services = services
    self.signal = signal
    self.told = told
    self.record = record
    self.logger = logger
    self.suspect = suspect
  }

  private var configuration: EngineConfiguration { services.configuration }

  /// A connection that watches.
  private struct Watch: Sendable {
    var client: IMAPClient
    var means: AccountConnection.Watching.Means
  }

  /// Watches until the task is cancelled; a lost connection is made again after a growing wait.
  func run(on loop: EventLoop) async {
    var backoff = Backoff(
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    var usesNotify = true
    while !Task.isCancelled {
      do {
        guard let watch = try await begin(usesNotify) else { return }
        backoff.reset()
        try await follow(watch)
        usesNotify = false
      } catch {
        if Task.isCancelled { return }
        note(error)
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

  private func note(_ error: any Error) {
    if let error = error as? ServiceError, error.code == .backendLimited {
      signal.notify(.limits)
    }
    logger.debug("watch ended", metadata: ["reason": "\(error)"])
  }

  // MARK: - The connection

  /// A connection that watches, from its login on; nil where the server has no IDLE.
  private func begin(_ usesNotify: Bool) async throws -> Watch? {
    try await inChildTask { try await self.connect(usesNotify) }
  }

  private func connect(_ usesNotify: Bool) async throws -> Watch? {
    let client = try await services.backends.imap(settings, for: account, .watching) {
      [secret] in secret
    }
    do {
      guard client.capabilities.contains(.idle) else {
        client.close()
        return nil
      }
      try await client.examine(.inbox)
      let isNotified = usesNotify ? try await notify(client) : false
      let watch = Watch(client: client, means: isNotified ? .notify : .idle)
      record.begin(watch.means, at: services.now())
      // Between the last sync and now something may have come.
      signal.notify(isNotified ? [.inbox, .tree] : .inbox)
      return watch
    } catch {
      client.close()
      throw error
    }
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

  // MARK: - What it tells

  /// Tells what the server says, until it ends its notifications.
  private func follow(_ watch: Watch) async throws {
    defer { watch.client.close() }
    do {
      while !Task.isCancelled {
        guard let instant = try await inChildTask({ try await self.listen(watch) }) else { return }
        try await watch.client.waitInIdle(until: instant)
      }
    } catch {
      // What took a connection that was there may have taken the one for commands, which nobody reads.
      if !Task.isCancelled {
        signal.notify(.suspicion)
        suspect()
      }
      throw error
    }
  }

  /// Reads what there is and begins IDLE again; when the next look is due, and nil where the server tells
  /// nothing more.
  private func listen(_ watch: Watch) async throws(IMAPError) -> Deadline? {
    let probe = IdleProbe(silence: configuration.watchSilence, answer: configuration.watchAnswer)
    while true {
      let step = try await watch.client.idleStep(
        until: .now + configuration.idleRenewal,
        probe: probe
      ) {
        record.heard(by: watch.means, at: services.now())
      } goesOn: { events in
        guard !events.contains(.notificationsEnded) else { return false }
        tell(events)
        return true
      }
      switch step {
      case .waiting(let instant): return instant
      case .ended(let events):
        guard !events.contains(.notificationsEnded) else {
          // As after NOTIFY NONE, not even the inbox is told of any more (RFC 5465 §5.8): a connection
          // without it is made, and what was not told is looked for.
          signal.notify(.tree)
          return nil
        }
        tell(events)
      }
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
