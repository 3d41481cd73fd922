import Engine
import Model
import Net
import TestSupport
import Testing

@Suite("First passes after a start", .timeLimit(.minutes(6)))
struct FirstPassesTests {
  private static func settings(_ host: String) -> BackendSettings {
    TestService.imap(port: 993, host: host)
  }

  @Test func `a server that is slow holds up its own accounts only`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let result = await Task(executorPreference: group.loops[0]) {
      let passes = FirstPasses(atOneServer: 2, atOnce: 4, group)
      let (slow, release) = AsyncStream.makeStream(of: Void.self)
      let log = Log()
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for _ in 0..<20 {
          tasks.addTask {
            try await passes.run(at: Self.settings("slow.test.invalid"), isShort: true) {
              await log.add("slow")
              for await _ in slow {}
            }
          }
        }
        try await eventually("the slow server has its share") { await log.names.count == 2 }
        for _ in 0..<5 {
          try await passes.run(at: Self.settings("quick.test.invalid"), isShort: true) {
            await log.add("quick")
          }
        }
        // An account's very first sync waits for nobody.
        try await passes.run(at: Self.settings("slow.test.invalid"), isShort: false) {
          await log.add("new")
        }
        #expect(
          await log.names == ["slow", "slow"] + Array(repeating: "quick", count: 5) + ["new"]
        )
        release.finish()
        try await tasks.waitForAll()
      }
      #expect(await log.names.filter { $0 == "slow" }.count == 20)
    }.result
    await group.shutdown()
    try result.get()
  }

  private actor Log {
    private(set) var names: [String] = []

    func add(_ name: String) { names.append(name) }
  }
}
