import Foundation

/// Where a socket is bound or connected: an IP address and port, or a path.
package enum SocketAddress: Hashable, Sendable {
  /// An IPv4 address, its first byte the most significant of the number.
  case ipv4(UInt32, port: UInt16)
  /// An IPv6 address, its first byte the most significant; `scope` numbers a link-local's interface.
  case ipv6(UInt128, port: UInt16, scope: UInt32 = 0)
  /// A Unix socket in the file system.
  case unix(path: String)

  /// The address that a literal such as `127.0.0.1` or `::1` writes; nil for anything else.
  package init?(ip: String, port: UInt16) {
    guard !ip.utf8.contains(0) else { return nil }
    var v4 = in_addr()
    if unsafe inet_pton(AF_INET, ip, &v4) == 1 {
      self = .ipv4(UInt32(bigEndian: v4.s_addr), port: port)
      return
    }
    var v6 = in6_addr()
    guard unsafe inet_pton(AF_INET6, ip, &v6) == 1 else { return nil }
    self = .ipv6(UInt128(v6), port: port)
  }

  /// The port; nil for a path.
  package var port: UInt16? {
    switch self {
    case .ipv4(_, let port), .ipv6(_, let port, _): port
    case .unix: nil
    }
  }

  /// The literal without the port, or the path.
  package var ip: String {
    switch self {
    case .ipv4(let bits, _):
      [24, 16, 8, 0].map { String(UInt8(truncatingIfNeeded: bits >> $0)) }.joined(separator: ".")
    case .ipv6(let bits, _, _):
      in6_addr(bits).text
    case .unix(let path):
      path
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  package var description: String {
    switch self {
    case .ipv4(_, let port): "\(ip):\(port)"
    case .ipv6(_, let port, _): "[\(ip)]:\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}

// MARK: - As the system calls take it

extension SocketAddress {
  var family: Int32 {
    switch self {
    case .ipv4: AF_INET
    case .ipv6: AF_INET6
    case .unix: AF_UNIX
    }
  }

  /// Calls `body` with the address in the kernel's form; a path that is too long is ENAMETOOLONG.
  func withSockaddr<R>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
  ) throws(NetError) -> R {
    switch self {
    case .ipv4(let bits, let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = bits.bigEndian
      return unsafe SocketAddress.withBytes(of: &address, MemoryLayout<sockaddr_in>.size, body)
    case .ipv6(let bits, let port, let scope):
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      address.sin6_addr = in6_addr(bits)
      address.sin6_scope_id = scope
      return unsafe SocketAddress.withBytes(of: &address, MemoryLayout<sockaddr_in6>.size, body)
    case .unix(let path):
      return unsafe try SocketAddress.withUnixSockaddr(path, body)
    }
  }

  private static func withUnixSockaddr<R>(
    _ path: String,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
  ) throws(NetError) -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard !bytes.isEmpty, bytes.count < room, !bytes.contains(0) else {
      throw NetError.system(call: "sockaddr_un", errno: ENAMETOOLONG)
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
      unsafe target.copyBytes(from: bytes)
    }
    return unsafe withBytes(of: &address, MemoryLayout<sockaddr_un>.size, body)
  }

  private static func withBytes<A, R>(
    of address: inout A,
    _ size: Int,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
  ) -> R {
    unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound in
        unsafe body(rebound, socklen_t(size))
      }
    }
  }

  /// The address in `storage`; nil for a family that is not ours.
  init?(_ storage: sockaddr_storage, length: Int) {
    var storage = storage
    switch Int32(storage.ss_family) {
    case AF_INET:
      let address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in.self) }
      self = .ipv4(
        UInt32(bigEndian: address.sin_addr.s_addr),
        port: UInt16(bigEndian: address.sin_port)
      )
    case AF_INET6:
      let address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in6.self) }
      self = .ipv6(
        UInt128(address.sin6_addr),
        port: UInt16(bigEndian: address.sin6_port),
        scope: address.sin6_scope_id
      )
    case AF_UNIX:
      let path = unsafe withUnsafeBytes(of: &storage) { bytes in
        unsafe Array(bytes.prefix(length).dropFirst(2).prefix { $0 != 0 })
      }
      self = .unix(path: String(decoding: path, as: UTF8.self))
    default:
      return nil
    }
  }

  /// The address of `descriptor` that `call`, one of getsockname and getpeername, gives.
  static func of(
    _ descriptor: Int32,
    _ call: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
  ) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound in
        unsafe call(descriptor, rebound, &length)
      }
    }
    guard status == 0 else { return nil }
    return SocketAddress(storage, length: Int(length))
  }
}

extension UInt128 {
  /// The number whose most significant byte is the first of `address`.
  init(_ address: in6_addr) {
    var address = address
    let bits = unsafe withUnsafeBytes(of: &address) { unsafe $0.loadUnaligned(as: UInt128.self) }
    self.init(bigEndian: bits)
  }
}

extension in6_addr {
  init(_ bits: UInt128) {
    self.init()
    let wire = bits.bigEndian
    unsafe withUnsafeMutableBytes(of: &self) { target in
      unsafe target.storeBytes(of: wire, as: UInt128.self)
    }
  }

  /// The canonical text (RFC 5952).
  var text: String {
    var address = self
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard unsafe inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count)) != nil else {
      return ""
    }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
