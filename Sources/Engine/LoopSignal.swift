import Net
import Synchronization

/// Wakes one task that waits on a loop; a wake that comes first is kept.
final class LoopSignal: Sendable {
  /// Why the task is woken.
  struct Reasons: OptionSet, Sendable {
    let rawValue: Int
    /// Intents were queued.
    static let operations = Reasons(rawValue: 1)
    /// Something happened in the inbox.
    static let inbox = Reasons(rawValue: 2)
    /// All mailboxes are to be compared.
    static let everything = Reasons(rawValue: 4)
    /// A job was queued.
    static let jobs = Reasons(rawValue: 8)
    /// Something was appended to a feed, or somebody waits for it.
    static let feed = Reasons(rawValue: 16)
    /// The watch lost its connection without a word: the others may be lost too.
    static let suspicion = Reasons(rawValue: 32)
    /// Something happened in other mailboxes, which `ToldMailboxes` names.
    static let mailboxes = Reasons(rawValue: 64)
    /// The list of mailboxes is to be read again, and those that differ.
    static let tree = Reasons(rawValue: 128)
    /// A body is waited for that only the connection for commands can read.
    static let bodies = Reasons(rawValue: 256)
    /// The server lets the account have fewer connections than it would have.
    static let limits = Reasons(rawValue: 512)
  }

  private struct State {
    var reasons: Reasons = []
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  /// Wakes the task, from any thread.
  func notify(_ reasons: Reasons) {
    state.withLock { state in
      state.reasons.formUnion(reasons)
      defer { state.waiter = nil }
      return state.waiter
    }?.resume()
  }

  /// The reasons that gathered, without a wait.
  func take() -> Reasons {
    state.withLock { state in
      defer { state.reasons = [] }
      return state.reasons
    }
  }

  /// Whether any of `reasons` waits.
  func has(_ reasons: Reasons) -> Bool {
    state.withLock { !$0.reasons.isDisjoint(with: reasons) }
  }

  /// Waits for a wake, a passed deadline (no reasons) or cancellation (no reasons).
  func wait(until deadline: Deadline?, on loop: EventLoop) async -> Reasons {
    let timer = deadline.map { deadline in
      loop.schedule(at: deadline) { self.notify([]) }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isAwake = state.withLock { state in
          guard state.reasons.isEmpty, !Task.isCancelled else { return true }
          if let deadline, deadline <= .now { return true }
          state.waiter = continuation
          return false
        }
        if isAwake { continuation.resume() }
      }
    } onCancel: {
      notify([])
    }
    timer?.cancel()
    return take()
  }
}
