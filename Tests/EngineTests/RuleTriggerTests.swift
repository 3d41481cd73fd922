import Bytes
import Engine
import MIME
import Model
import Postgres
import Rules
import Store
import TestSupport
import Testing

@Suite("Rules on what is sent, by the clock, and that notify", .serialized, .timeLimit(.minutes(5)))
struct RuleTriggerTests {
  @Test func `what the account sends meets the rules on that once, and nothing else does`()
    async throws
  {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let (sender, recipient) = (MailServers.user(), MailServers.user())
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, sender, smtp: postfix)
      for rule in [
        #"{"name":"Work","trigger":"outbound","when":{"to":"\#(recipient)"},"actions":[{"type":"addKeywords","keywords":["work"]},{"type":"move","mailbox":"Work"}]}"#,
        #"{"name":"Envelope","trigger":"outbound","when":{"property":"envelope.to","op":"is","value":"\#(dovecot.address(of: recipient))"},"actions":[{"type":"addKeywords","keywords":["seen"]}]}"#,
        #"{"name":"New","when":{"to":"\#(recipient)"},"actions":[{"type":"discard"}]}"#,
      ] {
        try await RuleTests.add(rule, to: account, service)
      }
      var message = ComposedMessage()
      message.to = [Address(email: dovecot.address(of: recipient))]
      message.subject = "Plan"
      message.text = "x\n"
      _ = try await service.engine.submit(
        SubmissionDraft(content: .composed(message)),
        of: account
      )
      try await eventually("its copy is filed away") {
        try await service.number(
          "select count(*) from mailbox where path = 'Work' and total_messages = 1"
        ) == 1
      }
      try await service.waitUntilReplayed(account)
      #expect(try await dovecot.messageCount(user: sender, mailbox: "Work") == 1)
      let filed = try await service.messages(in: "Work", of: account)
      #expect(try filed.map { try Set($0.keywordList) } == [["$seen", "seen", "work"]])
      let log = try await service.store.ruleMatches(of: filed[0].id, in: account)
      #expect(log.map(\.name) == ["Work", "Envelope"])
      #expect(try await dovecot.messageCount(user: sender, mailbox: "Sent") == 0)
      #expect(try await dovecot.messageCount(user: recipient) == 1)
      #expect(try await service.number("select count(*) from rule_arrival") == 0)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a rule by the clock runs when its time has come, once, and sends nothing`()
    async throws
  {
    var options = TestService.Options()
    options.engine.ruleLook = .milliseconds(20)
    try await TestService.with(options) { service in
      let account = try await RuleTests.localAccount(service)
      for subject in ["old one", "old two", "new"] {
        _ = try await RuleTests.deliver("Subject: \(subject)\n\nx\n", to: account, service)
      }
      let rule = try await RuleTests.add(
        #"{"name":"Tidy","trigger":"schedule","schedule":{"hours":24},"when":{"operator":"and","conditions":[{"in":"inbox"},{"subject":"old"}]},"actions":[{"type":"archive"},{"type":"redirect","to":"eve@example.net","keep":true}]}"#,
        to: account,
        service
      )
      #expect(try await service.number("select count(*) from rule where next_run_at > now()") == 1)
      for round in 1...2 {
        _ = try await service.query("update rule set next_run_at = now() - interval '1 minute'")
        try await eventually("its next time is set") {
          try await service.number("select count(*) from rule where next_run_at > now()") == 1
        }
        try await eventually("its jobs have ended") {
          try await service.number(
            "select count(*) from job where kind = 'runRules' and state = 'done'"
          ) == Int64(round)
        }
        #expect(try await service.number("select count(*) from job") == Int64(round))
      }
      #expect(try await service.messages(in: "Archive", of: account).count == 2)
      #expect(try await service.messages(of: account).count == 1)
      #expect(try await RuleTests.submissions(account, service).isEmpty)
      let filed = try await service.messages(in: "Archive", of: account)
      let log = try await service.store.ruleMatches(of: filed[0].id, in: account)
      #expect(log.map(\.rule) == [rule.id] && log[0].job != nil)
      #expect(log.map(\.refusals) == [["/actions/1 stored_mail"]])
      #expect(try await service.number("select count(*) from rule_undo") == 2)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test
  func `a run that finds all done notes nothing, and what can be undone is forgotten in time`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      _ = try await RuleTests.deliver("Subject: a\n\nx\n", to: account, service)
      try await RuleTests.add(
        #"{"name":"Mark","trigger":"stored","actions":[{"type":"addKeywords","keywords":["k"]},{"type":"copy","mailbox":"Seen"}]}"#,
        to: account,
        service
      )
      let first = try await RuleTests.run(account, service).id
      let second = try await RuleTests.run(account, service).id
      for table in ["rule_match", "rule_undo"] {
        let jobs = try await service.query("select job_id from \(unsafeSQL: table)")
        #expect(jobs.count == 1, "\(table)")
        #expect(try jobs.int64(0, 0) == first.rawValue, "\(table)")
      }
      #expect(try await service.store.job(second)?.result?["matched"]?.intValue == 1)
      _ = try await service.query("update job set updated_at = now() - interval '29 days'")
      try await service.store.expireRuleUndo()
      #expect(try await service.store.undoCount(of: first, in: account) == 1)
      _ = try await service.query("update job set updated_at = now() - interval '31 days'")
      // A run leaves that to the worker: its batches would look at all of it again and again.
      _ = try await RuleTests.deliver("Subject: b\n\nx\n", to: account, service)
      let third = try await RuleTests.run(account, service).id
      #expect(try await service.store.undoCount(of: third, in: account) == 1)
      #expect(try await service.store.undoCount(of: first, in: account) == 1)
      try await service.store.expireRuleUndo()
      #expect(try await service.store.undoCount(of: first, in: account) == 0)
      #expect(try await service.store.undoCount(of: third, in: account) == 1)
    }
  }

  @Test func `an address is told of a message, and never of a notification`() async throws {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      try await RuleTests.add(
        #"{"name":"Tell","actions":[{"type":"notify","to":"o'neil+x%y@example.net","text":"Mail has come"}]}"#,
        to: account,
        service
      )
      let told = try await RuleTests.deliver("Subject: a\n\nx\n", to: account, service)
      let passed = try await RuleTests.deliver(
        "Auto-Submitted: auto-notified; owner-email=\"a@b\"\nSubject: b\n\nx\n",
        to: account,
        service
      )
      try await RuleTests.waitUntilFiltered(account, service)
      let sent = try await RuleTests.submissions(account, service)
      #expect(sent.map { $0.recipients.map(\.address) } == [["o'neil+x%y@example.net"]])
      #expect(sent.first?.subject == "Mail has come" && sent.first?.isCopyFiled == true)
      let blob = try #require(sent.first).blob
      let text = String(decoding: try await service.store.blob(blob, of: account), as: UTF8.self)
      #expect(text.contains("Auto-Submitted: auto-notified"))
      #expect(Set(try await service.messages(of: account).map(\.id)) == [told, passed])
      let log = try await service.store.ruleMatches(of: passed, in: account)
      #expect(log.map(\.refusals) == [["/actions/0 loop"]])
    }
  }
}
