import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("Searches that servers answer", .timeLimit(.minutes(6))) struct ServerSearchTests {
  private static func message(_ number: Int, _ header: String = "", _ text: String) -> [UInt8] {
    Array(
      """
      From: a@test.invalid\r\nTo: b@test.invalid\r\nSubject: m\(number)\r\n\
      Message-ID: <\(number)@test.invalid>\r\nMIME-Version: 1.0\r\n\
      Date: Fri, 1 Jan 2021 10:00:00 +0000\r\n\(header)\
      Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\(text)\r\n
      """.utf8
    )
  }

  /// Another client of the account, with nothing of the engine in it.
  private func connect(_ settings: BackendSettings, _ password: String, _ service: TestService)
    async throws -> IMAPClient
  {
    let policy = OutboundPolicy(allowed: ["127.0.0.0/8"].compactMap { CIDR($0) })
    let client = try await IMAPClient.connect(
      host: settings.host,
      port: settings.port,
      tls: .none,
      connector: Connector(policy: policy, group: service.group),
      tlsContext: try TLSClientContext(TLSClientConfiguration(roots: .system)),
      deadline: .after(.seconds(30))
    )
    try await client.authenticate(username: settings.username ?? "", password: password)
    return client
  }

  /// The subjects that a search finds, newest first.
  private func find(
    _ text: String,
    _ account: ID<Account>,
    in mailbox: ID<Mailbox>? = nil,
    _ service: TestService
  ) async throws -> (subjects: [String], gaps: [SearchGap]) {
    var query = MessageQuery()
    query.search = try SearchParser.parse(text)
    query.mailbox = mailbox
    let findings = try await service.engine.find(query, of: account)
    let page = try await service.store.messages(of: account, query, findings, after: nil, limit: 50)
    return ((0..<page.count).map { page.row($0).subjectText ?? "" }, findings.gaps)
  }

  /// Fills two mailboxes, waits until all is indexed and searches.
  private func check(_ settings: BackendSettings, password: String, _ service: TestService)
    async throws
  {
    let client = try await connect(settings, password, service)
    let archive = MailboxName("Archive")
    if try await !client.list().contains(where: { $0.name == archive }) {
      try await client.create(archive)
    }
    try await client.append(Self.message(1, "X-Spam: Yes\r\n", "The quick brown fox"), to: .inbox)
    try await client.append(Self.message(2, "", "Nothing to see"), to: .inbox)
    try await client.append(Self.message(3, "", "Brownian motion, für alle"), to: archive)
    let account = try await service.addAccount(settings, password: password)
    try await service.waitUntilReady(account)
    try await eventually("the index has caught up") {
      try await service.number("select count(*) from message_search") == 3
    }
    let inbox = try await service.mailbox("INBOX", of: account).id
    let cases: [(String, [String], [String])] = [
      ("body:brown", ["m3", "m1"], ["m1"]), ("body:\"QUICK BROWN\"", ["m1"], ["m1"]),
      ("body:für", ["m3"], []), ("header:X-Spam=yes", ["m1"], ["m1"]),
      ("header:X-Spam", ["m1"], ["m1"]), ("-body:brown", ["m2"], ["m2"]),
      ("body:brown -subject:m1", ["m3"], []), ("body:nowhere OR subject:m2", ["m2"], ["m2"]),
    ]
    for (text, all, here) in cases {
      let found = try await find(text, account, service)
      #expect(Set(found.subjects) == Set(all) && found.gaps.isEmpty, "\(text): \(found)")
      let inInbox = try await find(text, account, in: inbox, service)
      #expect(inInbox.subjects == here && inInbox.gaps.isEmpty, "\(text) in the inbox")
    }
  }

  @Test(arguments: [nil, "IMAP4rev1"])
  func `Dovecot is asked, with ESEARCH and without`(_ capabilities: String?) async throws {
    var options = DovecotServer.Options()
    options.capabilities = capabilities
    let dovecot = try await MailServers.own(options)
    try await TestService.with { service in
      try await check(TestService.imap(dovecot, "alice"), password: dovecot.password, service)
    }
  }

  @Test(.enabled(if: CyrusServer.folder != nil)) func `Cyrus is asked`() async throws {
    let cyrus = try await CyrusServer.start(users: ["alice"])
    try await TestService.with { service in
      try await check(
        TestService.imap(port: cyrus.imapPort, "alice"),
        password: cyrus.password,
        service
      )
    }
  }

  @Test func `drafts and imports are found by their texts before the server has them`() async throws
  {
    let dovecot = try await MailServers.own()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let inbox = try await service.mailbox("INBOX", of: account)
      let raw = Self.message(7, "X-Project: Zeppelin\r\n", "About airships")
      _ = try await service.engine.importMessage(
        raw,
        into: inbox.id,
        of: account,
        keywords: [],
        receivedAt: nil
      )
      for text in ["airships", "body:irship", "header:X-Project=zepp"] {
        try await eventually("\(text) is found") {
          try await find(text, account, service).subjects == ["m7"]
        }
      }
    }
  }

  @Test func `a mailbox that answers late or not at all is a gap, not an error`() async throws {
    let login = ScriptedInbox.login
    let sync =
      login + ScriptedInbox.list(exists: 1, uidNext: 2)
      + ScriptedInbox.select(exists: 1, uidNext: 2) + ScriptedInbox.search("1")
      + ScriptedInbox.fetch(1) + [.hang]
    let server = try ScriptedServer(scripts: [sync, login + [.hang]])
    defer { server.stop() }
    var options = TestService.Options()
    options.engine.searchTime = .seconds(1)
    try await TestService.with(options) { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      try await service.waitUntilReady(account)
      let found = try await find("body:x OR larger:0", account, service)
      // Broken off by our own clock, it is late and not cancelled, however far it had come.
      #expect(found.gaps.map(\.error.code) == [.backendTimedOut])
      #expect(found.gaps.map(\.mailbox) == [nil])
    }
  }

  @Test func `what is kept here is looked through for as long as a search may take`() async throws {
    let dovecot = try await MailServers.own()
    var options = TestService.Options()
    options.engine.searchTime = .zero
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let found = try await find("header:X-Spam=yes", account, service)
      #expect(found.gaps.contains { $0.error.code == .unavailable && $0.mailbox == nil })
    }
    await dovecot.stop()
  }

  @Test func `a text that is too long for the index is found by its beginning`() async throws {
    let dovecot = try await MailServers.own()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let inbox = try await service.mailbox("INBOX", of: account)
      let words = (0..<120_000).map { "word\($0)x" }
      let subject = words.prefix(9000).joined(separator: "\r\n ")
      let text = words.dropFirst(9000).joined(separator: "\r\n")
      let raw = Array(
        """
        From: "\(String(repeating: "n", count: 30_000))" <a@test.invalid>\r\nSubject: \(subject)\r\n\
        Message-ID: <long@test.invalid>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\
        \(text)\r\n
        """.utf8
      )
      _ = try await service.engine.importMessage(
        raw,
        into: inbox.id,
        of: account,
        keywords: [],
        receivedAt: nil
      )
      for word in ["word1x", "word9001x"] {
        try await eventually("\(word) is found") {
          try await find(word, account, service).subjects.count == 1
        }
      }
    }
    await dovecot.stop()
  }
}
