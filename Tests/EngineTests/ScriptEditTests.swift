import Bytes
import Engine
import MIME
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Messages that scripts change", .serialized, .timeLimit(.minutes(5)))
struct ScriptEditTests {
  private func activate(
    _ script: String,
    _ account: ID<Account>,
    _ service: TestService
  ) async throws {
    _ = try await service.engine.createScript(
      "main",
      Array(script.utf8),
      of: account,
      activates: true
    )
  }

  @Test func `what a script changed is what is kept, and an earlier delivery is as it was then`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      try await activate(
        """
        require ["editheader", "fileinto", "copy", "replace", "enclose", "imap4flags", "mailbox"];
        if header :is "subject" "plain" { addheader :last "X-A" "1"; deleteheader "x-noise"; }
        elsif header :is "subject" "twice" {
          fileinto :copy :create :flags "\\\\Seen" "Before";
          addheader "X-A" "2";
        }
        elsif header :is "subject" "replace" { replace :subject "Gone" "No text."; }
        elsif header :is "subject" "enclose" {
          enclose :subject "Look" "See below.";
          fileinto :create "Enclosed";
        }
        """,
        account,
        service
      )
      func deliver(_ subject: String) async throws -> ID<Message> {
        try await RuleTests.deliver(
          "X-Noise: n\nFrom: b@example.net\nSubject: \(subject)\n\nbody\n",
          to: account,
          service
        )
      }
      let ids = [
        try await deliver("plain"), try await deliver("twice"), try await deliver("replace"),
        try await deliver("enclose"), try await deliver("none"),
      ]
      try await RuleTests.waitUntilFiltered(account, service)
      func raw(_ id: ID<Message>) async throws -> String {
        try await HeaderEditTests.raw(id, of: account, service)
      }
      #expect(
        try await raw(ids[0]) == "From: b@example.net\r\nSubject: plain\r\nX-A: 1\r\n\r\nbody\r\n"
      )
      #expect(try await raw(ids[1]).hasPrefix("X-A: 2\r\nX-Noise: n\r\n"))
      let before = try await service.messages(in: "Before", of: account)
      #expect(before.count == 1 && before[0].id != ids[1])
      #expect(try before[0].keywordList == ["$seen"])
      #expect(try await raw(before[0].id).hasPrefix("X-Noise: n\r\nFrom"))
      let replaced = try await raw(ids[2])
      #expect(replaced.contains("Original-Subject: replace\r\n"))
      #expect(replaced.hasSuffix("\r\n\r\nNo text."))
      let enclosed = try await service.messages(in: "Enclosed", of: account)
      #expect(enclosed.map(\.id) == [ids[3]] && enclosed[0].subjectText == "Look")
      #expect(try await raw(ids[3]).contains("Content-Type: message/rfc822\r\n\r\nX-Noise: n\r\n"))
      #expect(try await raw(ids[4]).hasPrefix("X-Noise: n\r\nFrom"))
      let inbox = Set(try await service.messages(of: account).map(\.id))
      #expect(inbox == [ids[0], ids[1], ids[2], ids[4]])
      let log = try await service.store.ruleMatches(of: ids[0], in: account)
      #expect(log.first?.actions.arrayValue?.first?["edited"]?.boolValue == true)
      #expect(try await service.store.ruleMatches(of: ids[4], in: account).isEmpty)
      #expect(
        try await service.number("select count(*) from blob")
          == service.number("select count(*) from message")
      )
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what is sent is filed where the script says, and a second reply is neither`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      try await activate(
        """
        require ["fcc", "vacation", "enotify", "imap4flags", "mailbox", "editheader", "copy"];
        if header :is "subject" "away" {
          vacation :fcc "Replies" :create :flags "\\\\Seen" "Gone fishing.";
        } elsif header :is "subject" "tell" {
          notify :fcc "INBOX" :message "It came" "mailto:me@example.net";
        } else {
          addheader "X-On" "1";
          redirect :copy "eve@example.net";
        }
        """,
        account,
        service
      )
      var ids: [ID<Message>] = []
      for (index, subject) in ["away", "away", "tell", "on"].enumerated() {
        ids.append(
          try await RuleTests.deliver(
            "Message-ID: <\(index)@x>\nTo: ada@\(DovecotServer.domain)\nSubject: \(subject)\n\nx\n",
            to: account,
            service
          )
        )
      }
      try await RuleTests.waitUntilFiltered(account, service)
      let replies = try await service.messages(in: "Replies", of: account)
      #expect(replies.count == 1 && replies.first?.subjectText == "Auto: away")
      #expect(try replies.first?.keywordList == ["$seen"])
      let inbox = try await service.messages(of: account)
      #expect(inbox.count == 5 && inbox.count { $0.subjectText == "It came" } == 1)
      let log = try await service.store.ruleMatches(of: ids[1], in: account)
      #expect(log.map(\.refusals) == [["/actions/0 answered_already"]])
      let sent = try await RuleTests.submissions(account, service)
      #expect(sent.count == 3)
      let on = try #require(sent.first { $0.recipients[0].address == "eve@example.net" })
      let bytes = try await service.store.blob(on.blob, of: account)
      #expect(String(decoding: bytes, as: UTF8.self).contains("\r\nX-On: 1\r\nMessage-ID: <3@x>"))
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what the service cannot carry out is refused when a script is made`() async throws {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      for name in ["ereject", "redirect-dsn"] {
        let script = Array("require \"\(name)\";".utf8)
        let found = try await service.engine.validateScript(script, of: account)
        #expect(found.errors.count == 1, "\(name)")
      }
    }
  }
}
