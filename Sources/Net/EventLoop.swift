// One thread that waits on epoll and runs Swift tasks.
//
// A loop is a `TaskExecutor`: a task made with `Task(executorPreference: loop)` runs on the loop's thread,
// and so does all that it awaits by plain calls, `async let` and groups. State that belongs to one loop
// therefore needs no lock. Each turn of the loop
//
// 1. takes what other threads handed over,
// 2. runs its jobs, round by round, up to `jobsPerTurn`, so that a busy task cannot starve the sockets,
// 3. fires the timers that are due,
// 4. waits on epoll, without sleeping if jobs are left, and marks what became ready.
//
// A job enqueued by the loop itself is one array append. A job from elsewhere goes through a locked
// queue; the eventfd is written only if the loop has said that it is about to sleep.

import CLinux
import Foundation
import Synchronization

/// A thread that waits on sockets and timers and runs the tasks that prefer it.
@safe package final class EventLoop: TaskExecutor, @unchecked Sendable {
  // Unchecked: what no lock guards is touched only by the loop's own thread.

  /// The loop whose thread the caller runs on.
  package static var current: EventLoop? {
    guard let pointer = unsafe restante_current_loop() else { return nil }
    return unsafe Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// The threads that take the blocking work of this loop's tasks.
  package let blocking: BlockingPool

  /// How many jobs run before the sockets are looked at again.
  private static let jobsPerTurn = 1024
  /// How many bytes one read can bring.
  static let scratchSize = 65_536

  private let name: String
  private let poller: Int32
  private let waker: Int32
  private let inbox = Mutex(Inbox())
  private let isAboutToSleep = Atomic<Bool>(false)
  private let mustStop = Atomic<Bool>(false)

  private var jobs: [Work] = []
  private var timers = TimerHeap()
  private var slots: [Slot] = []
  /// Where reads land before they are copied out, so that an idle socket holds no buffer.
  let scratch: UnsafeMutableRawBufferPointer

  private enum Work {
    case job(UnownedJob)
    case call(@Sendable () -> Void)
  }

  /// What other threads hand over.
  private struct Inbox {
    var work: [Work] = []
    var onEnd: [@Sendable () -> Void] = []
    /// The thread has ended: what comes now would wait for ever, and is dropped.
    var hasEnded = false
  }

  /// What a descriptor number stands for at present.
  private struct Slot {
    /// Counts the registrations of the number, so that an event of a former one is known as stale.
    var generation: UInt32 = 0
    var handler: (any EventHandler)?
  }

  init(name: String, blocking: BlockingPool) throws(NetError) {
    let poller = restante_epoll_create()
    guard poller >= 0 else { throw NetError.system(call: "epoll_create1", errno: errno) }
    let waker = restante_eventfd()
    guard waker >= 0 else {
      let code = errno
      _ = Foundation.close(poller)
      throw NetError.system(call: "eventfd", errno: code)
    }
    // Edge-triggered, so that nobody need read the counter back to zero.
    let events = RESTANTE_EPOLLIN | RESTANTE_EPOLLET
    guard restante_epoll_ctl(poller, EpollChange.add, waker, events, UInt64.max) == 0 else {
      let code = errno
      _ = Foundation.close(poller)
      _ = Foundation.close(waker)
      throw NetError.system(call: "epoll_ctl", errno: code)
    }
    self.name = name
    self.poller = poller
    self.waker = waker
    self.blocking = blocking
    unsafe self.scratch = .allocate(byteCount: EventLoop.scratchSize, alignment: 16)
  }

  deinit {
    unsafe scratch.deallocate()
    _ = Foundation.close(poller)
    _ = Foundation.close(waker)
  }

  /// Whether the caller runs on this loop's thread.
  package var isCurrent: Bool {
    unsafe restante_current_loop() == Unmanaged.passUnretained(self).toOpaque()
  }

  /// Runs `work` on the loop, soon; any thread may call it.
  package func execute(_ work: @escaping @Sendable () -> Void) {
    submit(.call(work))
  }

  /// Runs `work` on the loop at `deadline` or just after it; called on the loop only.
  package func schedule(at deadline: Deadline, _ work: @escaping () -> Void) -> LoopTimer {
    precondition(isCurrent, "timers belong to the loop's thread")
    let timer = LoopTimer(deadline: deadline, loop: self, work: work)
    timers.insert(timer)
    return timer
  }

  /// Suspends the calling task, which runs on this loop, until `deadline`.
  package func sleep(until deadline: Deadline) async throws(NetError) {
    let never = Rendezvous<Void>(on: self)
    do throws(NetError) {
      try await never.value(by: deadline)
    } catch .timedOut {
      return
    }
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    submit(.job(UnownedJob(job)))
  }

  private func submit(_ work: Work) {
    if isCurrent {
      jobs.append(work)
      return
    }
    inbox.withLock { inbox in
      if !inbox.hasEnded { inbox.work.append(work) }
    }
    wakeIfAsleep()
  }

  private func wakeIfAsleep() {
    guard isAboutToSleep.exchange(false, ordering: .sequentiallyConsistent) else { return }
    var one: UInt64 = 1
    _ = unsafe Foundation.write(waker, &one, 8)
  }
}

// MARK: - The thread

extension EventLoop {
  /// Starts the loop's thread, which keeps the loop alive until `stop`.
  func start() {
    let thread = Thread { self.run() }
    thread.name = name
    thread.start()
  }

  /// Ends the thread after it has failed every registered stream and run what was ready.
  func stop(then done: @escaping @Sendable () -> Void = {}) {
    let hasEnded = inbox.withLock { inbox in
      if !inbox.hasEnded { inbox.onEnd.append(done) }
      return inbox.hasEnded
    }
    if hasEnded { done() }
    mustStop.store(true, ordering: .sequentiallyConsistent)
    wakeIfAsleep()
  }

  private func run() {
    unsafe restante_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
    blockPipeSignal()
    var spare: [Work] = []
    var events = [UInt32](repeating: 0, count: 256)
    var tokens = [UInt64](repeating: 0, count: 256)
    while !mustStop.load(ordering: .sequentiallyConsistent) {
      takeInbox()
      runJobs(&spare)
      fireTimers()
      let timeout = prepareToSleep()
      let count = unsafe restante_epoll_wait(poller, &events, &tokens, 256, timeout)
      isAboutToSleep.store(false, ordering: .sequentiallyConsistent)
      for index in 0..<max(Int(count), 0) {
        dispatch(events: events[index], token: tokens[index])
      }
    }
    windDown(&spare)
    restante_set_current_loop(nil)
  }

  /// Lets a write to a closed pipe be an error for this thread; OpenSSL writes without MSG_NOSIGNAL.
  private func blockPipeSignal() {
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private func takeInbox() {
    inbox.withLock { inbox in
      guard !inbox.work.isEmpty else { return }
      jobs.append(contentsOf: inbox.work)
      inbox.work.removeAll(keepingCapacity: true)
    }
  }

  private func runJobs(_ batch: inout [Work]) {
    var count = 0
    while !jobs.isEmpty, count < EventLoop.jobsPerTurn {
      swap(&batch, &jobs)
      for work in batch {
        switch work {
        case .job(let job): unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        case .call(let call): call()
        }
      }
      count += batch.count
      batch.removeAll(keepingCapacity: true)
    }
  }

  private func fireTimers() {
    guard !timers.isEmpty else { return }
    let now = ContinuousClock.now
    while let timer = timers.popDue(now) {
      timer.fire()
    }
  }

  /// The time epoll may wait, in milliseconds; says to other threads that they must wake us.
  private func prepareToSleep() -> Int32 {
    guard jobs.isEmpty else { return 0 }
    isAboutToSleep.store(true, ordering: .sequentiallyConsistent)
    let isIdle = inbox.withLock { $0.work.isEmpty }
    guard isIdle, !mustStop.load(ordering: .sequentiallyConsistent) else {
      isAboutToSleep.store(false, ordering: .sequentiallyConsistent)
      return 0
    }
    guard let next = timers.nextDeadline else { return -1 }
    return (next - ContinuousClock.now).millisecondsRoundedUp
  }

  /// Fails what is still registered, lets those who waited for it run, and reports the end.
  private func windDown(_ spare: inout [Work]) {
    let handlers = slots.compactMap(\.handler)
    for handler in handlers {
      handler.loopStops()
    }
    for _ in 0..<100 {
      takeInbox()
      guard !jobs.isEmpty else { break }
      runJobs(&spare)
    }
    timers.removeAll()
    let waiting = inbox.withLock { inbox in
      inbox.hasEnded = true
      inbox.work = []
      defer { inbox.onEnd = [] }
      return inbox.onEnd
    }
    for done in waiting {
      done()
    }
  }

  func remove(_ timer: LoopTimer) {
    timers.remove(timer)
  }
}

// MARK: - Descriptors

/// Something that is told of the readiness of a descriptor, on the descriptor's loop.
protocol EventHandler: AnyObject {
  func ready(_ readiness: Readiness)
  func loopStops()
}

/// The operations of epoll_ctl.
enum EpollChange {
  static let add: Int32 = 1
  static let remove: Int32 = 2
  static let modify: Int32 = 3
}

extension EventLoop {
  /// Names one registration of a descriptor.
  struct Token: Equatable {
    let descriptor: Int32
    fileprivate let generation: UInt32

    fileprivate init(descriptor: Int32, generation: UInt32) {
      self.descriptor = descriptor
      self.generation = generation
    }

    fileprivate init(packed: UInt64) {
      descriptor = Int32(truncatingIfNeeded: packed)
      generation = UInt32(truncatingIfNeeded: packed >> 32)
    }

    fileprivate var packed: UInt64 {
      UInt64(generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
    }
  }

  /// Reports `events` of `descriptor` to `handler`, which the loop keeps until `unregister`.
  func register(
    _ descriptor: Int32,
    events: UInt32,
    handler: any EventHandler
  ) throws(NetError) -> Token {
    precondition(isCurrent, "descriptors are registered on the loop's thread")
    guard descriptor >= 0 else { throw NetError.system(call: "epoll_ctl", errno: EBADF) }
    let index = Int(descriptor)
    if index >= slots.count {
      let room = max(index + 1, slots.count * 2, 64)
      slots.append(contentsOf: repeatElement(Slot(), count: room - slots.count))
    }
    slots[index].generation &+= 1
    let token = Token(descriptor: descriptor, generation: slots[index].generation)
    var status = restante_epoll_ctl(poller, EpollChange.add, descriptor, events, token.packed)
    if status != 0, errno == EEXIST {
      status = restante_epoll_ctl(poller, EpollChange.modify, descriptor, events, token.packed)
    }
    guard status == 0 else { throw NetError.system(call: "epoll_ctl", errno: errno) }
    slots[index].handler = handler
    return token
  }

  /// Changes the events that a registration reports.
  func modify(_ token: Token, events: UInt32) {
    guard isRegistered(token) else { return }
    _ = restante_epoll_ctl(poller, EpollChange.modify, token.descriptor, events, token.packed)
  }

  /// Ends a registration; the descriptor may be open or closed by now.
  func unregister(_ token: Token) {
    guard isRegistered(token) else { return }
    let index = Int(token.descriptor)
    slots[index].generation &+= 1
    slots[index].handler = nil
    _ = restante_epoll_ctl(poller, EpollChange.remove, token.descriptor, 0, 0)
  }

  private func isRegistered(_ token: Token) -> Bool {
    let index = Int(token.descriptor)
    return index < slots.count && slots[index].generation == token.generation
      && slots[index].handler != nil
  }

  private func dispatch(events: UInt32, token packed: UInt64) {
    guard packed != UInt64.max else { return }
    let token = Token(packed: packed)
    guard isRegistered(token) else { return }
    slots[Int(token.descriptor)].handler?.ready(Readiness(events: events))
  }
}
