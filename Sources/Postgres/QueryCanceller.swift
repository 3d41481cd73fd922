import CPostgres
import Net

/// Asks the server to stop statements that nobody waits for any more.
///
/// Best effort, since the connection is closed in any case: without it the server would go on until
/// it has something to send. It blocks, so it runs off the loop, a few at a time.
final class QueryCanceller: @unchecked Sendable {  // Touched only on its loop.
  /// A server that does not answer must not use up the threads for blocking work.
  private static let limit = 2
  private var pending = 0

  /// Cancels what runs on `handle`, which may be closed right after.
  func cancel(_ handle: OpaquePointer, from loop: EventLoop) {
    guard pending < Self.limit, let request = unsafe CancelRequest(of: handle) else { return }
    pending += 1
    Task(executorPreference: loop) {
      do {
        try await loop.blocking.run { request.send() }
      } catch {
        // The pool of threads is full or closed; the server finds out by itself.
      }
      self.pending -= 1
    }
  }
}

/// Where and what to cancel, independent of the connection it was made from.
@safe
private final class CancelRequest: @unchecked Sendable {  // A PGcancel never changes.
  private let request: OpaquePointer

  init?(of handle: OpaquePointer) {
    guard let request = unsafe PQgetCancel(handle) else { return nil }
    unsafe self.request = unsafe request
  }

  deinit { unsafe PQfreeCancel(request) }

  func send() {
    var message = [CChar](repeating: 0, count: 256)
    _ = unsafe PQcancel(request, &message, Int32(message.count))
  }
}
