import MailProtocols
import MailTransport
import Model
package import Net

/// Opens authenticated connections to the back ends of accounts.
package struct BackendConnector: Sendable {
  let connector: Connector
  let configuration: EngineConfiguration
  private let sharedTLS: TLSClientContext

  /// A connector that trusts what `configuration` names.
  package init(connector: Connector, configuration: EngineConfiguration) throws(NetError) {
    self.connector = connector
    self.configuration = configuration
    sharedTLS = try TLSClientContext(TLSClientConfiguration(roots: configuration.tlsRoots))
  }

  /// The trust for one back end: a certificate that the account names is accepted as it is.
  func tlsContext(for settings: BackendSettings) throws(NetError) -> TLSClientContext {
    guard let pin = settings.certificateSHA256 else { return sharedTLS }
    guard let digest = Self.digest(pin) else {
      throw .tls(reason: "the account's certificateSHA256 is not 64 hexadecimal digits")
    }
    return try TLSClientContext(
      TLSClientConfiguration(roots: configuration.tlsRoots, pinnedSHA256: digest)
    )
  }

  private static func digest(_ text: String) -> [UInt8]? {
    let digits = text.utf8.filter { $0 != 0x3A }
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 64, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  /// An IMAP connection that is logged in and was told who we are, with `wanted` turned on.
  func imap(
    _ settings: BackendSettings,
    secret: Secret?,
    enabling wanted: [IMAPCapability] = []
  ) async throws(ServiceError) -> IMAPClient {
    let client = try await greetedIMAP(settings)
    try await authenticate(client, settings, secret: secret)
    do throws(IMAPError) {
      try await client.introduce(configuration, enabling: wanted)
    } catch {
      client.close()
      throw ServiceError(error, host: settings.host)
    }
    return client
  }

  /// An IMAP connection that was greeted and secured.
  func greetedIMAP(_ settings: BackendSettings) async throws(ServiceError) -> IMAPClient {
    let context: TLSClientContext
    do throws(NetError) {
      context = try tlsContext(for: settings)
    } catch {
      throw ServiceError(
        error,
        backend: BackendFailure(protocolName: "imap", host: settings.host)
      )
    }
    do throws(IMAPError) {
      return try await IMAPClient.connect(
        host: settings.host,
        port: settings.port,
        tls: settings.security.mode,
        connector: connector,
        tlsContext: context,
        deadline: .after(configuration.connectTimeout)
      )
    } catch {
      throw ServiceError(error, host: settings.host)
    }
  }

  /// Logs in, where the settings say how.
  func authenticate(
    _ client: IMAPClient,
    _ settings: BackendSettings,
    secret: Secret?
  ) async throws(ServiceError) {
    guard settings.authType.hasSecret, let username = settings.username else { return }
    guard let secret else {
      client.close()
      throw ServiceError(
        .backendAuthenticationFailed,
        "The account has no secret; set incoming.auth.\(settings.authType.secretName)."
      )
    }
    let credentials: SASLCredentials =
      settings.authType == .oauth2
      ? .token(username: username, token: secret.value)
      : .password(username: username, password: secret.value)
    do throws(IMAPError) {
      try await client.authenticate(credentials, deadline: .after(configuration.connectTimeout))
    } catch {
      client.close()
      throw ServiceError(error, host: settings.host)
    }
  }

  /// An SMTP connection that is logged in.
  func smtp(_ settings: BackendSettings, secret: Secret?) async throws -> SMTPClient {
    let client = try await greetedSMTP(settings)
    guard settings.authType == .password, let username = settings.username else { return client }
    do throws(SMTPError) {
      try await client.authenticate(
        username: username,
        password: secret?.value ?? "",
        deadline: .after(configuration.connectTimeout)
      )
    } catch {
      client.close()
      throw error
    }
    return client
  }

  /// An SMTP connection that was greeted and secured.
  func greetedSMTP(_ settings: BackendSettings) async throws -> SMTPClient {
    try await SMTPClient.connect(
      host: settings.host,
      port: settings.port,
      tls: settings.security.mode,
      connector: connector,
      tlsContext: try tlsContext(for: settings),
      heloName: configuration.heloName,
      deadline: .after(configuration.connectTimeout)
    )
  }
}

extension BackendSettings.Security {
  var mode: TLSMode {
    switch self {
    case .implicit: .implicit
    case .starttls: .starttls
    case .none: .none
    }
  }
}
