import CLinux
import Foundation

/// A non-blocking descriptor on its loop: what it is ready for, and who waits for that.
///
/// It is registered once, edge-triggered, for both directions. A caller tries the system call first,
/// and only where the kernel says EAGAIN clears the direction's readiness and waits. The loop keeps
/// the channel until it is closed, so its owner (`SocketStream`, `Listener`) closes it in `deinit`.
final class Channel: EventHandler, @unchecked Sendable {
  // Unchecked: touched only by the loop's own thread.
  let loop: EventLoop
  private(set) var descriptor: Int32
  /// Why the channel is closed; nil while it is open.
  private(set) var failure: NetError?
  /// Whether the peer has shut down: then a short read says nothing about the next one.
  private(set) var sawHangup = false
  private var token: EventLoop.Token?
  private var reading = Direction()
  private var writing = Direction()
  /// Calls that did not suspend since one did; see `needsYield`.
  private var streak = 0

  enum Side {
    case read, write
  }

  private enum Wake {
    case ready, timer, failed
  }

  /// A task that waits, or a call that is wanted; it is woken exactly once.
  @safe private enum Waiter {
    case task(UnsafeContinuation<Wake, Never>)
    case call((Wake) -> Void)

    func wake(_ wake: Wake) {
      switch self {
      case .task(let continuation): unsafe continuation.resume(returning: wake)
      case .call(let body): body(wake)
      }
    }
  }

  private struct Direction {
    var isReady = true
    var waiter: Waiter?
    /// A second waiter occurs where TLS reads must write, or writes must read.
    var others: [Waiter] = []
    /// The earliest deadline of those who wait.
    var deadline = ContinuousClock.now
    /// At most one timer; it may be due before `deadline`, and is then armed again.
    var timer: LoopTimer?
  }

  /// Takes over `descriptor`, which is closed if this fails; called on the loop.
  init(adopting descriptor: Int32, on loop: EventLoop) throws(NetError) {
    self.loop = loop
    self.descriptor = descriptor
    let events =
      RESTANTE_EPOLLIN | RESTANTE_EPOLLOUT | RESTANTE_EPOLLRDHUP | RESTANTE_EPOLLET
    do throws(NetError) {
      token = try loop.register(descriptor, events: events, handler: self)
    } catch {
      _ = Foundation.close(descriptor)
      throw error
    }
  }

  func isReady(_ side: Side) -> Bool {
    side == .read ? reading.isReady : writing.isReady
  }

  /// Notes that the kernel said EAGAIN.
  func clearReadiness(_ side: Side) {
    if side == .read { reading.isReady = false } else { writing.isReady = false }
  }

  /// Throws what closed the channel, if it is closed.
  func requireOpen() throws(NetError) {
    precondition(loop.isCurrent, "a stream is used by tasks of its loop only")
    if let failure { throw failure }
  }

  /// Whether the caller should yield: its calls have long been answered without a wait.
  ///
  /// Else a peer that is always faster than we are would keep the loop from all other sockets.
  func needsYield() -> Bool {
    streak += 1
    guard streak >= 16 else { return false }
    streak = 0
    return true
  }

  /// Waits until `side` may be ready; the caller tries again, as a wake may be idle.
  func wait(for side: Side, until deadline: Deadline) async throws(NetError) {
    if let failure { throw failure }
    streak = 0
    let wake = await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        suspend(unsafe Waiter.task(continuation), side, deadline)
      }
    } onCancel: {
      loop.execute { self.close(.cancelled) }
    }
    switch wake {
    case .ready: return
    case .timer: if ContinuousClock.now >= deadline { throw NetError.timedOut }
    case .failed: throw failure ?? .closed
    }
  }

  /// Calls `body` on the loop once `side` may be ready, or with why it will not be.
  func call(when side: Side, until deadline: Deadline, _ body: @escaping (NetError?) -> Void) {
    let waiter = Waiter.call { wake in
      switch wake {
      case .ready: body(nil)
      case .failed: body(self.failure ?? .closed)
      case .timer where ContinuousClock.now >= deadline: body(.timedOut)
      case .timer: self.call(when: side, until: deadline, body)
      }
    }
    if failure == nil, isReady(side) {
      waiter.wake(.ready)
    } else {
      suspend(waiter, side, deadline)
    }
  }

  /// Waits in the middle of a write: the deadline closes the channel, as a part may be written.
  func waitToWrite(until deadline: Deadline) async throws(NetError) {
    do throws(NetError) {
      try await wait(for: .write, until: deadline)
    } catch {
      close(error)
      throw error
    }
  }

  /// Closes the descriptor; those who wait get `reason`.
  ///
  /// A second call does nothing.
  func close(_ reason: NetError) {
    guard failure == nil else { return }
    precondition(loop.isCurrent, "a stream is closed by its loop only")
    failure = reason
    if let token { loop.unregister(token) }
    token = nil
    _ = Foundation.close(descriptor)
    descriptor = -1
    for side in [Side.read, .write] {
      withDirection(side) { direction in
        direction.timer?.cancel()
        direction.timer = nil
      }
      wakeAll(side, .failed)
    }
  }

  /// Closes from whatever thread the owner's `deinit` runs on.
  func release() {
    if loop.isCurrent { close(.closed) } else { loop.execute { self.close(.closed) } }
  }

  func ready(_ readiness: Readiness) {
    if readiness.contains(.hangup) { sawHangup = true }
    if readiness.contains(.readable) {
      reading.isReady = true
      wakeAll(.read, .ready)
    }
    if readiness.contains(.writable) {
      writing.isReady = true
      wakeAll(.write, .ready)
    }
  }

  func loopStops() {
    close(.closed)
  }
}

// MARK: - Waiting

extension Channel {
  private func withDirection<R>(_ side: Side, _ body: (inout Direction) -> R) -> R {
    side == .read ? body(&reading) : body(&writing)
  }

  private func suspend(
    _ waiter: Waiter,
    _ side: Side,
    _ deadline: Deadline
  ) {
    guard failure == nil else {
      waiter.wake(.failed)
      return
    }
    let isEarliest = withDirection(side) { direction in
      if direction.waiter == nil {
        direction.waiter = waiter
        direction.deadline = deadline
      } else {
        direction.others.append(waiter)
        direction.deadline = min(direction.deadline, deadline)
      }
      return direction.timer.map { direction.deadline < $0.deadline } ?? true
    }
    if isEarliest { arm(side) }
  }

  private func arm(_ side: Side) {
    let (old, deadline) = withDirection(side) { ($0.timer, $0.deadline) }
    old?.cancel()
    let timer = loop.schedule(at: deadline) { self.timerFired(side) }
    withDirection(side) { $0.timer = timer }
  }

  private func timerFired(_ side: Side) {
    let (isWaiting, deadline) = withDirection(side) { direction in
      direction.timer = nil
      return (direction.waiter != nil, direction.deadline)
    }
    guard isWaiting else { return }
    if ContinuousClock.now < deadline { arm(side) } else { wakeAll(side, .timer) }
  }

  private func wakeAll(_ side: Side, _ wake: Wake) {
    let (first, others) = withDirection(side) { direction in
      let all = (direction.waiter, direction.others)
      direction.waiter = nil
      if !direction.others.isEmpty { direction.others = [] }
      return all
    }
    first?.wake(wake)
    for other in others {
      other.wake(wake)
    }
  }
}
