import Bytes
import Engine
import Model
import Net
import Postgres
import Rules
import Store
import TestSupport
import Testing

@Suite("Rules on new mail", .serialized, .timeLimit(.minutes(5)))
struct RuleTests {
  /// A server for outgoing mail that nobody listens as: what is queued stays so.
  static let deadEnd = BackendSettings(
    kind: .smtp,
    host: "127.0.0.1",
    port: 9,
    security: .none,
    authType: .none,
    username: nil
  )

  static func json(_ text: String) throws -> JSONValue {
    let bytes = Array(text.utf8)
    return try JSONReader.parse(bytes.span)
  }

  /// Adds a rule; with `store` by another than the test's, of which the engine hears.
  @discardableResult
  static func add(
    _ rule: String,
    to account: ID<Account>,
    _ service: TestService,
    by store: Store? = nil
  ) async throws -> RuleRecord {
    var reader = RuleReader()
    let read = reader.rule(try json(rule))
    #expect(reader.faults == [])
    return try await (store ?? service.store).insertRule(
      try #require(read).record,
      at: nil,
      of: account,
      limit: 100
    )
  }

  static func localAccount(_ service: TestService) async throws -> ID<Account> {
    try await service.engine.createAccount(
      AccountDraft(
        name: nil,
        email: "ada@\(DovecotServer.domain)",
        mode: .online,
        incoming: .local,
        incomingSecret: nil,
        outgoing: deadEnd,
        outgoingSecret: nil,
        identities: []
      )
    ).id
  }

  /// Queues a run of the rules over the inbox.
  static func queueRun(_ account: ID<Account>, _ service: TestService) async throws -> JobRecord {
    var query = MessageQuery()
    query.mailbox = try await service.mailbox("INBOX", of: account).id
    return try await service.engine.runRules(
      of: account,
      query: query,
      findings: SearchFindings()
    )
  }

  /// Runs the rules over the inbox.
  static func run(
    _ account: ID<Account>,
    _ service: TestService,
    until state: String = "done"
  ) async throws -> JobRecord {
    let job = try await queueRun(account, service)
    try await eventually("the rules have run") {
      try await service.store.job(job.id)?.state == state
    }
    return try #require(try await service.store.job(job.id))
  }

  /// Delivers as the listener does.
  static func deliver(
    _ raw: String,
    to account: ID<Account>,
    from sender: String = "bob@example.net",
    _ service: TestService
  ) async throws -> ID<Message> {
    try await service.engine.importMessage(
      Array(raw.utf8),
      into: try await service.mailbox("INBOX", of: account).id,
      of: account,
      keywords: [],
      receivedAt: nil,
      envelope: DeliveryEnvelope(from: sender, to: "ada@\(DovecotServer.domain)")
    )
  }

  static func waitUntilFiltered(_ account: ID<Account>, _ service: TestService) async throws {
    try await eventually("rules have looked at everything") {
      try await service.number(
        "select count(*) from rule_arrival where account_id = \(account.rawValue)"
      ) == 0
    }
  }

  static func submissions(_ account: ID<Account>, _ service: TestService) async throws
    -> [SubmissionRecord]
  {
    try await service.store.submissions(of: account, limit: 1000)
  }

  @Test func `new mail is filed, marked and logged, and mailboxes are made for it`() async throws {
    try await TestService.with { service in
      let account = try await Self.localAccount(service)
      let first = try await Self.add(
        #"{"name":"Lists","when":{"list":"swift"},"actions":[{"type":"move","mailbox":"Lists/Swift"},{"type":"addKeywords","keywords":["$seen"]}],"stop":true}"#,
        to: account,
        service
      )
      try await Self.add(
        #"{"name":"Big","when":{"body":"zebra"},"actions":[{"type":"copy","mailbox":"archive"}]}"#,
        to: account,
        service
      )
      try await Self.add(
        #"{"name":"Away","when":{"from":"spam"},"actions":[{"type":"discard"}]}"#,
        to: account,
        service
      )
      let listed = try await Self.deliver(
        "From: a@b.example\nList-Id: <swift.example>\nSubject: one\n\nzebra\n",
        to: account,
        service
      )
      let copied = try await Self.deliver("Subject: two\n\na zebra\n", to: account, service)
      let gone = try await Self.deliver(
        "From: spam@b.example\nSubject: three\n\nx\n",
        to: account,
        service
      )
      let kept = try await Self.deliver("Subject: four\n\nx\n", to: account, service)
      try await Self.waitUntilFiltered(account, service)
      #expect(try await service.messages(in: "Lists/Swift", of: account).map(\.id) == [listed])
      #expect(
        try await service.messages(in: "Lists/Swift", of: account)[0].keywordList == ["$seen"]
      )
      #expect(Set(try await service.messages(of: account).map(\.id)) == [copied, kept])
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [copied])
      #expect(try await service.store.message(gone, of: account).count == 0)
      let log = try await service.store.ruleMatches(of: listed, in: account)
      #expect(log.map(\.rule) == [first.id] && log[0].name == "Lists" && log[0].job == nil)
      #expect(try await service.store.ruleMatches(of: kept, in: account).isEmpty)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what is imported, and what came before the rule, is left alone`() async throws {
    try await TestService.with { service in
      let account = try await Self.localAccount(service)
      let before = try await Self.deliver("Subject: before\n\nx\n", to: account, service)
      try await Self.add(
        #"{"name":"All","actions":[{"type":"archive"}]}"#,
        to: account,
        service
      )
      let imported = try await service.engine.importMessage(
        Array("Subject: imported\n\nx\n".utf8),
        into: try await service.mailbox("INBOX", of: account).id,
        of: account,
        keywords: [],
        receivedAt: nil
      )
      let after = try await Self.deliver("Subject: after\n\nx\n", to: account, service)
      try await Self.waitUntilFiltered(account, service)
      #expect(Set(try await service.messages(of: account).map(\.id)) == [before, imported])
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [after])
    }
  }

  @Test func `mail goes on once, is answered once a sender, and never in a circle`() async throws {
    try await TestService.with { service in
      let account = try await Self.localAccount(service)
      try await Self.add(
        #"{"name":"On","when":{"subject":"forward"},"actions":[{"type":"redirect","to":"eve@example.net","keep":true}]}"#,
        to: account,
        service
      )
      try await Self.add(
        #"{"name":"Away","when":{"subject":"hello"},"actions":[{"type":"reply","text":"I am away.","subject":"Away"}]}"#,
        to: account,
        service
      )
      let own = "ada@\(DovecotServer.domain)"
      for (subject, more, sender) in [
        ("forward", "", "bob@example.net"),
        ("forward", "X-Sieve-Redirected-From: \(own)\n", "bob@example.net"),
        ("hello 1", "", "bob@example.net"), ("hello 2", "", "Bob@example.net"),
        ("hello 3", "List-Id: <a.b>\n", "carol@example.net"),
        ("hello 4", "Auto-Submitted: auto-replied\n", "carol@example.net"),
        ("hello 5", "", ""), ("hello 6", "", "dora@example.net"),
      ] {
        _ = try await Self.deliver(
          "From: x@example.net\nTo: \(own)\n\(more)Subject: \(subject)\n\nx\n",
          to: account,
          from: sender,
          service
        )
      }
      try await Self.waitUntilFiltered(account, service)
      let sent = try await Self.submissions(account, service).reversed()
      #expect(
        sent.flatMap { $0.recipients.map(\.address) }.sorted()
          == ["bob@example.net", "dora@example.net", "eve@example.net"]
      )
      let onward = try #require(sent.first { $0.recipients[0].address.hasPrefix("eve") })
      #expect(onward.sender == own)
      let bytes = try await service.store.blob(onward.blob, of: account)
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(text.hasPrefix("X-Sieve-Redirected-From: \(own)\r\n"))
      let reply = try #require(sent.first { $0.recipients[0].address.hasPrefix("bob") })
      #expect(reply.sender == "" && reply.subject == "Away" && reply.isCopyFiled)
      let all = try await service.messages(of: account)
      #expect(all.count == 8)
      // The log says why not.
      var codes: [String] = []
      for message in all.sorted(by: { $0.id.rawValue < $1.id.rawValue }) {
        let log = try await service.store.ruleMatches(of: message.id, in: account)
        codes.append(try #require(log.first).refusals.joined(separator: " "))
      }
      #expect(
        codes == [
          "", "/actions/0 loop", "", "/actions/0 answered_already", "/actions/0 not_answerable",
          "/actions/0 not_answerable", "/actions/0 not_answerable", "",
        ]
      )
    }
  }

  @Test func `a message is filtered once, however often the service is killed`() async throws {
    try await TestService.with { service in
      let account = try await Self.localAccount(service)
      try await Self.add(
        #"{"name":"All","actions":[{"type":"move","mailbox":"Done"},{"type":"redirect","to":"eve@example.net","keep":true}]}"#,
        to: account,
        service
      )
      for round in 0..<3 {
        for index in 0..<20 {
          _ = try await Self.deliver(
            "Message-ID: <\(round).\(index)@x>\nSubject: \(round) \(index)\n\nx\n",
            to: account,
            service
          )
        }
        try await service.kill()
      }
      try await Self.waitUntilFiltered(account, service)
      #expect(try await service.messages(in: "Done", of: account).count == 60)
      #expect(try await service.messages(of: account).isEmpty)
      let sent = try await Self.submissions(account, service)
      #expect(sent.count == 60 && Set(sent.compactMap(\.subject)).count == 60)
      #expect(
        try await service.number("select count(*) from rule_match") == 60
      )
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `of an account that is added with old mail nothing is sent, and new mail is filtered`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 980)
    for index in 0..<20 {
      try await dovecot.deliver(
        Array(
          "From: p\(index)@example.net\r\nTo: \(dovecot.address(of: user))\r\nSubject: \(index)\r\n\r\nx\r\n"
            .utf8
        ),
        to: user
      )
    }
    try await TestService.with { service in
      let account = try await service.addAccount(
        TestService.imap(dovecot, user),
        outgoing: Self.deadEnd
      )
      for rule in [
        #"{"name":"On","actions":[{"type":"redirect","to":"eve@example.net","keep":true}]}"#,
        #"{"name":"Away","actions":[{"type":"reply","text":"away"}]}"#,
        #"{"name":"File","when":{"subject":"file me"},"actions":[{"type":"move","mailbox":"Filed"},{"type":"addKeywords","keywords":["$flagged"]}]}"#,
      ] {
        try await Self.add(rule, to: account, service)
      }
      try await service.waitUntilReady(account)
      #expect(try await service.mailbox("INBOX", of: account).totalMessages == 1000)
      #expect(try await service.number("select count(*) from rule_arrival") == 0)
      try await service.restart()
      try await service.waitUntilReady(account)
      try await dovecot.deliver(
        Array(
          "Return-Path: <bob@example.net>\r\nFrom: bob@example.net\r\nTo: \(dovecot.address(of: user))\r\nSubject: file me\r\n\r\nx\r\n"
            .utf8
        ),
        to: user
      )
      try await eventually("the new message is filed at the server") {
        try await service.engine.syncNow(account)
        return try await service.number(
          "select count(*) from mailbox where path = 'Filed' and total_messages = 1"
        ) == 1
      }
      try await service.waitUntilReplayed(account)
      #expect(try await dovecot.messageCount(user: user, mailbox: "Filed") == 1)
      try await Self.waitUntilFiltered(account, service)
      let sent = try await Self.submissions(account, service)
      #expect(sent.count(where: { $0.recipients[0].address == "eve@example.net" }) == 1)
      #expect(sent.count <= 2)
      let filed = try await service.messages(in: "Filed", of: account)
      #expect(try filed.map { try $0.keywordList } == [["$flagged"]])
      // Somebody moves it back: that is no new mail.
      var patch = MessagePatch()
      patch.mailboxes = [try await service.mailbox("INBOX", of: account).id]
      _ = try await service.engine.changeMessages([filed[0].id], of: account, patch)
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("it is in the inbox") {
        try await dovecot.messageCount(user: user) == 1001
      }
      #expect(try await service.number("select count(*) from rule_arrival") == 0)
      #expect(try await Self.submissions(account, service).count == sent.count)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a run over stored mail goes on after a kill, and does nothing twice`() async throws {
    var options = TestService.Options()
    options.engine.ruleRunBatch = 4
    try await TestService.with(options) { service in
      let account = try await Self.localAccount(service)
      for index in 0..<60 {
        _ = try await Self.deliver("Subject: \(index)\n\nx\n", to: account, service)
      }
      try await Self.add(
        #"{"name":"All","trigger":"stored","actions":[{"type":"move","mailbox":"Done"}]}"#,
        to: account,
        service
      )
      let job = try await Self.queueRun(account, service)
      try await eventually("some is done") {
        try await service.store.job(job.id)?.done ?? 0 > 0
      }
      try await service.kill()
      try await eventually("all is done") {
        try await service.store.job(job.id)?.state == "done"
      }
      #expect(try await service.messages(in: "Done", of: account).count == 60)
      let record = try await service.store.job(job.id)
      #expect(record?.result?["moved"]?.intValue == 60)
      #expect(try await service.number("select count(*) from rule_match") == 60)
      #expect(try await service.health(of: account) == [])
    }
  }
}
