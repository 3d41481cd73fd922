/// The ManageSieve server of an account (RFC 5804).
package struct SieveSettings: Sendable, Equatable {
  /// The port that is registered for it.
  package static let port: UInt16 = 4190

  /// Where it is, and how one logs in if that is not as to the incoming server.
  package var server: BackendSettings
  /// Whether it has a login of its own, with a secret of its own.
  package var hasOwnLogin: Bool

  package init(server: BackendSettings, hasOwnLogin: Bool) {
    self.server = server
    self.hasOwnLogin = hasOwnLogin
  }

  /// What is meant where nothing is said: the host, the trust and the login of the incoming server.
  package init(besides incoming: BackendSettings) {
    server = BackendSettings(
      kind: .managesieve,
      host: incoming.host,
      port: Self.port,
      security: incoming.security == .none ? .none : .starttls,
      authType: incoming.authType,
      username: incoming.username,
      allowCleartext: incoming.allowCleartext,
      certificateSHA256: incoming.certificateSHA256
    )
    hasOwnLogin = false
  }

  /// The settings to connect by.
  package func backend(besides incoming: BackendSettings) -> BackendSettings {
    guard !hasOwnLogin else { return server }
    var settings = server
    settings.authType = incoming.authType
    settings.username = incoming.username
    return settings
  }

  /// Whether the incoming server's secret may be sent there though nobody gave it for that: the certificate proves that
  /// it is the same host.
  package func isTrusted(with incoming: BackendSettings) -> Bool {
    server.host.lowercased() == incoming.host.lowercased() && server.security != .none
      && (server.certificateSHA256 == nil
        || server.certificateSHA256 == incoming.certificateSHA256)
  }
}
