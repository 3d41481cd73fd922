import MailProtocols
import MailTransport
import Model
import Net

extension BackendConnector {
  /// A POP3 connection of `account`, logged in, once there may be one more.
  ///
  /// `secret` is asked for when it is its turn. See `ConnectionGate.lease` for the wait.
  func pop3(
    _ settings: BackendSettings,
    for account: ID<Account>,
    whenFull: (ServiceError) async -> Void,
    secret: @escaping () async throws(ServiceError) -> Secret?
  ) async throws(ServiceError) -> POP3Client {
    let lease = try await gate.lease(settings, for: account, .commands, whenFull: whenFull)
    return try await inChildTask { () throws(ServiceError) in
      let client = try await greetedPOP3(settings, lease)
      try await authenticate(client, settings, secret: try await secret())
      lease.establish()
      return client
    }
  }

  /// A POP3 connection that was greeted and secured, to try settings out; the caller tells its lease of the login.
  func greetedPOP3(
    _ settings: BackendSettings
  ) async throws(ServiceError) -> (client: POP3Client, lease: ConnectionLease) {
    let lease = try await gate.lease(
      settings,
      for: nil,
      .bodies,
      by: .after(configuration.connectTimeout)
    )
    return (try await greetedPOP3(settings, lease), lease)
  }

  private func greetedPOP3(
    _ settings: BackendSettings,
    _ lease: ConnectionLease
  ) async throws(ServiceError) -> POP3Client {
    let context = try tlsContext(for: settings, protocolName: "pop3")
    do throws(POP3Error) {
      let client = try await POP3Client.connect(
        host: settings.host,
        port: settings.port,
        tls: settings.security.mode,
        variant: settings.authType.variant,
        connector: connector,
        tlsContext: context,
        deadline: .after(configuration.connectTimeout)
      )
      client.whenClosed = { lease.end() }
      return client
    } catch {
      if case .turnedAway(let refusal, let response) = error, refusal.isWorthRetrying {
        lease.turnAway(.later, response, isKnown: false)
      }
      throw ServiceError(error, host: settings.host, authType: settings.authType)
    }
  }

  /// Logs in as the settings say.
  func authenticate(
    _ client: POP3Client,
    _ settings: BackendSettings,
    secret: Secret?
  ) async throws(ServiceError) {
    guard let username = settings.username,
      let credentials = settings.credentials(username, secret)
    else {
      client.close()
      throw ServiceError(
        .backendAuthenticationFailed,
        "The account has no secret; set incoming.auth.\(settings.authType.secretName)."
      )
    }
    do throws(POP3Error) {
      // It locks and reads the mailbox before it answers, which may take longer than to connect.
      try await client.authenticate(credentials)
    } catch {
      client.close()
      throw ServiceError(error, host: settings.host, authType: settings.authType)
    }
  }
}

extension BackendSettings.AuthType {
  /// Which of POP3's family it needs.
  fileprivate var variant: POP3Variant {
    switch self {
    case .rpop: .rpop(userID: nil)
    case .kpop: .kpop(KerberosTicket())
    case .password, .oauth2, .gssapi, .none: .standard
    }
  }
}

extension POP3Capabilities {
  /// The capabilities as the server told them, sorted.
  var lines: [String] {
    all.map { name, parameters in ([name.rawValue] + parameters).joined(separator: " ") }.sorted()
  }
}
