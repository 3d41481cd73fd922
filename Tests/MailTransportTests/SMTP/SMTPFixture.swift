import MailProtocols
import MailTransport
import Net
import Testing

/// A loop for one test, and a client on it.
struct SMTPFixture: Sendable {
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
    limits: SMTPLimits = SMTPLimits()
  ) async throws(SMTPError) -> SMTPClient {
    try await SMTPClient.connect(
      host: host,
      port: port,
      tls: tls,
      connector: connector,
      tlsContext: tlsContext,
      heloName: "client.example",
      limits: limits,
      deadline: .after(.seconds(30))
    )
  }
}

/// The case of an error, for comparison, since not every payload can be compared.
enum SMTPErrorKind: Equatable {
  case refused(Int, SMTPStage)
  case authenticationFailed(Int)
  case invalid(SMTPInputError)
  case unsupported(SMTPUnsupported)
  case abandoned, broken, closed, network
  case timedOut(SMTPStage)

  init(_ error: SMTPError) {
    switch error {
    case .refused(let reply, let stage): self = .refused(reply.code, stage)
    case .authenticationFailed(let reply): self = .authenticationFailed(reply.code)
    case .invalid(let input): self = .invalid(input)
    case .unsupported(let what): self = .unsupported(what)
    case .abandoned: self = .abandoned
    case .broken: self = .broken
    case .closed: self = .closed
    case .network: self = .network
    case .timedOut(let stage): self = .timedOut(stage)
    }
  }

  /// The kind of error that `body` throws; nil where it throws none.
  static func of(_ body: () async throws(SMTPError) -> Void) async -> SMTPErrorKind? {
    do throws(SMTPError) {
      try await body()
      return nil
    } catch {
      return SMTPErrorKind(error)
    }
  }
}
