import MailProtocols
import MailTransport
import Model
package import Net

/// Opens authenticated connections to the back ends of accounts, as many as there may be.
package struct BackendConnector: Sendable {
  let connector: Connector
  let configuration: EngineConfiguration
  /// Who may connect, and when.
  let gate: ConnectionGate
  private let sharedTLS: TLSClientContext
  private let capabilities = SharedCapabilities()

  /// A connector that trusts what `configuration` names.
  package init(connector: Connector, configuration: EngineConfiguration) throws(NetError) {
    self.connector = connector
    self.configuration = configuration
    gate = ConnectionGate(configuration.connections)
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

  /// The same, where what is wrong is told as the back end's of this protocol.
  func tlsContext(
    for settings: BackendSettings,
    protocolName: String
  ) throws(ServiceError) -> TLSClientContext {
    do throws(NetError) {
      return try tlsContext(for: settings)
    } catch {
      throw ServiceError(
        error,
        backend: BackendFailure(protocolName: protocolName, host: settings.host)
      )
    }
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

  // MARK: - IMAP

  /// An IMAP connection of `account`, logged in and told who we are, with `wanted` turned on, once there may be one more.
  ///
  /// `secret` is asked for when it is its turn. See `ConnectionGate.lease` for the wait.
  func imap(
    _ settings: BackendSettings,
    for account: ID<Account>,
    _ use: ConnectionUse,
    enabling wanted: [IMAPCapability] = [],
    by deadline: Deadline? = nil,
    whenFull: (ServiceError) async -> Void = { _ in },
    secret: @escaping () async throws(ServiceError) -> Secret?
  ) async throws(ServiceError) -> IMAPClient {
    let lease = try await gate.lease(
      settings,
      for: account,
      use,
      by: deadline,
      whenFull: whenFull
    )
    return try await inChildTask { () throws(ServiceError) in
      let client = try await greetedIMAP(settings, lease)
      try await authenticate(client, settings, secret: try await secret(), lease)
      lease.establish()
      do throws(IMAPError) {
        try await client.introduce(configuration, enabling: wanted)
      } catch {
        client.close()
        throw ServiceError(error, host: settings.host)
      }
      client.shareCapabilities(capabilities.shared)
      return client
    }
  }

  /// An IMAP connection that was greeted and secured, to try settings out; the caller tells its lease of the
  /// login.
  func greetedIMAP(
    _ settings: BackendSettings
  ) async throws(ServiceError) -> (client: IMAPClient, lease: ConnectionLease) {
    let lease = try await gate.lease(
      settings,
      for: nil,
      .bodies,
      by: .after(configuration.connectTimeout)
    )
    return (try await greetedIMAP(settings, lease), lease)
  }

  private func greetedIMAP(
    _ settings: BackendSettings,
    _ lease: ConnectionLease
  ) async throws(ServiceError) -> IMAPClient {
    let context = try tlsContext(for: settings, protocolName: "imap")
    do throws(IMAPError) {
      let client = try await IMAPClient.connect(
        host: settings.host,
        port: settings.port,
        tls: settings.security.mode,
        connector: connector,
        tlsContext: context,
        deadline: .after(configuration.connectTimeout)
      )
      client.whenClosed = { lease.end() }
      return client
    } catch {
      // Any BYE in place of a greeting refuses the connection (RFC 3501 §7.1.5).
      if let refusal = error.refusal { lease.turnAway(refusal, error.response, isKnown: false) }
      throw ServiceError(error, host: settings.host)
    }
  }

  /// Logs in, where the settings say how.
  func authenticate(
    _ client: IMAPClient,
    _ settings: BackendSettings,
    secret: Secret?,
    _ lease: ConnectionLease? = nil
  ) async throws(ServiceError) {
    guard settings.authType != .none, let username = settings.username else { return }
    guard let credentials = settings.credentials(username, secret) else {
      client.close()
      throw ServiceError(
        .backendAuthenticationFailed,
        "The account has no secret; set incoming.auth.\(settings.authType.secretName)."
      )
    }
    do throws(IMAPError) {
      try await client.authenticate(credentials, deadline: .after(configuration.connectTimeout))
    } catch {
      client.close()
      if let refusal = error.refusal { lease?.turnAway(refusal, error.response, isKnown: true) }
      throw ServiceError(error, host: settings.host, authType: settings.authType)
    }
  }

  // MARK: - SMTP

  /// An SMTP connection that is logged in, once there may be one more.
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
    let lease = try await gate.lease(
      settings,
      for: nil,
      .sending,
      by: .after(configuration.connectTimeout)
    )
    let context = try tlsContext(for: settings)
    do throws(SMTPError) {
      let client = try await SMTPClient.connect(
        host: settings.host,
        port: settings.port,
        tls: settings.security.mode,
        connector: connector,
        tlsContext: context,
        heloName: configuration.heloName,
        deadline: .after(configuration.connectTimeout)
      )
      // The login is part of what is sent; it holds nobody up.
      lease.establish()
      client.whenClosed = { lease.end() }
      return client
    } catch {
      if case .refused(let reply, .greeting) = error, reply.isTransient {
        lease.turnAway(.later, reply.text, isKnown: false)
      }
      throw error
    }
  }
}

extension IMAPError {
  /// How the server turned us away, where it did.
  fileprivate var refusal: ConnectionRefusal? {
    switch self {
    case .turnedAway(let refusal, _): refusal
    case .bye: .later
    default: nil
    }
  }
}

extension BackendSettings {
  /// What one logs in with; nil where the secret for it is missing.
  func credentials(_ username: String, _ secret: Secret?) -> SASLCredentials? {
    switch authType {
    case .gssapi, .kpop: .kerberos(username: username)
    // No password goes with it.
    case .rpop: .password(username: username, password: "")
    case .oauth2: secret.map { .token(username: username, token: $0.value) }
    case .password, .none: secret.map { .password(username: username, password: $0.value) }
    }
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
