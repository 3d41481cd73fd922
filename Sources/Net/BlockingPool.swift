import Foundation
import Synchronization

/// A few threads for calls that block, such as `getaddrinfo`, with a bounded queue before them.
package final class BlockingPool: Sendable {
  private let threadLimit: Int
  private let queueLimit: Int
  private let condition = NSCondition()
  private let state = Mutex(State())

  private struct State {
    var queue: [@Sendable () -> Void] = []
    var head = 0
    var threads = 0
    var idle = 0
    var isClosed = false

    var waiting: Int { queue.count - head }

    mutating func take() -> (@Sendable () -> Void)? {
      guard head < queue.count else { return nil }
      let work = queue[head]
      head += 1
      if head == queue.count || head >= 256 {
        queue.removeFirst(head)
        head = 0
      }
      return work
    }
  }

  /// A pool that starts its threads when there is work for them.
  package init(threadLimit: Int = 4, queueLimit: Int = 4096) {
    self.threadLimit = threadLimit
    self.queueLimit = queueLimit
  }

  /// Runs `work` on a thread of the pool and comes back to the caller's executor with what it gives.
  ///
  /// The work is not interrupted when the task is cancelled. A full queue is
  /// `NetError.system("BlockingPool", EAGAIN)`.
  package func run<T: Sendable>(
    _ work: @escaping @Sendable () throws -> T
  ) async throws -> T {
    try await unsafe withUnsafeThrowingContinuation { continuation in
      let isAccepted = submit {
        unsafe continuation.resume(with: Result(catching: work))
      }
      if !isAccepted {
        let refusal = NetError.system(call: "BlockingPool", errno: EAGAIN)
        unsafe continuation.resume(throwing: refusal)
      }
    }
  }

  /// Queues `work`; false when the queue is full or the pool closed.
  func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    let needsThread: Bool? = state.withLock { state in
      guard !state.isClosed, state.waiting < queueLimit else { return nil }
      state.queue.append(work)
      guard state.idle < state.waiting, state.threads < threadLimit else { return false }
      state.threads += 1
      return true
    }
    guard let needsThread else { return false }
    if needsThread {
      let thread = Thread { self.serve() }
      thread.name = "blocking"
      thread.start()
    } else {
      condition.signal()
    }
    return true
  }

  /// Lets the threads end once the queue is empty.
  func close() {
    condition.lock()
    state.withLock { $0.isClosed = true }
    condition.broadcast()
    condition.unlock()
  }

  private func serve() {
    while let work = next() {
      work()
    }
  }

  private func next() -> (@Sendable () -> Void)? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let work = state.withLock({ $0.take() }) { return work }
      let isClosed = state.withLock { state in
        if state.isClosed { state.threads -= 1 } else { state.idle += 1 }
        return state.isClosed
      }
      if isClosed { return nil }
      condition.wait()
      state.withLock { $0.idle -= 1 }
    }
  }
}
