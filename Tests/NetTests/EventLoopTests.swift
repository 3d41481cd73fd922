import Foundation
import Net
import Synchronization
import Testing

@Suite("Event loops", .timeLimit(.minutes(6)))
struct EventLoopTests {
  @Test func `a task stays on its loop across every structured await`() async throws {
    try await Fixture().run { loop in
      #expect(loop.isCurrent)
      await Task.yield()
      #expect(EventLoop.current === loop)
      async let child = loop.isCurrent
      #expect(await child)
      let inGroup = await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<10 { group.addTask { loop.isCurrent } }
        return await group.allSatisfy { $0 }
      }
      #expect(inGroup)
      try await Task.sleep(for: .milliseconds(1))
      #expect(loop.isCurrent)
      try await loop.sleep(until: .after(.milliseconds(1)))
      #expect(loop.isCurrent)
      #expect(await Counter().increment() == 1)
      #expect(loop.isCurrent)
      #expect(try await loop.blocking.run { EventLoop.current == nil })
      #expect(loop.isCurrent)
    }
  }

  @Test func `work from other threads runs on the loop, in order`() async throws {
    let fixture = try Fixture()
    let seen = Mutex<[Int]>([])
    for number in 0..<1000 {
      fixture.loop.execute {
        #expect(fixture.loop.isCurrent)
        seen.withLock { $0.append(number) }
      }
    }
    try await fixture.run { _ in }
    #expect(seen.withLock { $0 } == Array(0..<1000))
  }

  @Test func `two loops hand work to each other without losing a wake-up`() async throws {
    let fixture = try Fixture()
    let other = fixture.group.loops[1]
    let sum = try await fixture.run { loop in
      var sum = 0
      for number in 0..<2000 {
        sum += await Task(executorPreference: other) { number }.value
      }
      return sum
    }
    #expect(sum == 1999 * 1000)
  }

  @Test func `next gives the loops in turn`() async throws {
    let fixture = try Fixture(loopCount: 3)
    let turns = (0..<6).map { _ in ObjectIdentifier(fixture.group.next()) }
    #expect(Set(turns).count == 3)
    #expect(Array(turns[..<3]) == Array(turns[3...]))
    try await fixture.run { _ in }
  }

  @Test func `another gives the loops but the current one in turn`() async throws {
    let fixture = try Fixture(loopCount: 3)
    let group = fixture.group
    // By turns with `next`, as who starts a task and then what stores for it does.
    let numbers = try await fixture.run { _ in
      (0..<4).map { _ in
        _ = group.next()
        let other = group.another()
        return group.loops.firstIndex { $0 === other }
      }
    }
    #expect(numbers == [1, 2, 1, 2])
    let alone = try EventLoopGroup(loopCount: 1)
    #expect(alone.another() === alone.loops[0])
    await alone.shutdown()
  }

  @Test func `timers fire in the order of their deadlines, and cancelled ones not`() async throws {
    let order = try await Fixture().run { loop in
      let fired = Fired()
      let start = Deadline.after(.milliseconds(5))
      var timers: [LoopTimer] = []
      for number in [7, 2, 9, 4, 1, 8, 3, 6, 5, 0] {
        timers.append(
          loop.schedule(at: start + .microseconds(number)) { fired.numbers.append(number) }
        )
      }
      timers[2].cancel()
      timers[9].cancel()
      timers[9].cancel()
      try await loop.sleep(until: start + .milliseconds(5))
      timers[0].cancel()
      return fired.numbers
    }
    #expect(order == [1, 2, 3, 4, 5, 6, 7, 8])
  }

  @Test func `many timers, half of them cancelled, keep their order`() async throws {
    try await Fixture().run { loop in
      let fired = Fired()
      let start = Deadline.after(.milliseconds(20))
      var random = SystemRandomNumberGenerator()
      for round in 0..<2000 {
        let number = Int.random(in: 0..<1000, using: &random)
        let timer = loop.schedule(at: start + .microseconds(number)) {
          fired.numbers.append(number)
        }
        if round % 2 == 0 { timer.cancel() }
      }
      try await loop.sleep(until: start + .milliseconds(5))
      #expect(fired.numbers.count == 1000)
      #expect(fired.numbers == fired.numbers.sorted())
    }
  }

  @Test func `a timer is never early, and one in the past fires at once`() async throws {
    try await Fixture().run { loop in
      try await loop.sleep(until: .past)
      let deadline = Deadline.after(.microseconds(1500))
      try await loop.sleep(until: deadline)
      #expect(ContinuousClock.now >= deadline)
    }
  }

  @Test func `a sleep ends when its task is cancelled`() async throws {
    try await Fixture().run { loop in
      let sleeper = Task(executorPreference: loop) { try await loop.sleep(until: .soon) }
      await Task.yield()
      sleeper.cancel()
      let result = await sleeper.result
      #expect(throws: NetError.cancelled) { try result.get() }
    }
  }

  @Test func `a task that never waits does not keep a socket from its turn`() async throws {
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      let isOver = Mutex(false)
      async let spin: Void = {
        while !isOver.withLock({ $0 }) { await Task.yield() }
      }()
      try await pair.client.write([1], deadline: .soon)
      #expect(try await pair.server.read(upTo: 1, deadline: .soon) == [1])
      isOver.withLock { $0 = true }
      await spin
    }
  }

  @Test func `shutting down closes the streams of those who wait`() async throws {
    let fixture = try Fixture(loopCount: 1)
    let reading = Task(executorPreference: fixture.loop) {
      let pair = try await Pair(on: fixture.loop)
      return try await pair.client.read(upTo: 1, deadline: .soon)
    }
    try await Task(executorPreference: fixture.loop) {
      try await fixture.loop.sleep(until: .after(.milliseconds(50)))
    }.value
    await fixture.group.shutdown()
    await fixture.group.shutdown()
    fixture.loop.execute { Issue.record("the loop has ended") }
    let result = await reading.result
    #expect(throws: NetError.closed) { try result.get() }
  }

  @Test func `a watch tells readiness as long as it lasts, until it is cancelled`() async throws {
    try await Fixture().run { loop in
      var ends: [Int32] = [-1, -1]
      try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
      let seen = Fired()
      let watch = try Watch(ends[0], on: loop) { readiness in
        seen.numbers.append(Int(readiness.rawValue))
      }
      var byte: UInt8 = 1
      #expect(unsafe write(ends[1], &byte, 1) == 1)
      try await loop.sleep(until: .after(.milliseconds(5)))
      #expect(seen.numbers.isEmpty)
      watch.update(readable: true, writable: false)
      try await loop.sleep(until: .after(.milliseconds(5)))
      #expect(seen.numbers.count > 1)
      #expect(Set(seen.numbers) == [Int(Readiness.readable.rawValue)])
      watch.update(readable: false, writable: true)
      seen.numbers = []
      try await loop.sleep(until: .after(.milliseconds(5)))
      #expect(Set(seen.numbers) == [Int(Readiness.writable.rawValue)])
      watch.cancel()
      seen.numbers = []
      try await loop.sleep(until: .after(.milliseconds(5)))
      #expect(seen.numbers.isEmpty)
      for end in ends { close(end) }
    }
  }

  @Test func `a watch on a descriptor that is not open is refused`() async throws {
    try await Fixture().run { loop -> Void in
      #expect(throws: NetError.system(call: "epoll_ctl", errno: EBADF)) {
        _ = try Watch(-1, on: loop) { _ in }
      }
    }
  }
}

@Suite("The blocking pool", .timeLimit(.minutes(6)))
struct BlockingPoolTests {
  @Test func `work runs off the loop, its result and its error come back`() async throws {
    try await Fixture().run { loop in
      let sum = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<200 { group.addTask { try await loop.blocking.run { number } } }
        return try await group.reduce(0, +)
      }
      #expect(sum == 199 * 100)
      await #expect(throws: CocoaError.self) {
        _ = try await loop.blocking.run { () throws -> Int in throw CocoaError(.fileNoSuchFile) }
      }
    }
  }

  @Test func `a full queue refuses, and what was taken is still done`() async throws {
    let pool = BlockingPool(threadLimit: 1, queueLimit: 1)
    let gate = DispatchSemaphore(value: 0)
    let started = DispatchSemaphore(value: 0)
    async let first = pool.run {
      started.signal()
      gate.wait()
      return 1
    }
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        started.wait()
        continuation.resume()
      }
    }
    // One of these two finds the place in the queue, the other finds it taken.
    let outcomes = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<2 {
        group.addTask {
          do {
            try await pool.run {}
            return true
          } catch {
            #expect(error as? NetError == .system(call: "BlockingPool", errno: EAGAIN))
            gate.signal()
            return false
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes.sorted { !$0 && $1 } == [false, true])
    #expect(try await first == 1)
  }
}

/// What callbacks of one loop have seen.
private final class Fired {
  var numbers: [Int] = []
}

private actor Counter {
  var value = 0

  func increment() -> Int {
    value += 1
    return value
  }
}
