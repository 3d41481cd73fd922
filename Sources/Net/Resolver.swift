import Foundation

/// The addresses of a host name, by `getaddrinfo` on a thread that may block.
struct Resolver: Sendable {
  let pool: BlockingPool

  /// The addresses of `host` in the system's order of preference; a literal is its own address.
  func addresses(
    of host: String,
    port: UInt16,
    deadline: Deadline,
    on loop: EventLoop
  ) async throws(NetError) -> [SocketAddress] {
    if let literal = SocketAddress(ip: host, port: port) { return [literal] }
    guard !host.isEmpty, host.utf8.count <= 255, host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f })
    else {
      throw NetError.unresolved(host: host, reason: "not a host name")
    }
    let answer = Rendezvous<[SocketAddress]>(on: loop)
    let isAccepted = pool.submit {
      let result = Resolver.look(up: host, port: port)
      loop.execute { answer.fulfil(result) }
    }
    guard isAccepted else {
      throw NetError.unresolved(host: host, reason: "too many look-ups are waiting")
    }
    return try await answer.value(by: deadline)
  }

  private static func look(
    up host: String,
    port: UInt16
  ) -> Result<[SocketAddress], NetError> {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = Int32(AI_NUMERICSERV)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard status == 0 else {
      let reason = unsafe String(cString: gai_strerror(status))
      return .failure(.unresolved(host: host, reason: reason))
    }
    defer { unsafe freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      if let address = unsafe SocketAddress(entry.pointee), !found.contains(address) {
        found.append(address)
      }
      unsafe next = entry.pointee.ai_next
    }
    guard !found.isEmpty else {
      return .failure(.unresolved(host: host, reason: "the name has no address"))
    }
    return .success(found)
  }
}

extension SocketAddress {
  fileprivate init?(_ entry: addrinfo) {
    guard let pointer = unsafe entry.ai_addr else { return nil }
    let length = unsafe min(Int(entry.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
    var storage = sockaddr_storage()
    unsafe withUnsafeMutableBytes(of: &storage) { target in
      unsafe target.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: length))
    }
    self.init(storage, length: length)
  }
}
