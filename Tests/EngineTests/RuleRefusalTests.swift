import Bytes
import Engine
import Model
import Postgres
import Rules
import Store
import TestSupport
import Testing

@Suite("Rules that cannot do what they say", .serialized, .timeLimit(.minutes(5)))
struct RuleRefusalTests {
  @Test func `what rules may not send is refused in the log, and then stays in the inbox`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      let own = "ada@\(DovecotServer.domain)"
      let actions = ([own] + (0..<5).map { "u\($0)@example.net" })
        .map { #"{"type":"redirect","to":"\#($0)","keep":true}"# }
      try await RuleTests.add(
        #"{"name":"Many","when":{"subject":"many"},"actions":[\#(actions.joined(separator: ","))]}"#,
        to: account,
        service
      )
      try await RuleTests.add(
        #"{"name":"Back","when":{"subject":"back"},"actions":[{"type":"redirect","to":"\#(own)"}]}"#,
        to: account,
        service
      )
      try await RuleTests.add(
        #"{"name":"Round","when":{"subject":"round"},"actions":[{"type":"redirect","to":"u0@example.net"},{"type":"reject","text":"no"}]}"#,
        to: account,
        service
      )
      let many = try await RuleTests.deliver("Subject: many\n\nx\n", to: account, service)
      let back = try await RuleTests.deliver("Subject: back\n\nx\n", to: account, service)
      let round = try await RuleTests.deliver(
        "X-Sieve-Redirected-From: \(own)\nSubject: round\n\nx\n",
        to: account,
        service
      )
      try await RuleTests.waitUntilFiltered(account, service)
      let sent = try await RuleTests.submissions(account, service).map { $0.recipients[0].address }
      #expect(sent.sorted() == (0..<4).map { "u\($0)@example.net" })
      #expect(Set(try await service.messages(of: account).map(\.id)) == [many, back, round])
      for (message, refusals) in [
        (many, ["/actions/0 own_address", "/actions/5 redirect_limit"]),
        (back, ["/actions/0 own_address"]),
        (round, ["/actions/1 after_delivery", "/actions/0 loop"]),
      ] {
        let log = try await service.store.ruleMatches(of: message, in: account)
        #expect(log.map(\.refusals) == [refusals])
      }
    }
  }

  @Test func `a mailbox that cannot be costs a message the one action alone`() async throws {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      try await RuleTests.add(
        #"{"name":"Bad","actions":[{"type":"copy","mailbox":"a//b"},{"type":"addKeywords","keywords":["seen-it"]}]}"#,
        to: account,
        service
      )
      let message = try await RuleTests.deliver("Subject: x\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      let log = try await service.store.ruleMatches(of: message, in: account)
      #expect(log.first?.refused.arrayValue?.first?["code"]?.stringValue == "no_mailbox")
      #expect(log.first?.refused.arrayValue?.count == 1)
      #expect(try await service.messages(of: account).first?.keywordList == ["seen-it"])
    }
  }

  @Test
  func
    `mail of a server that a rule puts where only local mail can be stays, and is not tried again`()
    async throws
  {
    let dovecot = try await MailServers.own()
    let user = "alice"
    try await dovecot.deliver(Array("Subject: d\n\nx\n".utf8), to: user, mailbox: "Old")
    try await TestService.with { service in
      var settings = TestService.imap(dovecot, user)
      settings.leaveOnServer = .forever
      let account = try await service.addCopiedAccount(settings, mode: .offline)
      let address = dovecot.address(of: user)
      try await dovecot.doveadm(["mailbox", "delete", "-s", "-u", address, "Old"])
      try await eventually("the mailbox is here alone") {
        try await service.engine.syncNow(account)
        return try await service.mailbox("Old", of: account).isLocal
      }
      let box = try await service.mailbox("Old", of: account)
      try await RuleTests.add(
        #"{"name":"File","actions":[{"type":"move","mailbox":"\#(box.id)"},{"type":"addKeywords","keywords":["k"]}]}"#,
        to: account,
        service
      )
      try await dovecot.deliver(Array("Subject: a\n\nx\n".utf8), to: user)
      try await service.engine.syncNow(account)
      try await eventually("it is here and looked at") {
        let waiting = try await service.number("select count(*) from rule_arrival")
        return try await service.number("select count(*) from rule_match") == 1 && waiting == 0
      }
      let message = try #require(try await service.messages(of: account).first)
      #expect(try message.keywordList == ["k"])
      let log = try await service.store.ruleMatches(of: message.id, in: account)
      #expect(log.map(\.refusals) == [["/actions/0 detached_mailbox"]] && log[0].error == nil)
    }
    await dovecot.stop()
  }

  @Test func `what the database refuses is tried a few times and told, and holds up no other`()
    async throws
  {
    var options = TestService.Options()
    options.engine.ruleAttempts = 3
    options.engine.firstRuleBackoff = .milliseconds(20)
    options.engine.ruleLook = .milliseconds(20)
    try await TestService.with(options) { service in
      let account = try await RuleTests.localAccount(service)
      try await RuleTests.add(
        #"{"name":"On","when":{"subject":"on"},"actions":[{"type":"redirect","to":"eve@example.net"}]}"#,
        to: account,
        service
      )
      try await RuleTests.add(
        #"{"name":"File","when":{"subject":"file"},"actions":[{"type":"archive"}]}"#,
        to: account,
        service
      )
      for statement: SQL in [
        """
        create function refuse() returns trigger language plpgsql as
          $$ begin raise exception 'no'; end $$
        """,
        "create trigger refusing before insert on submission execute function refuse()",
      ] { _ = try await service.query(statement) }
      let refused = try await RuleTests.deliver("Subject: on\n\nx\n", to: account, service)
      let filed = try await RuleTests.deliver("Subject: file\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.messages(of: account).map(\.id) == [refused])
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [filed])
      let log = try await service.store.ruleMatches(of: refused, in: account)
      #expect(log.map(\.error) == ["An internal error occurred."])
      #expect(log.map(\.rule) == [nil])
      #expect(try await service.store.ruleMatches(of: filed, in: account).map(\.error) == [nil])
    }
  }
}

extension RuleMatchRecord {
  /// The places and codes of what was refused.
  var refusals: [String] {
    (refused.arrayValue ?? []).map {
      "\($0["pointer"]?.stringValue ?? "") \($0["code"]?.stringValue ?? "")"
    }
  }
}
