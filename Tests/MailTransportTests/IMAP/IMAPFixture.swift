import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

/// A loop for one test, and clients on it.
struct IMAPFixture: ClientFixture, Sendable {
  let clients: ClientLoop

  /// A fixture that trusts the authority in `caFile`.
  init(caFile: String? = nil) throws { clients = try ClientLoop(caFile: caFile) }

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
      connector: clients.connector,
      tlsContext: clients.tlsContext,
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
