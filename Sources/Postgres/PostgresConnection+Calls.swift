import CPostgres
import Net

// The life of a call: queued, sent, answered or given up.
extension PostgresConnection {
  /// Queues `call` and suspends until it is answered, its deadline passes or the task is cancelled.
  func run(
    _ call: PostgresCall,
    deadline: Deadline?,
    ignoringCancellation: Bool = false
  ) async -> Result<Void, PostgresError> {
    if let refusal = refusal(ignoringCancellation) { return .failure(refusal) }
    enqueue(call, deadline: deadline)
    if ignoringCancellation { return await call.wait { pump() } }
    let loop = loop
    return await withTaskCancellationHandler {
      await call.wait { pump() }
    } onCancel: {
      loop.execute { self.abandon(call, .cancelled) }
    }
  }

  /// Why no call can be queued now; nil if one can.
  func refusal(_ ignoringCancellation: Bool = false) -> PostgresError? {
    precondition(loop.isCurrent, "a connection is used on its own loop")
    if !ignoringCancellation, Task.isCancelled { return .cancelled }
    return failure
  }

  func enqueue(_ call: PostgresCall, deadline: Deadline?) {
    let limit = deadline ?? ContinuousClock.now + configuration.statementTimeout
    call.timer = loop.schedule(at: limit) { [weak self] in self?.abandon(call, .timedOut) }
    calls.append(call)
  }

  /// Sends what may be sent.
  func pump() {
    while failure == nil, sentCount < calls.count {
      let call = calls[sentCount]
      guard sentCount == 0 || !(call.isExclusive || calls[0].isExclusive) else { break }
      guard setPipelining(!call.isExclusive), send(call) else {
        let reason = unsafe LibPQ.message(handle)
        fail(.connectionLost(reason: reason), culprit: call)
        return
      }
      sentCount += 1
    }
    flush()
  }

  private func setPipelining(_ wanted: Bool) -> Bool {
    if wanted == isPipelining { return true }
    isPipelining = wanted
    return unsafe (wanted ? PQenterPipelineMode(handle) : PQexitPipelineMode(handle)) == 1
  }

  /// Hands libpq's buffer to the socket; true when nothing is left in it.
  @discardableResult
  func flush() -> Bool {
    guard failure == nil else { return true }
    let left = unsafe PQflush(handle)
    if left < 0 {
      fail(.connectionLost(reason: unsafe LibPQ.message(handle)), culprit: nil)
      return true
    }
    if (left == 1) != isWaitingToWrite {
      isWaitingToWrite = left == 1
      watch?.update(readable: true, writable: isWaitingToWrite)
    }
    return left == 0
  }

  /// What the loop reports of the socket.
  func ready(_ readiness: Readiness) {
    guard failure == nil else { return }
    guard readiness != .hangup else {
      return fail(.connectionLost(reason: "the event loop stopped"), culprit: nil)
    }
    if readiness.contains(.readable), unsafe PQconsumeInput(handle) == 0 {
      // What the server said before it hung up may explain why.
      receive()
      return fail(.connectionLost(reason: lastMessage), culprit: nil)
    }
    receive()
    if isWaitingToWrite, flush(), let call = calls.first, call.isTakingRows { call.resume() }
  }

  private var lastMessage: String {
    failure == nil ? unsafe LibPQ.message(handle) : "the connection is closed"
  }

  /// Hands what has arrived to the calls that wait for it.
  private func receive() {
    while failure == nil, sentCount > 0, let call = calls.first, !call.isTakingRows,
      unsafe PQisBusy(handle) == 0
    {
      let result = unsafe PQgetResult(handle)
      if case .pipeline = call.work {
        unsafe receive(result, forPipeline: call)
      } else if !(unsafe receive(result, forExclusive: call)) {
        break
      }
    }
    receiveNotifications()
  }

  /// Ends the first call.
  func complete(_ call: PostgresCall) {
    calls.removeFirst()
    sentCount -= 1
    call.finish(call.error.map { .failure($0) } ?? .success(()))
    pump()
  }

  /// Gives up a call that was cancelled or is late.
  func abandon(_ call: PostgresCall, _ error: PostgresError) {
    guard !call.isDone else { return }
    if let index = calls.firstIndex(where: { $0 === call }), index >= sentCount {
      calls.remove(at: index)
      call.finish(.failure(error))
      return
    }
    if failure == nil { unsafe canceller.cancel(handle, from: loop) }
    fail(error, culprit: call)
  }

  /// Closes the connection; `culprit` gets `error`, the other calls learn that it is lost.
  func fail(_ error: PostgresError, culprit: PostgresCall?) {
    guard failure == nil else { return }
    let lost: PostgresError
    if case .connectionLost = error {
      lost = error
    } else {
      lost = .connectionLost(reason: "another call on the connection was given up")
    }
    failure = lost
    watch?.cancel()
    watch = nil
    unsafe PQfinish(handle)
    let unanswered = calls
    calls = []
    sentCount = 0
    for call in unanswered { call.finish(.failure(call === culprit ? error : lost)) }
    onBreak?()
    onBreak = nil
    onNotification = nil
  }

  private func receiveNotifications() {
    while failure == nil, let notification = unsafe PQnotifies(handle) {
      let payload = unsafe notification.pointee.extra.map { unsafe String(cString: $0) } ?? ""
      unsafe PQfreemem(notification)
      onNotification?(payload)
    }
  }
}
