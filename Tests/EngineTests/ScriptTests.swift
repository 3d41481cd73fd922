import Bytes
import Engine
import MIME
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Scripts of accounts", .serialized, .timeLimit(.minutes(5)))
struct ScriptTests {
  private func activate(
    _ script: String,
    _ account: ID<Account>,
    _ service: TestService,
    name: String = "main"
  ) async throws -> ScriptRecord {
    try await service.engine.createScript(
      name,
      Array(script.utf8),
      of: account,
      activates: true
    )
  }

  private func sent(
    _ account: ID<Account>,
    _ service: TestService
  ) async throws -> [String] {
    try await service.store.submissions(of: account, limit: 100).flatMap { submission in
      submission.recipients.map { "\($0.address) from <\(submission.sender)>" }
    }.sorted()
  }

  @Test func `an active script files, marks, discards and is logged, in the place of the rules`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      try await RuleTests.add(
        #"{"name":"All","actions":[{"type":"move","mailbox":"Ruled"}]}"#,
        to: account,
        service
      )
      let before = try await RuleTests.deliver("Subject: zero\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      let script = try await activate(
        """
        require ["fileinto", "imap4flags", "variables", "special-use", "mailbox", "body", "reject"];
        if header :matches "subject" "file *" {
          set :lower "box" "${1}";
          addflag ["\\\\Flagged", "$work"];
          fileinto :create "Lists/${box}";
        } elsif header :contains "subject" "keep" {
          fileinto :specialuse "\\\\Archive" "Nowhere";
          keep :flags "\\\\Seen";
        } elsif body :contains "zebra" { discard; }
        """,
        account,
        service
      )
      let filed = try await RuleTests.deliver("Subject: file SWIFT\n\nx\n", to: account, service)
      let kept = try await RuleTests.deliver("Subject: keep\n\nx\n", to: account, service)
      let gone = try await RuleTests.deliver("Subject: y\n\na zebra\n", to: account, service)
      let plain = try await RuleTests.deliver("Subject: z\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      let found = try await service.messages(in: "Lists/swift", of: account)
      #expect(found.map(\.id) == [filed])
      #expect(try found.map { try $0.keywordList } == [["$flagged", "$work"]])
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [kept])
      #expect(Set(try await service.messages(of: account).map(\.id)) == [kept, plain])
      #expect(try await service.store.message(gone, of: account).count == 0)
      #expect(try await service.messages(in: "Ruled", of: account).map(\.id) == [before])
      let log = try await service.store.ruleMatches(of: filed, in: account)
      #expect(log.count == 1 && log[0].isScript && log[0].name == "main")
      #expect(log[0].rule?.rawValue == script.id.rawValue)
      #expect(log[0].actions.arrayValue?.first?["mailbox"]?.stringValue == "Lists/swift")
      #expect(try await service.store.ruleMatches(of: plain, in: account).isEmpty)

      try await service.engine.activateScript(nil, of: account)
      let after = try await RuleTests.deliver("Subject: file x\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      let ruled = try await service.messages(in: "Ruled", of: account).map(\.id)
      #expect(Set(ruled) == [before, after])
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what a script sends goes through the queue, within its limits and in no circle`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      let list = try await service.store.insertAddressList(
        name: "Team",
        entries: ["dan@example.net", "eve@example.net"],
        of: account,
        limit: 10
      )
      _ = try await activate(
        """
        require ["copy", "vacation", "reject", "enotify", "extlists", "duplicate", "fileinto"];
        if duplicate { discard; stop; }
        if header :contains "subject" "on" { redirect :copy "eve@example.net"; }
        elsif header :contains "subject" "team" { redirect :list "\(list.id)"; }
        elsif header :contains "subject" "no" { reject "Not here."; }
        elsif header :contains "subject" "ping" { notify :message "mail" "mailto:me@example.net"; }
        elsif header :contains "subject" "hello" { vacation :subject "Away" "I am away."; }
        """,
        account,
        service
      )
      let own = "ada@\(DovecotServer.domain)"
      var looping: ID<Message>?
      for (index, (subject, more)) in [
        ("on", ""), ("on", "X-Sieve-Redirected-From: \(own)\n"), ("team", ""), ("no", ""),
        ("ping", ""), ("hello", ""), ("hello", ""), ("hello", "List-Id: <a.b>\n"),
      ].enumerated() {
        let raw =
          "Message-ID: <\(index)@x>\nFrom: x@example.net\nTo: \(own)\n\(more)Subject: \(subject)\n\nx\n"
        let message = try await RuleTests.deliver(raw, to: account, service)
        if more.hasPrefix("X-Sieve") { looping = message }
      }
      // Seen before: nothing is done with it again.
      let again = try await RuleTests.deliver(
        "Message-ID: <0@x>\nSubject: on\n\nx\n",
        to: account,
        service
      )
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.store.message(again, of: account).count == 0)
      let mail = try await sent(account, service)
      #expect(
        mail == [
          "bob@example.net from <>", "bob@example.net from <>", "dan@example.net from <\(own)>",
          "eve@example.net from <\(own)>", "eve@example.net from <\(own)>",
          "me@example.net from <\(own)>",
        ]
      )
      let log = try await service.store.ruleMatches(of: #require(looping), in: account)
      #expect(log.first?.refused.arrayValue?.first?["code"]?.stringValue == "loop")
      #expect(log.first?.refused.arrayValue?.first?["pointer"]?.stringValue == "/actions/0")
      // What went on, and what was refused, can still be found.
      #expect(try await service.messages(in: "Trash", of: account).count == 2)
      #expect(try await service.messages(of: account).count == 6)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `scripts include one another, and one that fails leaves mail as it is`() async throws {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      let inner = try await service.engine.createScript(
        "inner",
        Array("require \"fileinto\"; fileinto \"Inner\";".utf8),
        of: account,
        activates: false
      )
      _ = try await activate(
        "require \"include\"; include :personal \"inner\";",
        account,
        service
      )
      let first = try await RuleTests.deliver("Subject: 1\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.messages(in: "Inner", of: account).map(\.id) == [first])
      try await service.engine.deleteScript(inner.id, of: account)
      let second = try await RuleTests.deliver("Subject: 2\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.messages(of: account).map(\.id) == [second])
      let log = try await service.store.ruleMatches(of: second, in: account)
      #expect(log.first?.actions.arrayValue?.first?["type"]?.stringValue == "error")
      // Nor does one that includes itself by way of another, which was not there when it was made.
      _ = try await service.engine.createScript(
        "inner",
        Array("keep;".utf8),
        of: account,
        activates: false
      )
      _ = try await service.query(
        "update script set content = 'require \"include\"; include \"main\";' where name = 'inner'"
      )
      let circular = try await RuleTests.deliver("Subject: 3\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.store.ruleMatches(of: circular, in: account).count == 1)
      #expect(try await service.messages(of: account).count == 2)
      // As one that does not stop: within its limits, and then the message is kept.
      let loop = String(
        repeating: "if header :matches \"subject\" \"*a*a*a*a*b\" { keep; }\n",
        count: 2000
      )
      _ = try await service.engine.createScript(
        "loop",
        Array(loop.utf8),
        of: account,
        activates: true
      )
      let slow = "Subject: \(String(repeating: "a", count: 900))\n\nx\n"
      let third = try await RuleTests.deliver(slow, to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.messages(of: account).map(\.id).contains(third))
    }
  }

  @Test func `a script is kept as it is, once a name, and only what can be done is taken`()
    async throws
  {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      func code(_ name: String, _ content: String) async throws -> ErrorCode? {
        do {
          _ = try await service.engine.createScript(
            name,
            Array(content.utf8),
            of: account,
            activates: false
          )
          return nil
        } catch let error as ServiceError {
          return error.code
        }
      }
      #expect(try await code("a", "keep;") == nil)
      #expect(try await code("a", "keep;") == .conflict)
      #expect(try await code("b\u{7}", "keep;") == .unprocessable)
      #expect(try await code("c", "fileinto;") == .unprocessable)
      #expect(try await code("d", "require \"ereject\"; ereject \"y\";") == .unprocessable)
      #expect(try await code("e", "redirect \"a@b.example\";") == .unprocessable)
      let found = try await service.engine.validateScript(
        Array("keep;\nrequire \"redirect-dsn\";\n".utf8),
        of: account
      )
      #expect(!found.isValid && found.errors.first?.line == 2)
      let script = try #require(try await service.engine.scripts(of: account).first)
      try await service.engine.activateScript(script.id, of: account)
      let error = await #expect(throws: ServiceError.self) {
        try await service.engine.deleteScript(script.id, of: account)
      }
      #expect(error?.code == .conflict)
      let renamed = try await service.engine.updateScript(
        script.id,
        of: account,
        name: "z",
        content: nil
      )
      #expect(renamed.name == "z" && renamed.isActive)
      #expect(renamed.content == Array("keep;".utf8))
    }
  }

  @Test func `at a ManageSieve server scripts are the server's, each under one id`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      let engine = try service.engine
      #expect(try await engine.scripts(of: account).isEmpty)
      let source = Array("require \"fileinto\";\r\nfileinto \"X\";\r\n".utf8)
      let made = try await engine.createScript("mine", source, of: account, activates: true)
      #expect(made.isActive && made.content == source)
      try await PublishFixture.scripts(service, dovecot, user) { client in
        #expect(try await client.script("mine") == source)
        try await client.putScript("other", Array("discard;\r\n".utf8))
        try await client.setActive("other")
      }
      let listed = try await engine.scripts(of: account)
      #expect(listed.map(\.name) == ["mine", "other"] && listed.map(\.isActive) == [false, true])
      #expect(listed[0].id == made.id)
      #expect(
        try await engine.script(listed[1].id, of: account).content == Array("discard;\r\n".utf8)
      )
      func code(_ body: () async throws -> Void) async throws -> ErrorCode? {
        do {
          try await body()
          return nil
        } catch let error as ServiceError {
          return error.code
        }
      }
      #expect(
        try await code {
          _ = try await engine.createScript("other", source, of: account, activates: false)
        } == .conflict
      )
      #expect(
        try await code {
          _ = try await engine.createScript("bad", Array("x;".utf8), of: account, activates: false)
        } == .unprocessable
      )
      #expect(
        try await code { try await engine.deleteScript(listed[1].id, of: account) } == .conflict
      )
      let found = try await engine.validateScript(Array("fileinto \"X\";".utf8), of: account)
      #expect(!found.isValid && found.refusal?.isEmpty == false)
      #expect(try await engine.validateScript(source, of: account).isValid)
      let renamed = try await engine.updateScript(
        made.id,
        of: account,
        name: "yours",
        content: Array("keep;\r\n".utf8)
      )
      #expect(renamed.id == made.id && renamed.name == "yours")
      try await engine.activateScript(nil, of: account)
      try await engine.deleteScript(listed[1].id, of: account)
      #expect(try await engine.scripts(of: account).map(\.name) == ["yours"])
      // While the server runs the rules their script is what only the rules change.
      _ = try await engine.publishRules(of: account, replaces: false)
      let rules = try #require(try await engine.scripts(of: account).first { $0.isActive })
      #expect(rules.name == "restante")
      #expect(try await code { try await engine.activateScript(made.id, of: account) } == .conflict)
      #expect(try await code { try await engine.activateScript(nil, of: account) } == .conflict)
      #expect(
        try await code {
          _ = try await engine.updateScript(rules.id, of: account, name: nil, content: source)
        } == .conflict
      )
    }
  }
}
