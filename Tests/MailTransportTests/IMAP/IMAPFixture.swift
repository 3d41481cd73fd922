import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

/// A loop for one test, and clients on it.
struct IMAPFixture: Sendable {
  let group: EventLoopGroup
  private let connector: Connector
  private let tlsContext: TLSClientContext

  /// A fixture that trusts the authority in `caFile`.
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

  /// Connects to a port of 127.0.0.1; called inside `run`.
  func connect(
    _ port: UInt16,
    tls: TLSMode = .none,
    host: String = "127.0.0.1",
    limits: IMAPLimits = IMAPLimits(),
    timeouts: IMAPTimeouts = IMAPTimeouts(),
    deadline: Deadline = .after(.seconds(30))
  ) async throws(IMAPError) -> IMAPClient {
    try await IMAPClient.connect(
      host: host,
      port: port,
      tls: tls,
      connector: connector,
      tlsContext: tlsContext,
      limits: limits,
      timeouts: timeouts,
      deadline: deadline
    )
  }

  /// Connects to `server` and logs in; called inside `run`.
  func login(_ server: DovecotServer, _ user: String) async throws(IMAPError) -> IMAPClient {
    let client = try await connect(server.imapPort)
    try await client.authenticate(username: user, password: server.password)
    return client
  }
}

/// The error that `body` throws; nil where it throws none.
func imapError(_ body: () async throws(IMAPError) -> Void) async -> IMAPError? {
  do throws(IMAPError) {
    try await body()
    return nil
  } catch {
    return error
  }
}
