import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

/// A loop for one test, and clients on it.
struct POP3Fixture: ClientFixture, Sendable {
  let clients: ClientLoop

  /// A fixture that trusts the authority in `caFile`.
  init(caFile: String? = nil) throws { clients = try ClientLoop(caFile: caFile) }

  /// Connects to a port of 127.0.0.1; called inside `run`.
  func connect(
    _ port: UInt16,
    tls: TLSMode = .none,
    host: String = "127.0.0.1",
    variant: POP3Variant = .standard,
    limits: POP3Limits = POP3Limits(),
    timeouts: POP3Timeouts = POP3Timeouts()
  ) async throws(POP3Error) -> POP3Client {
    try await POP3Client.connect(
      host: host,
      port: port,
      tls: tls,
      variant: variant,
      connector: clients.connector,
      tlsContext: clients.tlsContext,
      limits: limits,
      timeouts: timeouts,
      deadline: .after(.seconds(60))
    )
  }

  /// Connects to `server` and logs in; called inside `run`.
  func login(_ server: DovecotServer, _ user: String) async throws(POP3Error) -> POP3Client {
    let client = try await connect(server.pop3Port)
    try await client.authenticate(username: user, password: server.password)
    return client
  }

  /// Connects to `server` and logs in; called inside `run`.
  func login(
    _ server: SmallPOP3Server,
    timeouts: POP3Timeouts = POP3Timeouts()
  ) async throws(POP3Error) -> POP3Client {
    let client = try await connect(server.port, timeouts: timeouts)
    try await client.authenticate(username: server.user, password: server.password)
    return client
  }
}

/// The error that `body` throws; nil where it throws none.
func pop3Error(_ body: () async throws(POP3Error) -> Void) async -> POP3Error? {
  do throws(POP3Error) {
    try await body()
    return nil
  } catch {
    return error
  }
}

extension POP3Client {
  /// Every message of `list` as a whole, nil where the server refuses it.
  func allBytes(_ list: [POP3ListedMessage]) async throws(POP3Error) -> [[UInt8]?] {
    var all: [[UInt8]?] = []
    let retrieval = retrieve(list)
    while let next = try await retrieval.nextMessage() {
      guard case .message = next else {
        all.append(nil)
        continue
      }
      var bytes: [UInt8] = []
      while let piece = try await retrieval.nextPiece() { bytes += piece }
      all.append(bytes)
    }
    return all
  }
}
