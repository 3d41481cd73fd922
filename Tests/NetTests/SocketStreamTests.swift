import Foundation
import Net
import Testing

@Suite("Sockets on a loop", .timeLimit(.minutes(6)))
struct SocketStreamTests {
  @Test(arguments: ["tcp4", "tcp6", "unix"])
  func `bytes go both ways`(kind: String) async throws {
    let path = "/tmp/restante-net-\(UUID().uuidString).sock"
    let address: SocketAddress =
      switch kind {
      case "tcp4": .loopback
      case "tcp6": .loopback6
      default: .unix(path: path)
      }
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop, address: address)
      try await pair.client.write(Array("head ".utf8), Array("body".utf8), deadline: .soon)
      #expect(try await pair.server.readAll(9) == Array("head body".utf8))
      try await pair.server.write(Array("answer".utf8), deadline: .soon)
      #expect(try await pair.client.readAll(6) == Array("answer".utf8))
      pair.client.close()
      #expect(try await pair.server.read(upTo: 10, deadline: .soon) == [])
    }
  }

  @Test func `a read is never longer than its limit`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      try await pair.client.write(pattern(10), deadline: .soon)
      #expect(try await pair.server.read(upTo: 4, deadline: .soon) == Array(pattern(10)[..<4]))
      #expect(try await pair.server.readAll(6) == Array(pattern(10)[4...]))
    }
  }

  @Test func `a read gives up at its deadline and the stream stays usable`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      for deadline in [Deadline.past, .after(.milliseconds(20))] {
        await #expect(throws: NetError.timedOut) {
          try await pair.client.read(upTo: 1, deadline: deadline)
        }
      }
      try await pair.server.write([7], deadline: .soon)
      #expect(try await pair.client.read(upTo: 1, deadline: .soon) == [7])
    }
  }

  @Test func `a later deadline is kept though an earlier one was armed`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      try await pair.server.write([1], deadline: .soon)
      _ = try await pair.client.read(upTo: 1, deadline: .after(.milliseconds(50)))
      let later = Deadline.after(.milliseconds(200))
      await #expect(throws: NetError.timedOut) {
        try await pair.client.read(upTo: 1, deadline: later)
      }
      #expect(ContinuousClock.now >= later)
    }
  }

  @Test func `a write gives up at its deadline when nobody reads`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      await #expect(throws: NetError.timedOut) {
        try await pair.client.write(pattern(32 << 20), deadline: .after(.milliseconds(50)))
      }
      _ = pair.server
    }
  }

  @Test func `cancelling a task closes the stream it waits on`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      let reading = Task(executorPreference: loop) {
        try await pair.client.read(upTo: 1, deadline: .soon)
      }
      await Task.yield()
      reading.cancel()
      let result = await reading.result
      #expect(throws: NetError.cancelled) { try result.get() }
      #expect(try await pair.server.read(upTo: 1, deadline: .soon) == [])
      await #expect(throws: NetError.cancelled) {
        try await pair.client.write([1], deadline: .soon)
      }
    }
  }

  @Test func `closing wakes whoever waits`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      async let reading = pair.client.read(upTo: 1, deadline: .soon)
      await Task.yield()
      pair.client.close()
      pair.client.close()
      do {
        _ = try await reading
        Issue.record("the read should have failed")
      } catch {
        #expect(error as? NetError == .closed)
      }
    }
  }

  @Test func `a stream that nobody holds is closed`() async throws {
    try await Fixture().run { loop in
      var pair: Pair? = try await Pair(on: loop)
      let server = try #require(pair?.server)
      pair = nil
      #expect(try await server.read(upTo: 1, deadline: .soon) == [])
    }
  }

  @Test func `writing to a peer that is gone is closed, not a signal`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      pair.server.close()
      await #expect(throws: NetError.closed) {
        for _ in 0..<1000 { try await pair.client.write(pattern(1000), deadline: .soon) }
      }
    }
  }

  @Test func `a large write waits for its reader and arrives whole`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      let bytes = pattern(20 << 20)
      let head = Array(bytes[..<3_000_000])
      let body = Array(bytes[3_000_000...])
      async let written: Void = pair.client.write(head, body, deadline: .soon)
      let received = try await pair.server.readAll(bytes.count)
      try await written
      #expect(received == bytes)
    }
  }

  @Test func `both directions carry bytes at once`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      let bytes = pattern(8 << 20)
      async let first: Void = pair.client.write(bytes, deadline: .soon)
      async let second: Void = pair.server.write(bytes, deadline: .soon)
      async let atServer = pair.server.readAll(bytes.count)
      async let atClient = pair.client.readAll(bytes.count)
      let (one, other) = try await (atServer, atClient)
      try await first
      try await second
      #expect(one == bytes)
      #expect(other == bytes)
    }
  }

  @Test func `what is written before finishWriting is read, then the end`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      try await pair.client.write(pattern(100), deadline: .soon)
      pair.client.finishWriting()
      #expect(try await pair.server.readAll() == pattern(100))
      try await pair.server.write([9], deadline: .soon)
      #expect(try await pair.client.readAll(1) == [9])
    }
  }

  @Test func `a closed port is a failed connect`() async throws {
    try await Fixture().run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      let address = listener.localAddress
      listener.close()
      let port = try #require(address.port)
      let refusal = NetError.connectFailed(
        host: "127.0.0.1",
        port: port,
        reason: "Connection refused"
      )
      await #expect(throws: refusal) {
        try await SocketStream.connect(to: address, deadline: .soon)
      }
    }
  }

  @Test func `a thousand connections are served by two loops`() async throws {
    let fixture = try Fixture()
    let other = fixture.group.loops[1]
    try await fixture.run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      async let served: Void = serve(1000, from: listener, on: other)
      let sum = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<1000 {
          group.addTask { try await ask(number, listener.localAddress) }
        }
        return try await group.reduce(0, +)
      }
      try await served
      #expect(sum == 1000 * 8)
    }
  }
}

/// Echoes eight bytes on each of `count` connections, on tasks of `loop`.
private func serve(_ count: Int, from listener: Listener, on loop: EventLoop) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    for _ in 0..<count {
      let accepted = try await listener.accept()
      group.addTask(executorPreference: loop) {
        let stream = try accepted.stream(on: loop)
        try await stream.write(try await stream.readAll(8), deadline: .soon)
      }
    }
    try await group.waitForAll()
  }
}

/// Sends eight bytes and counts those that come back right.
private func ask(_ number: Int, _ address: SocketAddress) async throws -> Int {
  let stream = try await SocketStream.connect(to: address, deadline: .soon)
  let bytes = Array(pattern(number + 8)[number...])
  try await stream.write(bytes, deadline: .soon)
  let answer = try await stream.readAll(8)
  return zip(bytes, answer).count { $0 == $1 }
}
