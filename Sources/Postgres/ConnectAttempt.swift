import CPostgres
import Glibc
import Net

extension PostgresConnection {
  /// Connects to the first host of the configuration that will have us.
  static func connect(
    _ configuration: PostgresConfiguration,
    canceller: QueryCanceller,
    on loop: EventLoop
  ) async throws(PostgresError) -> PostgresConnection {
    let deadline = ContinuousClock.now + configuration.connectTimeout
    let info = try ConnectionInfo(configuration.connectionInfo)
    let handle: OwnedHandle
    if info.needsResolver {
      handle = try await connectOffLoop(info, deadline, loop)
    } else {
      handle = try OwnedHandle(starting: info)
      let attempt = ConnectAttempt(handle, on: loop)
      try await attempt.finish(by: deadline).get()
    }
    return try unsafe PostgresConnection(
      adopting: handle.take(),
      configuration: configuration,
      canceller: canceller,
      on: loop
    )
  }

  /// Connects on a thread of the blocking pool, where a name server may take its time.
  private static func connectOffLoop(
    _ info: ConnectionInfo,
    _ deadline: Deadline,
    _ loop: EventLoop
  ) async throws(PostgresError) -> OwnedHandle {
    do {
      return try await loop.blocking.run {
        let handle = try OwnedHandle(starting: info)
        try handle.connect(by: deadline)
        return handle
      }
    } catch let error as PostgresError {
      throw error
    } catch {
      throw .unavailable(reason: "no thread to connect on: \(error)")
    }
  }
}

/// A connection handle that is closed unless somebody takes it.
@safe
private final class OwnedHandle: @unchecked Sendable {  // Used by one thread after the other.
  private(set) var handle: OpaquePointer
  private var isTaken = false

  init(starting info: ConnectionInfo) throws(PostgresError) {
    guard let handle = unsafe info.start() else { throw .unavailable(reason: "out of memory") }
    unsafe self.handle = unsafe handle
    guard unsafe PQstatus(handle) != CONNECTION_BAD else { throw failure }
  }

  deinit { if !isTaken { unsafe PQfinish(handle) } }

  var failure: PostgresError { .unavailable(reason: unsafe LibPQ.message(handle)) }

  /// Hands over the handle and the duty to close it.
  func take() -> OpaquePointer {
    isTaken = true
    return unsafe handle
  }

  /// Goes on connecting on the calling thread.
  func connect(by deadline: Deadline) throws(PostgresError) {
    var events = Int16(POLLOUT)
    while true {
      let left = (deadline - ContinuousClock.now) / .milliseconds(1)
      guard left > 0 else { throw .unavailable(reason: "connecting took too long") }
      var descriptor = pollfd(fd: unsafe PQsocket(handle), events: events, revents: 0)
      let count = unsafe poll(&descriptor, 1, Int32(min(left.rounded(.up), 60_000)))
      if count == 0 || (count < 0 && errno == EINTR) { continue }
      switch unsafe PQconnectPoll(handle) {
      case PGRES_POLLING_OK: return
      case PGRES_POLLING_READING: events = Int16(POLLIN)
      case PGRES_POLLING_WRITING: events = Int16(POLLOUT)
      default: throw failure
      }
    }
  }
}

/// A connection on its way, driven by the loop.
private final class ConnectAttempt: @unchecked Sendable {  // Touched only on its loop.
  private let owned: OwnedHandle
  private let loop: EventLoop
  private var watch: Watch?
  private var timer: LoopTimer?
  private var waiter: CheckedContinuation<Result<Void, PostgresError>, Never>?

  init(_ owned: OwnedHandle, on loop: EventLoop) {
    self.owned = owned
    self.loop = loop
  }

  /// Suspends until the connection is made, or cannot be.
  func finish(by deadline: Deadline) async -> Result<Void, PostgresError> {
    let loop = loop
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiter = continuation
        timer = loop.schedule(at: deadline) {
          self.end(.failure(.unavailable(reason: "connecting took too long")))
        }
        // libpq says to begin as if it had asked for a writable socket.
        wait(readable: false)
      }
    } onCancel: {
      loop.execute { self.end(.failure(.cancelled)) }
    }
  }

  private func wait(readable: Bool) {
    do throws(NetError) {
      // libpq may have gone on to another host, so the socket is another one each time.
      let watch = try Watch(unsafe PQsocket(owned.handle), on: loop) { self.ready($0) }
      watch.update(readable: readable, writable: !readable)
      self.watch = watch
    } catch {
      end(.failure(.unavailable(reason: "the socket cannot be watched: \(error)")))
    }
  }

  private func ready(_ readiness: Readiness) {
    watch?.cancel()
    watch = nil
    guard waiter != nil else { return }
    guard readiness != .hangup else {
      return end(.failure(.unavailable(reason: "the event loop stopped")))
    }
    switch unsafe PQconnectPoll(owned.handle) {
    case PGRES_POLLING_OK: end(.success(()))
    case PGRES_POLLING_READING: wait(readable: true)
    case PGRES_POLLING_WRITING: wait(readable: false)
    default: end(.failure(owned.failure))
    }
  }

  private func end(_ result: Result<Void, PostgresError>) {
    guard let waiter else { return }
    self.waiter = nil
    watch?.cancel()
    watch = nil
    timer?.cancel()
    timer = nil
    waiter.resume(returning: result)
  }
}
