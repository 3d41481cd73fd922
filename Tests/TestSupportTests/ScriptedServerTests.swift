import Net
import TestSupport
import Testing

@Suite("Servers that follow a script") struct ScriptedServerTests {
  /// A descriptor that one server closes is another's soon, and must not be touched by then.
  @Test func `a server that goes away takes nothing from another`() async throws {
    let group = try EventLoopGroup(loopCount: 4)
    let strange = try await withThrowingTaskGroup(of: [String?].self) { tasks in
      for index in 0..<16 {
        tasks.addTask(executorPreference: group.loops[index % 4]) {
          var strange: [String?] = []
          for round in 0..<100 {
            let greeting = "* OK \(index).\(round)"
            let server = try ScriptedServer([.send(greeting + "\r\n"), .hang])
            let address = try #require(SocketAddress(ip: server.host, port: server.port))
            let client = try await RawMailClient(address)
            let reply = try await client.reply()
            if reply != greeting { strange.append(reply) }
            client.close()
          }
          return strange
        }
      }
      return try await tasks.reduce(into: []) { $0 += $1 }
    }
    await group.shutdown()
    #expect(strange == [])
  }
}
