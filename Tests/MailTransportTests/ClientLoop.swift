import Net
import Testing

/// A loop for one test, and what clients on it connect with.
struct ClientLoop: Sendable {
  let group: EventLoopGroup
  let connector: Connector
  let tlsContext: TLSClientContext

  /// A loop whose clients trust the authority in `caFile`.
  init(caFile: String? = nil) throws {
    group = try EventLoopGroup(loopCount: 1)
    let loopback = try #require(CIDR("127.0.0.0/8"))
    connector = Connector(policy: OutboundPolicy(allowed: [loopback]), group: group)
    let roots = caFile.map { TLSClientConfiguration.Roots.file($0) } ?? .system
    tlsContext = try TLSClientContext(TLSClientConfiguration(roots: roots))
  }

  /// Runs `body` as a task of the loop, and ends the loop after it.
  func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    let result = await Task(executorPreference: group.loops[0]) { try await body() }.result
    await group.shutdown()
    return try result.get()
  }
}

/// Clients of one protocol on a loop.
protocol ClientFixture {
  var clients: ClientLoop { get }
}

extension ClientFixture {
  var group: EventLoopGroup { clients.group }

  /// Runs `body` as a task of the loop, and ends the loop after it.
  func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    try await clients.run(body)
  }
}
