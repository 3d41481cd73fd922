import Foundation
import Synchronization

/// A listening socket on loopback whose connections have a thread each, which may block.
///
/// A descriptor is closed by the thread that uses it, and under the lock that `stop()` takes: closed
/// by another, its number could be a stranger's socket by the time that it is used.
final class ThreadedListener: Sendable {
  private struct State {
    var connections: Set<Int32> = []
    var count = 0
    var isStopped = false
  }

  /// The port that the kernel chose.
  let port: UInt16
  private let descriptor: Int32
  private let state = Mutex(State())

  /// A socket that listens, of which nothing is accepted yet.
  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw TestSupportError.failed("no socket: errno \(errno)") }
    guard
      unsafe LoopbackAddress.withAddress(0, { [descriptor] in unsafe bind(descriptor, $0, $1) })
        == 0, listen(descriptor, 64) == 0
    else {
      let code = errno
      close(descriptor)
      throw TestSupportError.failed("no listening socket: errno \(code)")
    }
    port = Self.port(of: descriptor)
  }

  /// How many connections there were.
  var connectionCount: Int { state.withLock { $0.count } }

  /// Calls `serve` on a thread for each connection, with its descriptor and how many were before it.
  ///
  /// The connection is closed when `serve` returns. Whoever calls this calls `stop()` in the end.
  func start(_ serve: @escaping @Sendable (_ descriptor: Int32, _ number: Int) -> Void) {
    Thread.detachNewThread { [self] in
      while let connection = next() {
        guard let number = admit(connection) else {
          close(connection)
          break
        }
        Thread.detachNewThread { [self] in
          serve(connection, number)
          state.withLock { state in
            state.connections.remove(connection)
            close(connection)
          }
        }
      }
      stop()
      _ = state.withLock { _ in close(descriptor) }
    }
  }

  /// Stops listening and cuts every connection.
  func stop() {
    state.withLock { state in
      guard !state.isStopped else { return }
      state.isStopped = true
      // Once only: the descriptor is closed after it.
      shutdown(descriptor, Int32(SHUT_RDWR))
      for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
    }
  }

  /// The next connection; nil when there will be none.
  private func next() -> Int32? {
    while true {
      let connection = accept(descriptor, nil, nil)
      if connection >= 0 { return connection }
      guard errno == EINTR || errno == ECONNABORTED else { return nil }
    }
  }

  private func admit(_ connection: Int32) -> Int? {
    state.withLock { state in
      guard !state.isStopped else { return nil }
      state.connections.insert(connection)
      defer { state.count += 1 }
      return state.count
    }
  }

  private static func port(of descriptor: Int32) -> UInt16 {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
      _ = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &size)
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }
}
