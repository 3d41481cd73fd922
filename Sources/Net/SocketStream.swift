import Foundation

/// A connected TCP or Unix socket as a stream of bytes.
package final class SocketStream: ByteStream {
  /// The peer; nil where it was gone before it could be asked for.
  package let remoteAddress: SocketAddress?
  let channel: Channel

  /// The loop that owns the socket.
  package var loop: EventLoop { channel.loop }
  /// False: the bytes go as they are.
  package var isSecure: Bool { false }

  init(channel: Channel) {
    self.channel = channel
    unsafe self.remoteAddress = SocketAddress.of(channel.descriptor, getpeername)
    if remoteAddress?.port != nil {
      Sockets.set(TCP_NODELAY, at: Int32(IPPROTO_TCP), on: channel.descriptor)
    }
  }

  deinit {
    channel.release()
  }

  /// Connects to `address` from a task of a loop, which will own the stream.
  package static func connect(
    to address: SocketAddress,
    from source: SourcePort = .any,
    deadline: Deadline
  ) async throws(NetError) -> SocketStream {
    guard let loop = EventLoop.current else {
      preconditionFailure("connect is called from a task of a loop")
    }
    while true {
      let descriptor = try Sockets.open(address)
      if source == .reserved {
        do throws(NetError) {
          try Sockets.bindReserved(descriptor, like: address)
        } catch {
          _ = Foundation.close(descriptor)
          throw error
        }
      }
      let status = try Sockets.connect(descriptor, to: address)
      // A Unix socket says EAGAIN when the listener's backlog is full; nothing tells when it is not.
      if status == EAGAIN {
        _ = Foundation.close(descriptor)
        guard ContinuousClock.now < deadline else { throw NetError.timedOut }
        try await loop.sleep(until: min(deadline, .after(.milliseconds(10))))
        continue
      }
      guard status == 0 || status == EINPROGRESS else {
        _ = Foundation.close(descriptor)
        throw refusal(address, status)
      }
      let channel = try Channel(adopting: descriptor, on: loop)
      if status == EINPROGRESS { try await finish(channel, address, deadline) }
      return SocketStream(channel: channel)
    }
  }

  private static func finish(
    _ channel: Channel,
    _ address: SocketAddress,
    _ deadline: Deadline
  ) async throws(NetError) {
    channel.clearReadiness(.write)
    do throws(NetError) {
      repeat {
        try await channel.wait(for: .write, until: deadline)
        let status = Sockets.pendingError(channel.descriptor)
        guard status == 0 else { throw refusal(address, status) }
      } while unsafe SocketAddress.of(channel.descriptor, getpeername) == nil
    } catch {
      channel.close(.closed)
      throw error
    }
  }

  private static func refusal(_ address: SocketAddress, _ status: Int32) -> NetError {
    .connectFailed(
      host: address.ip,
      port: address.port ?? 0,
      reason: Sockets.words(for: status)
    )
  }

  /// The next bytes, between one and `limit` of them; empty at the end of the stream.
  package func read(upTo limit: Int, deadline: Deadline) async throws(NetError) -> [UInt8] {
    while true {
      if let bytes = try channel.receive(upTo: limit) {
        if channel.needsYield() { await Task.yield() }
        return bytes
      }
      try await channel.wait(for: .read, until: deadline)
    }
  }

  /// The next bytes if there are any now, nil where there are none; empty at the end of the stream.
  package func readNow(upTo limit: Int) throws(NetError) -> [UInt8]? {
    try channel.receive(upTo: limit)
  }

  /// Calls `body` once, on the loop, as soon as there may be something to read.
  package func whenReadable(by deadline: Deadline, _ body: @escaping (NetError?) -> Void) {
    channel.call(when: .read, until: deadline, body)
  }

  /// Writes all of `head`, then all of `body`, in one system call where the kernel takes it.
  ///
  /// At the deadline the stream is closed, since the peer may have got a part.
  package func write(
    _ head: [UInt8],
    _ body: [UInt8],
    deadline: Deadline
  ) async throws(NetError) {
    let total = head.count + body.count
    var sent = 0
    while true {
      sent += try channel.send(head, body, from: sent)
      if sent == total { break }
      if channel.isReady(.write) {
        if channel.needsYield() { await Task.yield() }
      } else {
        try await channel.waitToWrite(until: deadline)
      }
    }
    if channel.needsYield() { await Task.yield() }
  }

  /// Says to the peer that nothing more is written; reads go on.
  package func finishWriting() {
    guard channel.failure == nil else { return }
    _ = Foundation.shutdown(channel.descriptor, Int32(SHUT_WR))
  }

  /// Closes both directions at once; whoever waits gets `NetError.closed`.
  package func close() {
    channel.close(.closed)
  }
}

// MARK: - The system calls

extension Channel {
  /// One recv; nil when there is nothing to read yet, empty at the end.
  func receive(upTo limit: Int) throws(NetError) -> [UInt8]? {
    try requireOpen()
    guard isReady(.read) else { return nil }
    let room = min(max(limit, 1), EventLoop.scratchSize)
    while true {
      let count = unsafe recv(descriptor, loop.scratch.baseAddress, room, 0)
      if count >= 0 {
        // A short read has emptied the socket; the next event will say when there is more. After a
        // hangup there is no next event.
        if count < room, count > 0, !sawHangup { clearReadiness(.read) }
        return unsafe [UInt8](loop.scratch[0..<count])
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        clearReadiness(.read)
        return nil
      case ECONNRESET, EPIPE: throw NetError.closed
      case let code: throw NetError.system(call: "recv", errno: code)
      }
    }
  }

  /// One sendmsg of what is left of `head` and `body` after `offset` bytes; how many it took.
  func send(_ head: [UInt8], _ body: [UInt8], from offset: Int) throws(NetError) -> Int {
    try requireOpen()
    let total = head.count + body.count - offset
    guard isReady(.write), total > 0 else { return 0 }
    while true {
      let count = sendOnce(head, body, from: offset)
      if count >= 0 {
        if count < total { clearReadiness(.write) }
        return count
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        clearReadiness(.write)
        return 0
      case ECONNRESET, EPIPE: throw NetError.closed
      case let code: throw NetError.system(call: "sendmsg", errno: code)
      }
    }
  }

  private func sendOnce(_ head: [UInt8], _ body: [UInt8], from offset: Int) -> Int {
    unsafe head.withUnsafeBytes { head in
      unsafe body.withUnsafeBytes { body in
        let first = unsafe head.dropFirst(offset)
        let second = unsafe body.dropFirst(max(offset - head.count, 0))
        let firstPart = unsafe iovec(UnsafeRawBufferPointer(rebasing: first))
        let secondPart = unsafe iovec(UnsafeRawBufferPointer(rebasing: second))
        var parts = unsafe (firstPart, secondPart)
        return unsafe withUnsafeMutablePointer(to: &parts) { pointer in
          unsafe pointer.withMemoryRebound(to: iovec.self, capacity: 2) { parts in
            var message = unsafe msghdr()
            unsafe message.msg_iov = parts
            unsafe message.msg_iovlen = 2
            return unsafe sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
          }
        }
      }
    }
  }
}

extension iovec {
  fileprivate init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.init(
      iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress),
      iov_len: bytes.count
    )
  }
}
