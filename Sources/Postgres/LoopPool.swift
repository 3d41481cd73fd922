// The connections of one loop.
//
// A caller gets the connection returned last, else a new one while there are fewer than allowed, else
// waits in line. A connection that comes back broken, or in the middle of something, is dropped. While
// the server cannot be reached nobody waits: after a failed attempt every caller is told `unavailable`
// at once until the pause (doubled by each failure) is over; the first caller after it tries again.

import Net

/// The connections that belong to one event loop, and those who wait for one.
final class LoopPool: @unchecked Sendable {  // Touched only on its loop.
  let loop: EventLoop
  private let configuration: PostgresConfiguration
  private let canceller = QueryCanceller()
  private var idle: [PostgresConnection] = []
  /// Connections that are idle or lent.
  private var openCount = 0
  private var connectingCount = 0
  private var waiters: [Waiter] = []
  private var failureCount = 0
  private var retryAt: Deadline?
  private var lastFailure = "the server has not answered yet"
  private var isClosed = false
  private var closers: [CheckedContinuation<Void, Never>] = []

  /// A caller in line.
  private final class Waiter: @unchecked Sendable {  // Touched only on the loop.
    var timer: LoopTimer?
    var continuation: CheckedContinuation<Result<PostgresConnection, PostgresError>, Never>?

    func resume(_ result: Result<PostgresConnection, PostgresError>) {
      timer?.cancel()
      timer = nil
      continuation?.resume(returning: result)
      continuation = nil
    }
  }

  init(loop: EventLoop, configuration: PostgresConfiguration) {
    self.loop = loop
    self.configuration = configuration
  }

  /// A connection that is the caller's until `release`.
  func acquire(deadline: Deadline?) async throws(PostgresError) -> PostgresConnection {
    if Task.isCancelled { throw .cancelled }
    if isClosed { throw .unavailable(reason: "the pool is closed") }
    if let connection = takeIdle() { return connection }
    if openCount == 0, connectingCount == 0, isPausing { throw .unavailable(reason: lastFailure) }
    if waiters.count >= configuration.waitLimit { throw .poolExhausted }
    let limit = ContinuousClock.now + configuration.waitTimeout
    if let deadline, deadline < limit {
      return try await wait(until: deadline, late: .timedOut).get()
    }
    return try await wait(until: limit, late: nil).get()
  }

  /// Takes back a connection that `acquire` gave out.
  func release(_ connection: PostgresConnection) {
    guard connection.isReusable, !isClosed else {
      connection.close()
      return connectionIsGone()
    }
    if waiters.isEmpty {
      connection.onBreak = { [weak self, weak connection] in
        guard let self, let connection else { return }
        self.idleConnectionBroke(connection)
      }
      idle.append(connection)
    } else {
      waiters.removeFirst().resume(.success(connection))
    }
  }

  /// Closes idle connections and waits until the others are back.
  func close() async {
    isClosed = true
    let refused = waiters
    waiters = []
    for waiter in refused { waiter.resume(.failure(.unavailable(reason: "the pool is closed"))) }
    while let connection = takeIdle() {
      connection.close()
      openCount -= 1
    }
    guard openCount + connectingCount > 0 else { return }
    await withCheckedContinuation { closers.append($0) }
  }

  private func takeIdle() -> PostgresConnection? {
    while let connection = idle.popLast() {
      connection.onBreak = nil
      if connection.failure == nil { return connection }
      openCount -= 1
    }
    return nil
  }

  private var isPausing: Bool { retryAt.map { ContinuousClock.now < $0 } ?? false }

  /// Waits in line; `late` is thrown at the deadline, by default what the pool knows.
  private func wait(
    until deadline: Deadline,
    late: PostgresError?
  ) async -> Result<PostgresConnection, PostgresError> {
    let waiter = Waiter()
    let loop = loop
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiter.continuation = continuation
        waiter.timer = loop.schedule(at: deadline) { [self] in
          let reason =
            openCount > 0 ? .poolExhausted : PostgresError.unavailable(reason: lastFailure)
          giveUp(waiter, late ?? reason)
        }
        waiters.append(waiter)
        grow()
      }
    } onCancel: {
      loop.execute { self.giveUp(waiter, .cancelled) }
    }
  }

  private func giveUp(_ waiter: Waiter, _ error: PostgresError) {
    guard let index = waiters.firstIndex(where: { $0 === waiter }) else { return }
    waiters.remove(at: index)
    waiter.resume(.failure(error))
  }

  /// Starts another connection where somebody waits for it and there may be one more.
  private func grow() {
    guard !isClosed, connectingCount < waiters.count, !isPausing,
      openCount + connectingCount < max(1, configuration.connectionsPerLoop)
    else { return }
    connectingCount += 1
    // Owned by the pool: `close` waits until `connectingCount` is zero.
    Task(executorPreference: loop) { await self.connect() }
  }

  private func connect() async {
    do throws(PostgresError) {
      let connection = try await PostgresConnection.connect(
        configuration,
        canceller: canceller,
        on: loop
      )
      connectingCount -= 1
      openCount += 1
      failureCount = 0
      retryAt = nil
      release(connection)
      grow()
    } catch {
      connectingCount -= 1
      connectFailed(error)
    }
  }

  private func connectFailed(_ error: PostgresError) {
    if case .unavailable(let reason) = error {
      lastFailure = reason
    } else {
      lastFailure = "\(error)"
    }
    let pause = configuration.initialBackoff * (1 << min(failureCount, 16))
    failureCount += 1
    retryAt = ContinuousClock.now + min(pause, configuration.maximumBackoff)
    refuseWaitersIfUnreachable()
    finishCloseIfDone()
  }

  private func refuseWaitersIfUnreachable() {
    guard openCount == 0, connectingCount == 0 else { return }
    let refused = waiters
    waiters = []
    for waiter in refused { waiter.resume(.failure(.unavailable(reason: lastFailure))) }
  }

  private func idleConnectionBroke(_ connection: PostgresConnection) {
    guard let index = idle.firstIndex(where: { $0 === connection }) else { return }
    idle.remove(at: index)
    connectionIsGone()
  }

  private func connectionIsGone() {
    openCount -= 1
    grow()
    if isPausing { refuseWaitersIfUnreachable() }
    finishCloseIfDone()
  }

  private func finishCloseIfDone() {
    guard isClosed, openCount + connectingCount == 0 else { return }
    let done = closers
    closers = []
    for closer in done { closer.resume() }
  }
}
