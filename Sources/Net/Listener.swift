import CLinux
import Foundation

/// A socket that takes connections, on one loop; the connections may go to others.
///
/// Without SO_REUSEPORT, so that a second service on the same port fails loudly.
package final class Listener: Sendable {
  /// The address bound, with the port the kernel chose where zero was asked for.
  package let localAddress: SocketAddress
  private let channel: Channel

  /// How long accepting rests when the process has no descriptor left.
  private static let restWhenExhausted = Duration.milliseconds(100)

  /// Binds `address` and listens; called on `loop`.
  ///
  /// A Unix socket's file that nobody listens on any more is replaced.
  package init(
    bindingTo address: SocketAddress,
    on loop: EventLoop,
    backlog: Int = 1024
  ) throws(NetError) {
    let descriptor = try Sockets.open(address)
    do throws(NetError) {
      try Listener.listen(descriptor, on: address, backlog: backlog)
    } catch {
      _ = Foundation.close(descriptor)
      throw error
    }
    unsafe localAddress = SocketAddress.of(descriptor, getsockname) ?? address
    channel = try Channel(adopting: descriptor, on: loop)
  }

  deinit {
    channel.release()
  }

  /// The next connection, from a task of the listener's loop; a cancelled task's listener is closed.
  package func accept() async throws(NetError) -> AcceptedSocket {
    while true {
      try channel.requireOpen()
      let descriptor = restante_accept(channel.descriptor)
      if descriptor >= 0 {
        if channel.needsYield() { await Task.yield() }
        return AcceptedSocket(descriptor)
      }
      switch errno {
      case EAGAIN:
        channel.clearReadiness(.read)
        try await waitForNext()
      case EMFILE, ENFILE, ENOBUFS, ENOMEM:
        // The connection stays in the backlog and accept would fail again at once.
        try await channel.loop.sleep(until: .after(Listener.restWhenExhausted))
      case EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP:
        throw NetError.system(call: "accept4", errno: errno)
      default:
        // What is left are errors of the one connection, which is gone (accept(2), "Error handling").
        continue
      }
    }
  }

  /// Waits without a deadline of its own: a listener may be idle for ever.
  private func waitForNext() async throws(NetError) {
    do throws(NetError) {
      try await channel.wait(for: .read, until: .after(.seconds(86_400)))
    } catch .timedOut {
      return
    }
  }

  /// Stops listening; whoever accepts gets `NetError.closed`.
  ///
  /// Called on the loop.
  package func close() {
    guard channel.failure == nil else { return }
    channel.close(.closed)
    if case .unix(let path) = localAddress { _ = unsafe unlink(path) }
  }

  private static func listen(
    _ descriptor: Int32,
    on address: SocketAddress,
    backlog: Int
  ) throws(NetError) {
    if case .unix(let path) = address { try removeStale(path, address) }
    Sockets.set(SO_REUSEADDR, at: SOL_SOCKET, on: descriptor)
    if case .ipv6 = address {
      Sockets.set(Int32(IPV6_V6ONLY), at: Int32(IPPROTO_IPV6), on: descriptor)
    }
    let status = try unsafe address.withSockaddr { pointer, length in
      unsafe Foundation.bind(descriptor, pointer, length) == 0 ? 0 : errno
    }
    guard status == 0 else { throw NetError.system(call: "bind", errno: status) }
    guard Foundation.listen(descriptor, Int32(clamping: backlog)) == 0 else {
      throw NetError.system(call: "listen", errno: errno)
    }
  }

  /// Removes a Unix socket's file where a connection to it is refused: its listener has died.
  private static func removeStale(_ path: String, _ address: SocketAddress) throws(NetError) {
    let probe = try Sockets.open(address)
    let status = try Sockets.connect(probe, to: address)
    _ = Foundation.close(probe)
    if status == ECONNREFUSED { _ = unsafe unlink(path) }
  }
}

/// A connection that was accepted and belongs to no loop yet.
package final class AcceptedSocket: Sendable {
  private let descriptor: DescriptorBox

  fileprivate init(_ descriptor: Int32) {
    self.descriptor = DescriptorBox(descriptor)
  }

  /// The connection as a stream of `loop`, on which this is called; a second call is `.closed`.
  package func stream(on loop: EventLoop) throws(NetError) -> SocketStream {
    guard let taken = descriptor.take() else { throw NetError.closed }
    return SocketStream(channel: try Channel(adopting: taken, on: loop))
  }
}
