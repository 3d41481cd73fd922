/// One result that a task of a loop waits for, with a deadline; confined to its loop.
@safe final class Rendezvous<Value: Sendable>: @unchecked Sendable {
  // Unchecked: touched only by the loop's own thread.
  private let loop: EventLoop
  private var continuation: UnsafeContinuation<Result<Value, NetError>, Never>?
  private var result: Result<Value, NetError>?
  private var timer: LoopTimer?

  init(on loop: EventLoop) {
    self.loop = loop
  }

  /// Hands over the result; the first one stands.
  ///
  /// Called on the loop.
  func fulfil(_ result: Result<Value, NetError>) {
    guard self.result == nil else { return }
    self.result = result
    timer?.cancel()
    timer = nil
    guard let waiting = unsafe continuation else { return }
    unsafe continuation = nil
    unsafe waiting.resume(returning: result)
  }

  /// Waits for the result until `deadline`.
  func value(by deadline: Deadline) async throws(NetError) -> Value {
    let loop = self.loop
    let result = await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        unsafe suspend(continuation, until: deadline)
      }
    } onCancel: {
      loop.execute { self.fulfil(.failure(.cancelled)) }
    }
    return try result.get()
  }

  private func suspend(
    _ waiting: UnsafeContinuation<Result<Value, NetError>, Never>,
    until deadline: Deadline
  ) {
    if let result {
      unsafe waiting.resume(returning: result)
      return
    }
    unsafe continuation = waiting
    timer = loop.schedule(at: deadline) { self.fulfil(.failure(.timedOut)) }
  }
}
