import Foundation

/// The socket calls that streams and listeners share.
enum Sockets {
  /// A new non-blocking stream socket of the address's family, closed on exec.
  static func open(_ address: SocketAddress) throws(NetError) -> Int32 {
    let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let descriptor = Foundation.socket(address.family, Int32(type), 0)
    guard descriptor >= 0 else { throw NetError.system(call: "socket", errno: errno) }
    return descriptor
  }

  /// Binds to a reserved port that is free, the way to which is chosen at random.
  ///
  /// A port that is in use, or that the last connection has not quite left, is passed over.
  static func bindReserved(_ descriptor: Int32, like peer: SocketAddress) throws(NetError) {
    let ports = Array(reservedPorts).shuffled()
    for port in ports {
      let address: SocketAddress =
        switch peer {
        case .ipv4: .ipv4(0, port: port)
        case .ipv6: .ipv6(0, port: port)
        case .unix: peer
        }
      let status = try unsafe address.withSockaddr { pointer, length in
        unsafe Foundation.bind(descriptor, pointer, length) == 0 ? 0 : errno
      }
      if status == 0 { return }
      guard status == EADDRINUSE else { throw NetError.system(call: "bind", errno: status) }
    }
    throw NetError.system(call: "bind", errno: EADDRINUSE)
  }

  /// The ports of rlogin's kind: those below are of services (`rresvport`).
  private static let reservedPorts: ClosedRange<UInt16> = 600...1023

  /// Starts to connect; zero or the errno.
  ///
  /// A bad address closes the descriptor and throws.
  static func connect(_ descriptor: Int32, to address: SocketAddress) throws(NetError) -> Int32 {
    do throws(NetError) {
      return try unsafe address.withSockaddr { pointer, length in
        while true {
          if unsafe Foundation.connect(descriptor, pointer, length) == 0 { return 0 }
          if errno != EINTR { return errno }
        }
      }
    } catch {
      _ = Foundation.close(descriptor)
      throw error
    }
  }

  /// Sets a socket option; one that the socket does not know is left.
  static func set(_ option: Int32, at level: Int32, on descriptor: Int32, to value: Int32 = 1) {
    var value = value
    _ = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The error that a connect under way has ended with, or zero.
  static func pendingError(_ descriptor: Int32) -> Int32 {
    var status: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &status, &length) == 0 else {
      return errno
    }
    return status
  }

  /// The system's words for an errno.
  static func words(for code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }
}

/// Which port a connection comes from.
package enum SourcePort: Hashable, Sendable {
  /// The kernel's choice.
  case any
  /// One that only root may bind, which servers of the oldest kind take for a proof of the user.
  case reserved
}
