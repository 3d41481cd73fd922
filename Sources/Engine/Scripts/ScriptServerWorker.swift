import Bytes
import Logging
import Model
import Net
import Store
import Synchronization

/// Looks at the ManageSieve servers of accounts: asks them once what scripts may require, and has those that run an account's
/// rules run them as they are.
///
/// What is to be done stands in `script_server`, where a change of rules, lists, mailboxes or settings puts it; so nothing is lost by a
/// restart, and what fails is tried again with a growing wait. An account has one task at a time.
final class ScriptServerWorker: Sendable {
  private let loop: EventLoop
  private let services: EngineServices
  private let publisher: ScriptPublisher
  private let signal = LoopSignal()
  private let busy = Mutex<Set<ID<Account>>>([])

  init(on loop: EventLoop, _ services: EngineServices) {
    self.loop = loop
    self.services = services
    publisher = ScriptPublisher(services: services)
  }

  private var store: Store { services.store }
  private var configuration: EngineConfiguration { services.configuration }

  /// Runs until the task is cancelled.
  func run() async {
    let (loop, signal) = (loop, signal)
    store.scriptServers.listen { signal.notify(.inbox) }
    defer { store.scriptServers.listen(nil) }
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        // Another process may have put something there.
        var deadline = Deadline.now + configuration.ruleLook
        do {
          for record in try await next() {
            group.addTask(executorPreference: loop) { await self.look(record) }
          }
          if let next = try await store.nextScriptServer(busy: busy.withLock { Array($0) }) {
            let wait = max(next.microseconds - services.now().microseconds, 0)
            deadline = min(deadline, .now + .microseconds(wait))
          }
        } catch {
          services.logger.warning("script servers not read", metadata: ["cause": "\(error)"])
          deadline = .now + .seconds(1)
        }
        _ = await signal.wait(until: deadline, on: loop)
      }
    }
  }

  /// The servers to look at now, whose accounts count as busy from here on.
  private func next() async throws(ServiceError) -> [ScriptServerRecord] {
    let taken = busy.withLock { $0 }
    let free = configuration.scriptConcurrency - taken.count
    guard free > 0 else { return [] }
    let due = try await store.dueScriptServers(
      at: services.now(),
      busy: Array(taken),
      limit: free
    )
    busy.withLock { $0.formUnion(due.map(\.account)) }
    return due
  }

  private func look(_ record: ScriptServerRecord) async {
    var failure: ServiceError?
    do {
      try await publisher.look(at: record)
    } catch {
      failure =
        error as? ServiceError
        ?? ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
    if !Task.isCancelled { await settle(record, failure) }
    _ = busy.withLock { $0.remove(record.account) }
    signal.notify(.inbox)
  }

  private func settle(_ record: ScriptServerRecord, _ failure: ServiceError?) async {
    var wait = configuration.scriptLook
    if let failure {
      services.logger.notice(
        "script server failed",
        metadata: ["account": "\(record.account)", "cause": "\(failure.cause ?? failure.message)"]
      )
      wait = Backoff.delay(
        after: record.attempts,
        first: configuration.firstScriptBackoff,
        longest: configuration.scriptLook
      )
    }
    let now = services.now()
    do throws(ServiceError) {
      try await store.settleScriptServer(
        record,
        failure: failure?.failure(at: now),
        next: Timestamp(microseconds: now.microseconds + Int64(wait / .microseconds(1)))
      )
    } catch {
      services.logger.warning(
        "script server not settled",
        metadata: ["cause": "\(error.cause ?? error.message)"]
      )
      // The database is away, most likely: not at once again.
      do {
        try await loop.sleep(until: .now + .seconds(1))
      } catch {
        // Cancelled.
      }
    }
  }
}
