import Model
import Synchronization

/// One lock an account, under which its mailboxes are listed, made, renamed and deleted.
///
/// What a LIST said is stored before another connection changes the mailboxes, and the other way
/// round: else a list from before a rename or a creation would take the mailbox away here.
final class AccountLocks: Sendable {
  private let locks = Mutex<[ID<Account>: TaskLock]>([:])

  subscript(account: ID<Account>) -> TaskLock {
    locks.withLock { locks in
      if let lock = locks[account] { return lock }
      let lock = TaskLock()
      locks[account] = lock
      return lock
    }
  }
}

/// A lock that a task holds over waits, or as many tasks as it is wide; those who want it get it in their
/// order.
final class TaskLock: Sendable {
  private struct Waiter {
    var number: Int
    var continuation: CheckedContinuation<Bool, Never>
  }

  private struct State {
    /// How many more may hold it.
    var free: Int
    var lastNumber = 0
    var waiters: [Waiter] = []
  }

  private let state: Mutex<State>

  /// A lock that `width` tasks may hold at once.
  init(width: Int = 1) { state = Mutex(State(free: max(width, 1))) }

  /// Runs `body` while nobody else holds the lock.
  ///
  /// - Throws: `CancellationError` where the task was cancelled before its turn, or what `body` throws.
  func withLock<R>(_ body: () async throws -> R) async throws -> R {
    guard await acquire() else { throw CancellationError() }
    defer { release() }
    return try await body()
  }

  /// Runs `body` while nobody else holds the lock; as long as somebody does, `meanwhile` is run.
  ///
  /// For whoever has something that the holder may wait for.
  func withLock<R>(
    meanwhile: () async throws -> Void,
    _ body: () async throws -> R
  ) async throws -> R {
    while !acquireNow() { try await meanwhile() }
    defer { release() }
    return try await body()
  }

  private func acquireNow() -> Bool {
    state.withLock { state in
      guard state.free > 0 else { return false }
      state.free -= 1
      return true
    }
  }

  /// Waits for its turn; false where the task was cancelled first.
  private func acquire() async -> Bool {
    let number = state.withLock { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isMine: Bool? = state.withLock { state in
          guard !Task.isCancelled else { return false }
          guard state.free == 0 else {
            state.free -= 1
            return true
          }
          state.waiters.append(Waiter(number: number, continuation: continuation))
          return nil
        }
        if let isMine { continuation.resume(returning: isMine) }
      }
    } onCancel: {
      giveUp(number)
    }
  }

  private func giveUp(_ number: Int) {
    state.withLock { state in
      state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0) }
    }?.continuation.resume(returning: false)
  }

  private func release() {
    state.withLock { state -> Waiter? in
      guard !state.waiters.isEmpty else {
        state.free += 1
        return nil
      }
      return state.waiters.removeFirst()
    }?.continuation.resume(returning: true)
  }
}
