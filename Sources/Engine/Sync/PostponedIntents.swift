import Model
import Net
import Synchronization

/// Messages and mailboxes whose intents a server put off, for as long as one connection lasts.
final class PostponedIntents: Sendable {
  private let until = Mutex<[ID<Message>: Deadline]>([:])
  private let mailboxesUntil = Mutex<[ID<Mailbox>: Deadline]>([:])
  private let needsPass = Mutex(false)
  private let wait: Mutex<Backoff>

  init(_ configuration: EngineConfiguration) {
    wait = Mutex(
      Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
    )
  }

  /// The messages that still wait; those whose time has come are forgotten.
  func messages(at now: Deadline) -> [ID<Message>] {
    until.withLock { until in
      until = until.filter { $0.value > now }
      return Array(until.keys)
    }
  }

  /// The mailboxes that still wait; those whose time has come are forgotten.
  func mailboxes(at now: Deadline) -> [ID<Mailbox>] {
    mailboxesUntil.withLock { until in
      until = until.filter { $0.value > now }
      return Array(until.keys)
    }
  }

  /// When the first of them is due; nil where there is none.
  var nextTry: Deadline? {
    [until.withLock { $0.values.min() }, mailboxesUntil.withLock { $0.values.min() }]
      .compactMap(\.self).min()
  }

  /// Leaves the intents of `message` alone until `deadline`.
  func add(_ message: ID<Message>, until deadline: Deadline) {
    until.withLock { $0[message] = deadline }
  }

  /// Has the intents of `messages` wait no longer.
  func remove(_ messages: [ID<Message>]) {
    until.withLock { until in for message in messages { until[message] = nil } }
  }

  /// How long what waits for other clients waits this time: twice as long as the last.
  func nextWait() -> Duration { wait.withLock { $0.next(spread: 0) } }

  /// What waited for other clients is done.
  func resetWait() { wait.withLock { $0.reset() } }

  /// Leaves what is to become of `mailbox` alone until `deadline`.
  func add(_ mailbox: ID<Mailbox>, until deadline: Deadline) {
    mailboxesUntil.withLock { $0[mailbox] = deadline }
  }

  /// Records that a pass over all mailboxes must come before the next try.
  func needPass() { needsPass.withLock { $0 = true } }

  /// Whether such a pass is needed, and was not told before.
  func takesPass() -> Bool {
    needsPass.withLock { needsPass in
      defer { needsPass = false }
      return needsPass
    }
  }
}
