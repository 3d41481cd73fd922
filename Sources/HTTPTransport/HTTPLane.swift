import Glibc
import HTTP
import Net

/// The connections of one loop, and what they share.
///
///     take ──▶ parked ──bytes──▶ ready ──▶ served by a task ──idle──▶ parked
///                │ time-out, closed, drain         │ the connection ends
///                ▼                                 ▼
///               gone                              gone
///
/// A parked connection has no task, only a closure with its socket: it costs a fifth of the memory that
/// the frames of a waiting task take.
final class HTTPLane: @unchecked Sendable {  // Confined to its loop, but for `loop` itself.
  let loop: EventLoop
  private(set) var isDraining = false
  private let limits: HTTPLimits
  /// Told of each connection that is gone.
  private let onEnd: @Sendable () -> Void
  private var parked: [ObjectIdentifier: HTTPConnection] = [:]
  /// Connections that have bytes and no task yet.
  private var ready: [HTTPConnection] = []
  private var isStopped = false
  private var waiter: CheckedContinuation<Void, Never>?
  private var dateSecond = Int64.min
  private var dateText: [UInt8] = []

  init(loop: EventLoop, limits: HTTPLimits, onEnd: @escaping @Sendable () -> Void) {
    self.loop = loop
    self.limits = limits
    self.onEnd = onEnd
  }

  /// The value of the `Date` field now, made once a second.
  func date() -> [UInt8] {
    let second = Int64(time(nil))
    if second != dateSecond {
      dateSecond = second
      dateText = HTTPDate.format(second)
    }
    return dateText
  }

  /// Takes over a socket that was accepted.
  func take(_ socket: AcceptedSocket, isWelcome: Bool, handler: any HTTPHandler) {
    do throws(NetError) {
      let stream = try socket.stream(on: loop)
      let connection = HTTPConnection(stream, on: self, limits: limits, handler: handler)
      connection.isWelcome = isWelcome
      if isWelcome { park(connection) } else { enqueue(connection) }
    } catch {
      onEnd()  // The connection broke before it began; there is nobody to tell.
    }
  }

  /// Serves connections as bytes come on them, a task each, until `stop`, or until it is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      while await waitForReady() {
        for connection in takeReady() {
          group.addTask(executorPreference: loop) { await self.serve(connection) }
        }
      }
      // The task was cancelled: what has not begun never will.
      for connection in takeReady() { end(connection) }
      drain()
    }
  }

  /// Ends `run` when the tasks under way have ended.
  func stop() {
    isStopped = true
    wake()
  }

  /// Closes the connections that are idle; the others close after the reply that is under way.
  func drain() {
    isDraining = true
    for connection in parked.values { connection.stream.close() }
  }

  private func serve(_ connection: HTTPConnection) async {
    if await connection.serve() { park(connection) } else { end(connection) }
  }

  private func park(_ connection: HTTPConnection) {
    guard !isDraining else { return end(connection) }
    parked[ObjectIdentifier(connection)] = connection
    connection.stream.whenReadable(by: .after(limits.idleTimeout)) { [self] failure in
      parked[ObjectIdentifier(connection)] = nil
      if failure == nil { enqueue(connection) } else { end(connection) }
    }
  }

  private func end(_ connection: HTTPConnection) {
    connection.stream.close()
    onEnd()
  }

  private func enqueue(_ connection: HTTPConnection) {
    ready.append(connection)
    wake()
  }

  private func takeReady() -> [HTTPConnection] {
    defer { ready.removeAll(keepingCapacity: true) }
    return ready
  }

  private func wake() {
    waiter?.resume()
    waiter = nil
  }

  /// Waits until a connection is ready; false where the lane is stopped or the task cancelled.
  private func waitForReady() async -> Bool {
    while ready.isEmpty {
      if isStopped || Task.isCancelled { return false }
      let loop = loop
      await withTaskCancellationHandler {
        await withCheckedContinuation { waiter = $0 }
      } onCancel: {
        loop.execute { self.wake() }
      }
    }
    return !Task.isCancelled
  }
}
