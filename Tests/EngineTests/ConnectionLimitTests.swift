import Engine
import Model
import Net
import Store
import TestSupport
import Testing

@Suite("Limits of servers", .serialized, .timeLimit(.minutes(6)))
struct ConnectionLimitTests {
  private func options(_ change: (inout EngineConfiguration) -> Void = { _ in })
    -> TestService.Options
  {
    var options = TestService.Options()
    options.engine.connections.firstRest = .milliseconds(50)
    options.engine.connections.longestRest = .milliseconds(200)
    change(&options.engine)
    return options
  }

  private func limited(to connections: Int) -> DovecotServer.Options {
    var options = DovecotServer.Options()
    options.extraConfiguration = "mail_max_userip_connections = \(connections)"
    return options
  }

  /// How many sessions of alice Dovecot has.
  private func sessions(_ dovecot: DovecotServer) async throws -> Int {
    try await dovecot.doveadm(["who", "-1"]).split(separator: "\n").filter {
      $0.contains("alice") && $0.contains("imap")
    }.count
  }

  @Test func `an account that may have two connections syncs, watches and reads bodies`()
    async throws
  {
    let dovecot = try await MailServers.own(limited(to: 2))
    try await dovecot.fill(user: "alice", count: 3)
    try await TestService.with(options()) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      try await eventually("it watches") { try await sessions(dovecot) == 2 }
      for row in try await service.messages(of: account) {
        let source = try await service.engine.openRaw(row.id, of: account)
        #expect(try await Int64(source.collect(upTo: 1 << 20).bytes.count) == row.size)
      }
      let shown = try await eventuallyFind("what the account shows") {
        let shown = try await service.store.account(account)
        return shown?.lastError == nil ? nil : shown
      }
      #expect(shown.state == .ready)
      #expect(shown.lastError?.code == .backendLimited)
      #expect(shown.lastError?.response?.contains("Maximum number of connections") == true)
      try await dovecot.deliver(SampleMail.message(8), to: "alice")
      try await eventually("new mail comes in") {
        try await service.messages(of: account).count == 4
      }
      // It is asked once for more than it gives, not each time.
      let refusals = try dovecot.log().split(separator: "\n").filter {
        $0.contains("Maximum number of connections")
      }
      #expect(refusals.count <= 2)
    }
    await dovecot.stop()
  }

  @Test func `with one connection all share it, and a mailbox can be made meanwhile`()
    async throws
  {
    let dovecot = try await MailServers.own(limited(to: 1))
    try await dovecot.fill(user: "alice", count: 40)
    try await TestService.with(options { $0.pollInterval = .milliseconds(100) }) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let rows = try await service.messages(of: account).map { (id: $0.id, size: $0.size) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (id, size) in rows {
          group.addTask(executorPreference: service.group.loops[1]) {
            let source = try await service.engine.openRaw(id, of: account)
            #expect(try await Int64(source.collect(upTo: 1 << 20).bytes.count) == size)
          }
        }
        group.addTask(executorPreference: service.group.loops[1]) {
          _ = try await service.engine.createMailbox(account, name: "Made", parent: nil)
        }
        try await group.waitForAll()
      }
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([rows[0].id], of: account, patch)
      try await service.waitUntilReplayed(account)
      try await dovecot.deliver(SampleMail.message(9), to: "alice")
      try await eventually("new mail comes in by the poll") {
        try await service.messages(of: account).count == rows.count + 1
      }
      let shown = try await service.store.account(account)
      #expect(shown?.state == .ready && shown?.lastError?.code == .backendLimited)
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }

  @Test(
    arguments: [
      "{tag} NO [LIMIT] Too many connections for this user\r\n",
      "{tag} NO [INUSE] The mailbox is in use\r\n",
      "{tag} NO [UNAVAILABLE] Temporary authentication failure\r\n",
      "{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
    ]
  )
  func `a login that is put off is no wrong password, and is tried again`(_ answer: String)
    async throws
  {
    let refusal: [ScriptedServer.Step] = [
      .send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"), .expect("A"),
      .send(answer), .hang,
    ]
    let works =
      ScriptedInbox.login + ScriptedInbox.list(exists: 0, uidNext: 1)
      + ScriptedInbox.select(exists: 0, uidNext: 1) + [.hang]
    try await refuseTwice(refusal, works)
  }

  @Test(
    arguments: [
      "* BYE Too many connections.\r\n", "* BYE [UNAVAILABLE] Later\r\n", "* BYE Going down\r\n",
    ]
  )
  func `a BYE for a greeting is waited out`(_ greeting: String) async throws {
    let works =
      ScriptedInbox.login + ScriptedInbox.list(exists: 0, uidNext: 1)
      + ScriptedInbox.select(exists: 0, uidNext: 1) + [.hang]
    try await refuseTwice([.send(greeting), .close], works, plain: greeting.contains("down"))
  }

  /// An account whose server turns it away twice and then lets it in.
  private func refuseTwice(
    _ refusal: [ScriptedServer.Step],
    _ works: [ScriptedServer.Step],
    plain: Bool = false
  ) async throws {
    let server = try ScriptedServer(scripts: [refusal, refusal, works, [.hang]])
    defer { server.stop() }
    try await TestService.with(options()) { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      let failed = try await eventuallyFind("a failure") {
        try await service.store.account(account).flatMap { $0.lastError == nil ? nil : $0 }
      }
      #expect(failed.state == .unreachable)
      #expect(failed.lastError?.code == (plain ? .backendUnreachable : .backendLimited))
      #expect(failed.lastError?.response?.isEmpty == false)
      try await eventually("it is let in") {
        let state = try await service.store.account(account)?.state
        return state == .syncing || state == .ready
      }
    }
  }

  @Test func `accounts take turns at a server that has fewer connections than they are`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let users = (0..<4).map { _ in MailServers.user() }
    for user in users { try await dovecot.fill(user: user, count: 1) }
    let options = self.options {
      $0.connections.perHost = 1
      $0.pollInterval = .milliseconds(200)
    }
    try await TestService.with(options) { service in
      var accounts: [ID<Account>] = []
      for user in users {
        accounts.append(try await service.addAccount(TestService.imap(dovecot, user)))
      }
      for account in accounts { try await service.waitUntilReady(account) }
      for (account, user) in zip(accounts, users) {
        try await dovecot.deliver(SampleMail.message(3), to: user)
        try await eventually("each gets its mail") {
          try await service.messages(of: account).count == 2
        }
      }
      let shown = try await service.store.account(accounts[0])
      #expect(shown?.state == .ready)
    }
  }

  @Test func `what is here can be read while every server is silent`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 2)
    try await TestService.with(options()) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let silent = try ScriptedServer([.hang])
      defer { silent.stop() }
      await service.stop()
      await dovecot.stop()
      for _ in 0..<50 {
        _ = try await service.store.insertAccount(
          name: "x",
          email: "x@test.invalid",
          mode: .online,
          incoming: TestService.imap(port: silent.port),
          incomingSecret: Secret("secret"),
          outgoing: nil,
          outgoingSecret: nil,
          identities: []
        )
      }
      try await service.start()
      #expect(try await service.messages(of: account).count == 2)
      // No more are being logged in than may be at once.
      #expect(silent.connectionCount <= ConnectionLimits().loginsAtOnce)
    }
  }
}
