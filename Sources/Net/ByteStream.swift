/// A two-way stream of bytes that belongs to one event loop: a socket, or TLS over one.
///
/// Every method is called from a task that runs on `loop` (`Task(executorPreference: loop)`). One
/// read and one write may be under way at the same time. A cancelled task's stream is closed.
package protocol ByteStream: AnyObject, Sendable {
  /// The loop that owns the stream.
  var loop: EventLoop { get }

  /// Whether TLS protects the stream.
  var isSecure: Bool { get }

  /// The next bytes, between one and `limit` of them; empty at the end of the stream.
  ///
  /// They stand in memory that is allocated when they are there, so an idle stream holds no buffer.
  func read(upTo limit: Int, deadline: Deadline) async throws(NetError) -> [UInt8]

  /// Calls `body` once, on the loop, as soon as there may be something to read.
  ///
  /// It is called with `timedOut` at the deadline, and with why the stream was closed if it was. A task
  /// that waits in `read` keeps its frames; this keeps the closure alone, for connections that are idle.
  func whenReadable(by deadline: Deadline, _ body: @escaping (NetError?) -> Void)

  /// Writes all of `head`, then all of `body`, in one system call where the kernel takes it.
  ///
  /// At the deadline the stream is closed, since the peer may have got a part.
  func write(_ head: [UInt8], _ body: [UInt8], deadline: Deadline) async throws(NetError)

  /// Closes both directions at once; whoever waits gets `NetError.closed`. Calling it again does nothing.
  func close()
}

extension ByteStream {
  /// Waits until there may be something to read, with next to nothing in memory meanwhile.
  package func waitUntilReadable(by deadline: Deadline) async throws(NetError) {
    let failure = await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { (waiting: UnsafeContinuation<NetError?, Never>) in
        // A task that is cancelled already was told so before there was anything to close.
        guard !Task.isCancelled else { return unsafe waiting.resume(returning: .cancelled) }
        whenReadable(by: deadline) { unsafe waiting.resume(returning: $0) }
      }
    } onCancel: {
      loop.execute { self.close() }
    }
    guard let failure else { return }
    throw Task.isCancelled ? .cancelled : failure
  }

  /// Writes all of `bytes`.
  package func write(_ bytes: [UInt8], deadline: Deadline) async throws(NetError) {
    try await write(bytes, [], deadline: deadline)
  }
}
