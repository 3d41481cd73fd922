import MailProtocols
import MailTransport
import Model
import Net

extension BackendConnector {
  /// A connection to the ManageSieve server of `account` that is logged in, once there may be one more.
  func sieve(
    _ account: Account,
    secret: Secret?
  ) async throws(ServiceError) -> ManageSieveClient {
    guard let sieve = account.sieve else {
      throw ServiceError(.conflict, "The account names no ManageSieve server; set sieve.")
    }
    let settings = sieve.backend(besides: account.incoming)
    return try await inChildTask { () throws(ServiceError) in
      let (client, lease) = try await greetedSieve(settings)
      try await authenticate(client, settings, secret: secret)
      lease.establish()
      return client
    }
  }

  /// A connection to a ManageSieve server that was greeted and secured; the caller tells its lease of the login.
  func greetedSieve(
    _ settings: BackendSettings
  ) async throws(ServiceError) -> (client: ManageSieveClient, lease: ConnectionLease) {
    let lease = try await gate.lease(
      settings,
      for: nil,
      .bodies,
      by: .after(configuration.connectTimeout)
    )
    let context = try tlsContext(for: settings, protocolName: "managesieve")
    do throws(ManageSieveError) {
      let client = try await ManageSieveClient.connect(
        host: settings.host,
        port: settings.port,
        tls: settings.security.mode,
        connector: connector,
        tlsContext: context,
        deadline: .after(configuration.connectTimeout)
      )
      client.whenClosed = { lease.end() }
      return (client, lease)
    } catch {
      if case .turnedAway(let response) = error {
        lease.turnAway(.later, response, isKnown: false)
      }
      throw ServiceError(error, host: settings.host)
    }
  }

  /// Logs in, where the settings say how.
  func authenticate(
    _ client: ManageSieveClient,
    _ settings: BackendSettings,
    secret: Secret?
  ) async throws(ServiceError) {
    guard settings.authType != .none, let username = settings.username else { return }
    guard let credentials = settings.credentials(username, secret) else {
      client.close()
      throw ServiceError(
        .backendAuthenticationFailed,
        "The ManageSieve server needs a secret; set sieve.auth or that of incoming."
      )
    }
    do throws(ManageSieveError) {
      try await client.authenticate(credentials, deadline: .after(configuration.connectTimeout))
    } catch {
      client.close()
      throw ServiceError(error, host: settings.host, authType: settings.authType)
    }
  }
}
