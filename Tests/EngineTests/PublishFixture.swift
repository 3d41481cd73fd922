import Bytes
import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Rules
import Store
import TestSupport
import Testing

/// Accounts whose rules are put to a ManageSieve server, and what their tests do with that.
enum PublishFixture {
  /// Settings of a server's ManageSieve port, with the login of the incoming server.
  static func sieve(_ dovecot: DovecotServer, _ user: String) -> SieveSettings {
    var settings = SieveSettings(besides: TestService.imap(dovecot, user))
    settings.server.port = dovecot.sievePort
    return settings
  }

  /// Adds an account whose scripts can be put to its server, or to who stands before it at `port`, and waits until that was asked
  /// what it can do.
  static func account(
    _ service: TestService,
    _ dovecot: DovecotServer,
    _ user: String,
    by port: UInt16? = nil
  ) async throws -> ID<Account> {
    var draft = AccountDraft(
      name: nil,
      email: dovecot.address(of: user),
      mode: .online,
      incoming: TestService.imap(dovecot, user),
      incomingSecret: Secret(dovecot.password),
      outgoing: nil,
      outgoingSecret: nil,
      identities: []
    )
    var settings = sieve(dovecot, user)
    if let port { settings.server.port = port }
    draft.sieve = settings
    let account = try await service.engine.createAccount(draft).id
    try await service.waitUntilReady(account)
    try await eventually("the server says what scripts may require") {
      try await service.store.account(account)?.sieveExtensions?.contains("fileinto") == true
    }
    return account
  }

  /// Runs `body` as another client of the user's scripts.
  static func scripts<R>(
    _ service: TestService,
    _ dovecot: DovecotServer,
    _ user: String,
    _ body: (ManageSieveClient) async throws -> R
  ) async throws -> R {
    let policy = OutboundPolicy(allowed: ["127.0.0.0/8"].compactMap { CIDR($0) })
    let client = try await ManageSieveClient.connect(
      host: dovecot.host,
      port: dovecot.sievePort,
      tls: .none,
      connector: Connector(policy: policy, group: service.group),
      tlsContext: try TLSClientContext(TLSClientConfiguration(roots: .file(dovecot.caFile))),
      deadline: .after(.seconds(30))
    )
    defer { client.close() }
    try await client.authenticate(
      .password(username: user, password: dovecot.password),
      deadline: .after(.seconds(30))
    )
    return try await body(client)
  }

  /// Adds a rule as the API does: what publishes rules is told.
  @discardableResult
  static func add(
    _ rule: String,
    to account: ID<Account>,
    _ service: TestService
  ) async throws -> RuleRecord {
    try await RuleTests.add(rule, to: account, service, by: try service.engine.store)
  }

  static func mark(_ word: String) -> String {
    #"{"name":"\#(word)","when":{"subject":"\#(word)"},"actions":[{"type":"addKeywords","keywords":["$flagged"]}]}"#
  }

  static func copy(_ word: String, to mailbox: String) -> String {
    #"{"name":"\#(word)","when":{"subject":"\#(word)"},"actions":[{"type":"copy","mailbox":"\#(mailbox)"}]}"#
  }

  /// Brings a message as mail comes, and waits until the inbox holds it here and nothing waits for rules.
  static func bring(
    _ subject: String,
    _ service: TestService,
    _ dovecot: DovecotServer,
    _ user: String,
    _ account: ID<Account>
  ) async throws {
    try await dovecot.bring("From: x@example.net\r\nSubject: \(subject)\r\n\r\nx\r\n", to: user)
    try await eventually("\(subject) is here") {
      try await service.engine.syncNow(account)
      return try await service.messages(of: account).contains { $0.subjectText == subject }
    }
    try await RuleTests.waitUntilFiltered(account, service)
    try await service.waitUntilReplayed(account)
  }
}
