import Model
import Net
import Synchronization

/// Messages and mailboxes whose intents a server put off, for as long as one connection lasts.
final class PostponedIntents: Sendable {
  private struct State {
    var messages: [ID<Message>: Deadline] = [:]
    var mailboxes: [ID<Mailbox>: Deadline] = [:]
    var needsPass = false
    /// Whether one has ended since the connection was made.
    var hasPassed = false
    /// Messages of which only a pass over all mailboxes can tell more, and when they are due after it.
    var lost: [ID<Message>: Deadline] = [:]
    /// Those that the pass under way looks for: it began after they were lost.
    var lookedFor: [ID<Message>: Deadline] = [:]
    var wait: Backoff
  }

  private let state: Mutex<State>

  init(_ configuration: EngineConfiguration) {
    state = Mutex(
      State(
        wait: Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
      )
    )
  }

  /// The messages that still wait; those whose time has come are forgotten.
  func messages(at now: Deadline) -> [ID<Message>] {
    state.withLock { state in
      state.messages = state.messages.filter { $0.value > now }
      return [state.messages.keys, state.lost.keys, state.lookedFor.keys].flatMap { Array($0) }
    }
  }

  /// The mailboxes that still wait; those whose time has come are forgotten.
  func mailboxes(at now: Deadline) -> [ID<Mailbox>] {
    state.withLock { state in
      state.mailboxes = state.mailboxes.filter { $0.value > now }
      return Array(state.mailboxes.keys)
    }
  }

  /// When the first of them is due, or the pass that they wait for; nil where there is none.
  var nextTry: Deadline? {
    state.withLock { state in
      if state.needsPass { return .now }
      return [state.messages.values.min(), state.mailboxes.values.min()].compactMap(\.self).min()
    }
  }

  /// Leaves the intents of `message` alone until `deadline`.
  func add(_ message: ID<Message>, until deadline: Deadline) {
    state.withLock { $0.messages[message] = deadline }
  }

  /// Leaves the intents of `message` alone until a pass over all mailboxes has looked for it, and until `deadline`.
  ///
  /// The time alone would not do: while others are replayed it may pass several times, and each try that finds nothing counts.
  func addUntilPass(_ message: ID<Message>, until deadline: Deadline) {
    state.withLock { state in
      state.lost[message] = deadline
      state.needsPass = true
    }
  }

  /// Has the intents of `messages` wait no longer.
  func remove(_ messages: [ID<Message>]) {
    state.withLock { state in for message in messages { state.messages[message] = nil } }
  }

  /// How long what waits for other clients waits this time: twice as long as the last.
  func nextWait() -> Duration { state.withLock { $0.wait.next(spread: 0) } }

  /// What waited for other clients is done.
  func resetWait() { state.withLock { $0.wait.reset() } }

  /// Leaves what is to become of `mailbox` alone until `deadline`.
  func add(_ mailbox: ID<Mailbox>, until deadline: Deadline) {
    state.withLock { $0.mailboxes[mailbox] = deadline }
  }

  /// Records that a pass over all mailboxes must come before the next try.
  func needPass() { state.withLock { $0.needsPass = true } }

  /// Whether such a pass is needed, and was not told before; it begins now.
  func takesPass() -> Bool {
    state.withLock { state in
      guard state.needsPass else { return false }
      state.needsPass = false
      state.lookedFor.merge(state.lost) { $1 }
      state.lost = [:]
      return true
    }
  }

  /// A pass over all mailboxes has ended: what it looked for has been found, or is nowhere.
  func endPass() {
    state.withLock { state in
      state.messages.merge(state.lookedFor) { $1 }
      state.lookedFor = [:]
      state.hasPassed = true
    }
  }

  /// Whether a pass has ended since the connection was made: only then a try that found no mailbox counts.
  var hasPassed: Bool { state.withLock { $0.hasPassed } }
}
