import Net
import Testing

/// Loops for one test, and the ways every test uses them.
struct Fixture {
  let group: EventLoopGroup
  let loop: EventLoop

  init(loopCount: Int = 2) throws {
    group = try EventLoopGroup(loopCount: loopCount)
    loop = group.loops[0]
  }

  /// Runs `body` as a task of the first loop, and ends the loops after it.
  func run<R: Sendable>(
    _ body: @escaping @Sendable (EventLoop) async throws -> R
  ) async throws -> R {
    let loop = self.loop
    let result = await Task(executorPreference: loop) {
      try await body(loop)
    }.result
    await group.shutdown()
    return try result.get()
  }
}

/// A listener on loopback and the two ends of one connection to it, all on the current loop.
struct Pair {
  let client: SocketStream
  let server: SocketStream

  init(on loop: EventLoop, address: SocketAddress = .loopback) async throws {
    let listener = try Listener(bindingTo: address, on: loop, backlog: 16)
    client = try await SocketStream.connect(to: listener.localAddress, deadline: .soon)
    server = try await listener.accept().stream(on: loop)
    listener.close()
  }
}

extension SocketAddress {
  static let loopback = SocketAddress.ipv4(0x7f00_0001, port: 0)
  static let loopback6 = SocketAddress.ipv6(1, port: 0)
}

extension ContinuousClock.Instant {
  /// Long enough for a loaded machine; only a broken test waits for it.
  static var soon: Deadline { .after(.seconds(30)) }
  /// A deadline that passes at once.
  static var past: Deadline { .after(.milliseconds(-1)) }
}

extension ByteStream {
  /// Reads exactly `count` bytes, or what there is until the end.
  func readAll(_ count: Int = .max) async throws -> [UInt8] {
    var all: [UInt8] = []
    while all.count < count {
      let bytes = try await read(upTo: min(count - all.count, 65_536), deadline: .soon)
      if bytes.isEmpty { break }
      all += bytes
    }
    return all
  }
}

/// Bytes that differ from place to place, so that a lost or doubled piece shows.
func pattern(_ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}

/// The error that `body` ends with; nil where it succeeds or throws something else.
func netError(_ body: () async throws -> Void) async -> NetError? {
  do {
    try await body()
    return nil
  } catch {
    return error as? NetError
  }
}
