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

@Suite("Rules at a ManageSieve server", .serialized, .timeLimit(.minutes(5)))
struct PublishTests {
  @Test
  func `published rules file mail at the server and not again here, until they are withdrawn`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      func filed() async throws -> Int {
        try await dovecot.messageCount(user: user, mailbox: "Filed")
      }
      try await PublishFixture.add(PublishFixture.mark("mark"), to: account, service)
      let rule = try await PublishFixture.add(
        PublishFixture.copy("alpha", to: "Filed"),
        to: account,
        service
      )
      try await PublishFixture.bring("alpha 1", service, dovecot, user, account)
      #expect(try await filed() == 1)
      #expect(try await service.number("select count(*) from rule_match") == 1)

      let published = try await service.engine.publishRules(of: account, replaces: false)
      #expect(published.script == "restante" && published.isCurrent)
      #expect(published.publishedAt != nil && published.lastError == nil)
      try await PublishFixture.bring("alpha 2", service, dovecot, user, account)
      try await PublishFixture.bring("mark 1", service, dovecot, user, account)
      #expect(try await filed() == 2)
      #expect(try await service.number("select count(*) from rule_match") == 1)
      try await service.restart()

      var changed = try Rule(rule)
      var reader = RuleReader()
      changed = try #require(
        reader.rule(try RuleTests.json(PublishFixture.copy("beta", to: "Filed")), patching: changed)
      )
      _ = try await service.engine.store.updateRule(
        rule.id,
        of: account,
        changed.record,
        position: nil,
        ifVersion: rule.version
      )
      try await eventually("the change is published") {
        try await service.engine.publication(of: account).isCurrent
      }
      try await PublishFixture.bring("alpha 3", service, dovecot, user, account)
      try await PublishFixture.bring("beta 1", service, dovecot, user, account)
      #expect(try await filed() == 3)

      let withdrawn = try await service.engine.withdrawRules(of: account)
      #expect(withdrawn.script == nil && withdrawn.publishedAt == nil)
      try await PublishFixture.bring("beta 2", service, dovecot, user, account)
      #expect(try await filed() == 4)
      #expect(try await service.number("select count(*) from rule_match") == 2)
      #expect(
        try await PublishFixture.scripts(service, dovecot, user) { try await $0.listScripts() }
          .isEmpty
      )
      #expect(try await service.messages(of: account).count == 6)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `mail that was in the inbox before the switch is left to who ran the rules then`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      try await PublishFixture.add(PublishFixture.mark("alpha"), to: account, service)
      _ = try await service.engine.publishRules(of: account, replaces: false)
      let validity = try await service.number(
        "select uid_validity from script_server where account_id = \(account.rawValue)"
      )
      let known = try await service.number("select uid_validity from mailbox where role = 'inbox'")
      #expect(validity == known)
      // As if two messages had come before the switch that are synced only now.
      _ = try await service.query("update script_server set first_uid = 3")
      for subject in ["alpha 1", "alpha 2", "alpha 3"] {
        try await PublishFixture.bring(subject, service, dovecot, user, account)
      }
      // The server has filed all of them, and the service those that it takes for its own.
      #expect(try await service.number("select count(*) from rule_match") == 2)
      _ = try await service.engine.withdrawRules(of: account)
      #expect(try await service.number("select first_uid from script_server") == 4)
      _ = try await service.query("update script_server set first_uid = 5")
      for subject in ["alpha 4", "alpha 5"] {
        try await PublishFixture.bring(subject, service, dovecot, user, account)
      }
      #expect(try await service.number("select count(*) from rule_match") == 3)
    }
  }

  @Test func `a server that is away gets the rules when it is back`() async throws {
    let dovecot = try await MailServers.own()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, "alice")
      try await PublishFixture.add(PublishFixture.copy("alpha", to: "Filed"), to: account, service)
      _ = try await service.engine.publishRules(of: account, replaces: false)
      await dovecot.stop()
      try await PublishFixture.add(PublishFixture.copy("beta", to: "Filed"), to: account, service)
      try await eventually("the failure is told") {
        let publication = try await service.engine.publication(of: account)
        return publication.lastError?.code == .backendUnreachable && !publication.isCurrent
      }
      try await dovecot.start()
      try await eventually("the rules are there") {
        let publication = try await service.engine.publication(of: account)
        return publication.isCurrent && publication.lastError == nil
      }
      let text = try await PublishFixture.scripts(service, dovecot, "alice") {
        String(decoding: try await $0.script("restante"), as: UTF8.self)
      }
      #expect(text.contains("beta"))
    }
    await dovecot.stop()
  }

  @Test func `what the server's Sieve lacks stays with the service, and so do all rules`()
    async throws
  {
    var options = DovecotServer.Options()
    options.extraConfiguration = "plugin {\n  sieve_extensions = -imap4flags\n}\n"
    let dovecot = try await MailServers.own(options)
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, "alice")
      let marks = try await PublishFixture.add(
        #"{"name":"Mark","actions":[{"type":"addKeywords","keywords":["$flagged"]}]}"#,
        to: account,
        service
      )
      let known = try await service.engine.accountRules(account)
      let placements = RuleScript(known.rules, for: known.target).placements
      #expect(placements[0][0].side == .service)
      #expect(placements[0][0].reason?.contains("imap4flags") == true)
      let error = await #expect(throws: ServiceError.self) {
        _ = try await service.engine.publishRules(of: account, replaces: false)
      }
      #expect(error?.code == .conflict)
      #expect(error?.fields.first?.pointer == "/\(marks.id)/actions/0")
      #expect(try await service.engine.publication(of: account).script == nil)
      try await service.engine.store.deleteRule(marks.id, of: account)
      _ = try await service.engine.publishRules(of: account, replaces: false)
      // Its scripts would run on, and nobody could stop them from here.
      var patch = AccountPatch()
      patch.sieve = .some(nil)
      let refused = await #expect(throws: ServiceError.self) {
        _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      }
      #expect(refused?.code == .conflict)
      _ = try await service.engine.withdrawRules(of: account)
      let updated = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      #expect(updated.sieve == nil && updated.sieveExtensions == nil)
    }
    await dovecot.stop()
  }

  @Test func `no patch leads the incoming server's secret to another ManageSieve server`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      func code(_ change: (inout AccountPatch, inout SieveSettings) -> Void) async throws
        -> ErrorCode?
      {
        let known = try #require(try await service.store.account(account))
        var patch = AccountPatch()
        var sieve = known.sieve ?? PublishFixture.sieve(dovecot, user)
        change(&patch, &sieve)
        patch.sieve = sieve
        do {
          _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
          return nil
        } catch let error as ServiceError {
          return error.code
        }
      }
      #expect(try await code { $1.server.host = "localhost" } == .secretRequired)
      #expect(try await code { $1.server.port = 9 } == .secretRequired)
      #expect(try await code { $1.hasOwnLogin = true } == .secretRequired)
      // With a login of its own it may be anywhere, and then the old one is not taken up again.
      #expect(
        try await code { patch, sieve in
          patch.sieveSecret = Secret("other")
          (sieve.hasOwnLogin, sieve.server.host) = (true, "localhost")
        } == nil
      )
      #expect(try await code { $1.hasOwnLogin = false } == .secretRequired)
      #expect(
        try await code { patch, sieve in
          patch.incomingSecret = Secret(dovecot.password)
          sieve.hasOwnLogin = false
        } == nil
      )
      // Where the certificate proves the incoming server's host the secret may go.
      #expect(
        try await code { _, sieve in
          sieve.server.host = dovecot.host
          sieve.server.security = .starttls
        } == nil
      )
      try await eventually("the server is asked by TLS") {
        try await service.store.account(account)?.sieveExtensions != nil
      }
    }
  }

  @Test(.enabled(if: CyrusServer.folder != nil))
  func `Cyrus takes the rules, and keeps scripts as Dovecot does`() async throws {
    let cyrus = try await CyrusServer.start(users: ["alice"])
    try await TestService.with { service in
      var draft = AccountDraft(
        name: nil,
        email: "alice@\(DovecotServer.domain)",
        mode: .online,
        incoming: TestService.imap(port: cyrus.imapPort),
        incomingSecret: Secret(cyrus.password),
        outgoing: nil,
        outgoingSecret: nil,
        identities: []
      )
      var sieve = SieveSettings(besides: draft.incoming)
      sieve.server.port = cyrus.sievePort
      draft.sieve = sieve
      let engine = try service.engine
      let account = try await engine.createAccount(draft).id
      try await service.waitUntilReady(account)
      try await eventually("the server says what scripts may require") {
        try await service.store.account(account)?.sieveExtensions?.contains("special-use") == true
      }
      for rule in [
        PublishFixture.mark("größer"),
        #"{"name":"Junk","when":{"body":"pills"},"actions":[{"type":"junk"}],"stop":true}"#,
        #"{"name":"List","when":{"list":"swift"},"actions":[{"type":"archive"}],"stop":true}"#,
        #"{"name":"Big","when":{"larger":1000000},"actions":[{"type":"trash"}],"stop":true}"#,
        PublishFixture.copy("alpha 'x'", to: "Filed/Ünder"),
      ] {
        try await PublishFixture.add(rule, to: account, service)
      }
      let published = try await engine.publishRules(of: account, replaces: false)
      #expect(published.isCurrent && published.script == "restante")
      #expect(try await engine.scripts(of: account).map(\.isActive) == [true])
      _ = try await engine.withdrawRules(of: account)
      let made = try await engine.createScript(
        "mine",
        Array("keep;\r\n".utf8),
        of: account,
        activates: true
      )
      let listed = try await engine.scripts(of: account)
      #expect(listed.map(\.id) == [made.id] && listed[0].isActive)
      try await engine.activateScript(nil, of: account)
      try await engine.deleteScript(made.id, of: account)
      #expect(try await engine.scripts(of: account).isEmpty)
    }
    await cyrus.stop()
  }
}
