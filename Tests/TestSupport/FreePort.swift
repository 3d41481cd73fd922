import Foundation

/// Ports for the servers that tests start.
package enum FreePort {
  /// A port on which nobody listens and which no other call returned, in this process or another that runs.
  ///
  /// It lies below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes
  /// it between this check and the server's `bind`.
  package static func next() throws -> UInt16 {
    for _ in 0..<1000 {
      let port = UInt16.random(in: 20_000..<32_000)
      if lock(port), canBind(port) { return port }
    }
    throw TestSupportError.failed("no free port between 20000 and 31999")
  }

  /// Locks a file of the port's for as long as this process runs.
  ///
  /// - Returns: Whether nobody else has it.
  private static func lock(_ port: UInt16) -> Bool {
    let folder = "/tmp/restante-test-ports"
    if unsafe mkdir(folder, 0o777) == 0 { unsafe chmod(folder, 0o1777) }
    let descriptor = unsafe open("\(folder)/\(port)", O_CREAT | O_RDWR | O_CLOEXEC, 0o666)
    // Another user's.
    guard descriptor >= 0 else { return false }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return false
    }
    return true
  }

  private static func canBind(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return unsafe LoopbackAddress.withAddress(port) { unsafe bind(descriptor, $0, $1) } == 0
  }
}

/// The socket address of 127.0.0.1 as system calls want it.
enum LoopbackAddress {
  static func withAddress<R>(
    _ port: UInt16,
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
  ) -> R {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, size) }
    }
  }

  /// Whether somebody accepts connections on `port`.
  static func isListening(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return unsafe withAddress(port) { unsafe connect(descriptor, $0, $1) } == 0
  }
}
