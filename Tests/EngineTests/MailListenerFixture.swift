import Bytes
import Crypto
import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Store
import TestSupport

/// A service with a listener before it, on loopback.
struct MailListenerFixture: Sendable {
  let service: TestService
  let address: SocketAddress
  let caFile: String

  /// Runs `body` with a listener of `kind` before `service`.
  static func with(
    _ service: TestService,
    _ kind: SMTPServerSession.Kind = .smtp,
    relayNetworks: [String] = [],
    postmaster: String? = nil,
    _ body: (MailListenerFixture) async throws -> Void
  ) async throws {
    let certificates = try await TestCertificates.shared
    let tls = try TLSServerContext(
      certificateFile: certificates.certificateFile(),
      keyFile: certificates.keyFile()
    )
    var limits = SMTPServerLimits()
    limits.failureDelay = .zero
    let server = try await SMTPServer(
      listener: .ipv4(0x7F00_0001, port: 0),
      group: service.group,
      SMTPServerSettings(kind, hostName: "mail.example", tls: tls, limits: limits),
      handler: MailReceiver(
        service.engine,
        relayNetworks: relayNetworks.compactMap { CIDR($0) },
        hostName: "mail.example",
        postmaster: postmaster
      )
    )
    let serving = Task { try await server.run() }
    var failure: (any Error)?
    do {
      try await body(
        MailListenerFixture(
          service: service,
          address: server.localAddress,
          caFile: certificates.caFile
        )
      )
    } catch {
      failure = error
    }
    await server.shutdown(deadline: .after(.seconds(5)))
    try await serving.value
    if let failure { throw failure }
  }

  /// A client that has said hello.
  func client(_ hello: String = "EHLO client.example") async throws -> RawMailClient {
    try await RawMailClient.greeted(address, hello: hello)
  }

  /// A client under TLS that has said hello.
  func secureClient() async throws -> RawMailClient {
    let client = try await client()
    try await client.startTLS(caFile)
    try await client.say("EHLO client.example")
    return client
  }

  /// A token with these rights.
  func token(_ scopes: [String], accounts: [ID<Account>]? = nil) async throws -> String {
    let secret = "rst_\(UInt64.random(in: .min ... .max))"
    _ = try await service.store.insertToken(
      name: "tests",
      digest: Digest.sha256(Array(secret.utf8).span),
      scopes: scopes,
      accounts: accounts,
      expiresAt: nil
    )
    return secret
  }

  /// The reply to signing in.
  func signIn(_ client: RawMailClient, _ name: String, _ password: String) async throws -> String {
    let message = Array("\0\(name)\0\(password)".utf8)
    let text = String(decoding: Base64.standard.encode(message.span), as: UTF8.self)
    return try await client.say("AUTH PLAIN \(text)")
  }
}
