import Bytes
import Engine
package import Model
import Postgres
package import Store

extension TestService {
  /// The IMAP settings of a user of `dovecot`, without TLS.
  package static func imap(_ dovecot: DovecotServer, _ user: String) -> BackendSettings {
    imap(port: dovecot.imapPort, user)
  }

  /// IMAP settings for any port of this machine.
  package static func imap(
    port: UInt16,
    _ user: String = "alice",
    host: String = "127.0.0.1",
    security: BackendSettings.Security = .none
  ) -> BackendSettings {
    BackendSettings(
      kind: .imap,
      host: host,
      port: port,
      security: security,
      authType: .password,
      username: user,
      allowCleartext: true
    )
  }

  /// POP3 settings for a port of this machine.
  package static func pop3(
    port: UInt16,
    _ user: String = "alice",
    host: String = "127.0.0.1",
    security: BackendSettings.Security = .none,
    auth: BackendSettings.AuthType = .password
  ) -> BackendSettings {
    BackendSettings(
      kind: .pop3,
      host: host,
      port: port,
      security: security,
      authType: auth,
      username: user,
      allowCleartext: true
    )
  }

  /// The settings of submission by STARTTLS.
  package static func smtp(_ postfix: PostfixServer, _ user: String) -> BackendSettings {
    BackendSettings(
      kind: .smtp,
      host: postfix.host,
      port: postfix.smtpPort,
      security: .starttls,
      authType: .password,
      username: user
    )
  }

  /// Adds an account without waiting for anything.
  package func addAccount(
    _ incoming: BackendSettings,
    password: String? = "secret",
    outgoing: BackendSettings? = nil,
    mode: AccountMode = .online
  ) async throws -> ID<Account> {
    let user = incoming.username ?? "alice"
    return try await engine.createAccount(
      AccountDraft(
        name: nil,
        email: "\(user)@\(DovecotServer.domain)",
        mode: mode,
        incoming: incoming,
        incomingSecret: password.map { Secret($0) },
        outgoing: outgoing,
        outgoingSecret: outgoing == nil ? nil : password.map { Secret($0) },
        identities: []
      )
    ).id
  }

  /// Adds an account that no server stands behind.
  package func addLocalAccount(
    _ user: String = "alice",
    quotaBytes: Int64? = nil,
    smtp postfix: PostfixServer? = nil
  ) async throws -> ID<Account> {
    var draft = AccountDraft(
      name: nil,
      email: "\(user)@\(DovecotServer.domain)",
      mode: .online,
      incoming: .local,
      incomingSecret: nil,
      outgoing: postfix.map { Self.smtp($0, user) },
      outgoingSecret: postfix == nil ? nil : Secret("secret"),
      identities: []
    )
    draft.quotaBytes = quotaBytes
    return try await engine.createAccount(draft).id
  }

  /// Adds an account for `user` of `dovecot` and waits until all of it is synced.
  package func addSyncedAccount(
    _ dovecot: DovecotServer,
    _ user: String,
    smtp postfix: PostfixServer? = nil
  ) async throws -> ID<Account> {
    let account = try await addAccount(
      Self.imap(dovecot, user),
      outgoing: postfix.map { Self.smtp($0, user) }
    )
    try await waitUntilReady(account)
    return account
  }

  /// Waits until the first sync of every mailbox has ended.
  package func waitUntilReady(_ account: ID<Account>) async throws {
    try await eventually("account \(account) is ready") {
      let account = try await store.account(account)
      return account?.state == .ready && account?.firstSyncedAt != nil
    }
  }

  /// Waits until no intent is on its way.
  package func waitUntilReplayed(_ account: ID<Account>) async throws {
    try await eventually("every intent is replayed") {
      let due = try await store.dueOperations(of: account, limit: 1)
      return due.messages.isEmpty && due.mailbox == nil
    }
  }

  /// The mailbox with this path.
  package func mailbox(_ path: String, of account: ID<Account>) async throws -> Mailbox {
    let all = try await store.mailboxes(of: account).mailboxes
    guard let found = all.first(where: { $0.path == path }) else {
      throw TestSupportError.failed("no mailbox \(path)")
    }
    return found
  }

  /// The messages of a mailbox, newest first, at most a thousand.
  package func messages(
    in path: String = "INBOX",
    of account: ID<Account>
  ) async throws -> [MessageRow] {
    var query = MessageQuery()
    query.mailbox = try await mailbox(path, of: account).id
    let page = try await store.messages(of: account, query, after: nil, limit: 1000)
    return (0..<page.count).map { page.row($0) }
  }

  /// The mailboxes whose counters are not what a count of the placements gives; none in health.
  package func wrongCounters(of account: ID<Account>) async throws -> [String] {
    let rows = try await query(
      """
      select b.path || ': ' || b.total_messages || '/' || b.unread_messages || ' kept, '
          || count(p.message_id) || '/' || count(p.message_id) filter (where not p.is_seen)
          || ' counted'
      from mailbox b left join placement p on p.account_id = b.account_id
        and p.mailbox_id = b.id and not p.is_deleted
      where b.account_id = \(account.rawValue)
      group by b.account_id, b.id
      having b.total_messages <> count(p.message_id)
        or b.unread_messages <> count(p.message_id) filter (where not p.is_seen)
      """
    )
    return try (0..<rows.count).map { try rows.string($0, 0) }
  }

  /// Whether the feed's numbers run from 1 to the account's without a gap.
  package func feedIsWhole(of account: ID<Account>) async throws -> Bool {
    try await query(
      """
      select count(*) = a.seq and coalesce(min(c.seq), 1) = 1 and coalesce(max(c.seq), 0) = a.seq
      from account a left join change c on c.account_id = a.id
      where a.id = \(account.rawValue) group by a.seq
      """
    ).bool(0, 0)
  }
}

extension MessageRow {
  /// The subject as text; nil where there is none.
  package var subjectText: String? {
    hasSubject ? String(decoding: subject.array, as: UTF8.self) : nil
  }

  /// The keywords, sorted.
  package var keywordList: [String] {
    get throws {
      var all: [String] = []
      try forEachKeyword { all.append(String(decoding: $0.array, as: UTF8.self)) }
      return all.sorted()
    }
  }
}
