import Postgres
import Store
import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Synchronization
import TestSupport

/// The real servers that the engine's tests share; each test takes a user that no other one has.
enum MailServers {
  private static let dovecotTask = Task {
    try await DovecotServer.start(users: (0..<80).map { "user\($0)" })
  }
  private static let postfixTask = Task {
    try await PostfixServer.start(deliveringTo: try await dovecotTask.value)
  }
  private static let lastUser = Atomic<Int>(-1)

  static var dovecot: DovecotServer {
    get async throws { try await dovecotTask.value }
  }

  static var postfix: PostfixServer {
    get async throws { try await postfixTask.value }
  }

  /// A user of the shared server.
  static func user() -> String {
    "user\(lastUser.wrappingAdd(1, ordering: .relaxed).newValue)"
  }

  /// A Dovecot of a test's own, with one user called `alice`.
  static func own(_ options: DovecotServer.Options = .init()) async throws -> DovecotServer {
    try await DovecotServer.start(users: ["alice"], options: options)
  }
}

extension TestService {
  /// Another client of a user's mail, with nothing of the engine in it; called on one of the loops.
  func otherClient(_ dovecot: DovecotServer, _ user: String) async throws -> IMAPClient {
    let policy = OutboundPolicy(allowed: ["127.0.0.0/8"].compactMap { CIDR($0) })
    let client = try await IMAPClient.connect(
      host: dovecot.host,
      port: dovecot.imapPort,
      tls: .none,
      connector: Connector(policy: policy, group: group),
      tlsContext: try TLSClientContext(TLSClientConfiguration(roots: .file(dovecot.caFile))),
      deadline: .after(.seconds(30))
    )
    try await client.authenticate(username: user, password: dovecot.password)
    return client
  }

  /// Makes a mailbox, and waits until the engine knows it.
  func addMailbox(_ name: String, _ dovecot: DovecotServer, _ account: ID<Account>, _ user: String)
    async throws -> Mailbox
  {
    try await dovecot.doveadm(["mailbox", "create", "-s", "-u", dovecot.address(of: user), name])
    try await engine.syncNow(account)
    return try await eventuallyFind("mailbox \(name)") {
      try await store.mailboxes(of: account).mailboxes.first { $0.path == name }
    }
  }

  /// Imports a message as it is.
  func file(
    _ raw: [UInt8],
    _ mailbox: ID<Mailbox>,
    _ account: ID<Account>
  ) async throws -> ID<Message> {
    try await engine.importMessage(raw, into: mailbox, of: account, keywords: [], receivedAt: nil)
  }

  /// A digest of which version of each row there is where, in all tables: any write changes it.
  func rowVersions() async throws -> [String] {
    var digests: [String] = []
    for table in ["account", "mailbox", "message", "placement", "operation", "change", "uidl"] {
      let rows = try await query(
        SQL(
          unsafeSQL: """
            select coalesce(md5(string_agg(xmin::text || ctid::text, ',' order by ctid)), '')
            from \(table)
            """
        )
      )
      digests.append("\(table) \(try rows.string(0, 0))")
    }
    return digests
  }

  /// Checks what holds whatever happened: counters and the feed.
  func health(of account: ID<Account>) async throws -> [String] {
    try await wrongCounters(of: account)
      + (try await feedIsWhole(of: account) ? [] : ["the feed has gaps"])
  }
}

/// The UIDs in a mailbox, as another client sees them.
func uids(_ client: IMAPClient, in mailbox: String, _ criteria: SearchCriteria = .all)
  async throws -> [UInt32]
{
  try await client.examine(MailboxName(mailbox))
  return try await client.search(criteria).uids.map(\.value)
}
