import Engine
import Model
import Net
import Store
import TestSupport

extension TestService {
  /// Adds an account that a small server fills, and waits until it is ready.
  func addAccount(
    _ server: SmallPOP3Server,
    auth: BackendSettings.AuthType = .password,
    host: String = "127.0.0.1",
    mode: AccountMode = .disconnected,
    leaveOnServer: ServerRetention.Time? = nil,
    deleteWhenRemoved: Bool = false
  ) async throws -> ID<Account> {
    var settings = Self.pop3(port: server.port, server.user, host: host, auth: auth)
    settings.leaveOnServer = leaveOnServer
    settings.deleteWhenRemoved = deleteWhenRemoved
    let account = try await addAccount(
      settings,
      password: auth.hasSecret ? server.password : nil,
      mode: mode
    )
    try await waitUntilReady(account)
    return account
  }

  /// Has the server looked at now, and waits until the session has ended.
  func look(_ server: SmallPOP3Server, _ account: ID<Account>) async throws {
    let before = server.ended
    try await engine.syncNow(account)
    try await eventually("a session") { server.ended > before }
  }

  /// The raw bytes of every message in a mailbox, sorted.
  func raws(in path: String = "INBOX", of account: ID<Account>) async throws -> [String] {
    var all: [String] = []
    for row in try await messages(in: path, of: account) {
      let raw = try await engine.openRaw(row.id, of: account).collect(upTo: 64 << 20).bytes
      all.append(String(decoding: raw, as: UTF8.self))
    }
    return all.sorted()
  }

  /// How many messages the inbox has.
  func count(_ account: ID<Account>) async throws -> Int {
    Int(try await mailbox("INBOX", of: account).totalMessages)
  }
}

/// A short message that no other one is like.
func letter(_ name: String, body: String = "x") -> [UInt8] {
  Array(
    """
    Received: from there by here; Thu, 26 Nov 2026 02:00:00 +0000\r
    Message-ID: <\(name)@test.invalid>\r
    Subject: \(name)\r
    \r
    \(body)\r

    """.utf8
  )
}
