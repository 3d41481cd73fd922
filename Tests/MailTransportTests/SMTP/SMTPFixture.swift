import MailProtocols
import MailTransport
import Net
import Testing

/// A loop for one test, and a client on it.
struct SMTPFixture: ClientFixture, Sendable {
  let clients: ClientLoop

  /// A fixture that trusts the authority in `caFile`.
  init(caFile: String? = nil) throws { clients = try ClientLoop(caFile: caFile) }

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
      connector: clients.connector,
      tlsContext: clients.tlsContext,
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
