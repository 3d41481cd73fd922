import Bytes
import Engine
import MIME
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Rules
import Store
import TestSupport
import Testing

@Suite("Headers that rules change", .serialized, .timeLimit(.minutes(5)))
struct HeaderEditTests {
  private static let stamp =
    #"{"type":"addHeader","name":"X-Case","value":"4711"},{"type":"deleteHeader","name":"X-Noise"}"#

  static func raw(
    _ message: ID<Message>,
    of account: ID<Account>,
    _ service: TestService
  ) async throws -> String {
    let source = try await service.engine.openRaw(message, of: account)
    return String(decoding: try await source.collect(upTo: 1 << 20).bytes, as: UTF8.self)
  }

  /// Raw messages that no message has, and whether the account counts what it keeps as it is.
  private func strays(_ account: ID<Account>, _ service: TestService) async throws -> [Int64] {
    let rows = try await service.query(
      """
      select (select count(*) from blob b where not exists (select 1 from message m
          where m.account_id = b.account_id and m.blob_id = b.id)),
        (select kept_bytes from account where id = \(account.rawValue))
          - coalesce((select sum(size)::bigint from blob), 0),
        (select count(*) from message m where not exists (select 1 from placement p
          where p.account_id = m.account_id and p.message_id = m.id))
      """
    )
    return try (0..<3).map { try rows.int64(0, $0) }
  }

  @Test func `a message kept here gets its new header in its place, and is found by it`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      try await RuleTests.add(
        #"{"name":"Stamp","when":{"subject":"case"},"actions":[\#(Self.stamp),{"type":"copy","mailbox":"Cases"}]}"#,
        to: account,
        service
      )
      try await RuleTests.add(
        #"{"name":"Then","when":{"header":"X-Case=4711"},"actions":[{"type":"addKeywords","keywords":["stamped"]}]}"#,
        to: account,
        service
      )
      let message = try await RuleTests.deliver(
        "Message-ID: <1@x>\nX-Noise: a\nSubject: case\nX-Noise: b\n\nzebra\n",
        to: account,
        service
      )
      let other = try await RuleTests.deliver("Subject: none\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      let expected = "X-Case: 4711\r\nMessage-ID: <1@x>\r\nSubject: case\r\n\r\nzebra\r\n"
      #expect(try await Self.raw(message, of: account, service) == expected)
      for mailbox in ["INBOX", "Cases"] {
        let row = try await service.messages(in: mailbox, of: account).first { $0.id == message }
        #expect(row?.size == Int64(expected.utf8.count))
        #expect(try row?.keywordList == ["stamped"])
      }
      #expect(try await Self.raw(other, of: account, service) == "Subject: none\r\n\r\nx\r\n")
      let log = try await service.store.ruleMatches(of: message, in: account)
      #expect(log.map(\.name) == ["Stamp", "Then"] && log.allSatisfy { $0.refusals.isEmpty })
      for search in ["header:X-Case=4711", "zebra"] {
        try await eventually("\(search) finds it") {
          var query = MessageQuery()
          query.search = try SearchParser.parse(search)
          let findings = try await service.engine.find(query, of: account)
          return try await service.store.messageIDs(of: account, query, findings, limit: 10)
            == [message]
        }
      }
      #expect(try await strays(account, service) == [0, 0, 0])

      // It is there already: another run changes nothing, and says so.
      let before = try await service.store.message(message, of: account).row(0).version
      let again = try await RuleTests.run(account, service)
      #expect(again.result?["edited"]?.intValue == 0)
      #expect(try await Self.raw(message, of: account, service) == expected)
      #expect(try await service.store.message(message, of: account).row(0).version == before)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `on a server the new message takes the place of the old, under its id`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      try await RuleTests.add(
        #"{"name":"Stamp","when":{"subject":"case"},"actions":[\#(Self.stamp),{"type":"addKeywords","keywords":["$flagged"]}]}"#,
        to: account,
        service
      )
      try await RuleTests.add(
        #"{"name":"File","when":{"subject":"file"},"actions":[{"type":"move","mailbox":"Cases"}]}"#,
        to: account,
        service
      )
      for (id, subject) in [(1, "case"), (2, "case file"), (3, "none")] {
        let text = "Message-ID: <\(id)@x>\nX-Noise: a\nSubject: \(subject)\n\nx\n"
        try await dovecot.deliver(Array(text.utf8), to: user)
      }
      try await service.engine.syncNow(account)
      try await eventually("all is filed") {
        guard try await service.number("select count(*) from message") == 3 else { return false }
        return try await service.number("select count(*) from rule_arrival") == 0
      }
      let ids = try await service.query("select id from message order by received_at, id")
      let known = Set(try (0..<3).map { try ids.int64($0, 0) })
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("the mailboxes are as they should be") {
        let inbox = try await service.mailbox("INBOX", of: account).totalMessages
        let cases = try await service.mailbox("Cases", of: account).totalMessages
        let waiting = try await service.number("select count(*) from placement where uid is null")
        return inbox == 2 && cases == 1 && waiting == 0
      }
      let inbox = try await dovecot.messages(user: user).joined()
      #expect(inbox.ranges(of: "X-Case: 4711").count == 1)
      #expect(inbox.ranges(of: "X-Noise").count == 1)
      #expect(try await dovecot.messageCount(user: user) == 2)
      let filed = try await dovecot.messages(user: user, mailbox: "Cases")
      #expect(filed.count == 1 && filed[0].contains("X-Case: 4711"))
      let after = try await service.query("select id from message")
      #expect(Set(try (0..<after.count).map { try after.int64($0, 0) }) == known)
      for mailbox in ["INBOX", "Cases"] {
        for row in try await service.messages(in: mailbox, of: account)
        where row.subjectText?.contains("case") == true {
          #expect(try row.keywordList == ["$flagged"])
          #expect(
            try await Self.raw(row.id, of: account, service).hasPrefix("X-Case: 4711\r\nMessage-ID")
          )
          #expect(try await service.store.ruleMatches(of: row.id, in: account).count <= 2)
        }
      }
      #expect(try await service.number("select count(*) from operation") == 0)
      #expect(try await strays(account, service) == [0, 0, 0])
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test(arguments: [1, 2]) func `a cut at any moment costs no message and makes no second one`(
    _ variant: Int
  ) async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 12)
    var options = TestService.Options()
    options.engine.firstBackoff = .milliseconds(10)
    options.engine.longestBackoff = .milliseconds(20)
    options.engine.operationAttempts = 1_000
    try await TestService.with(options) { service in
      let proxy = try CuttingProxy(to: dovecot.imapPort, on: service.group.loops[0], budgets: [])
      let account = try await service.addAccount(TestService.imap(port: proxy.port, user))
      try await service.waitUntilReady(account)
      let ids = Set(try await service.messages(of: account).map(\.id))
      try await RuleTests.add(
        #"{"name":"Stamp","trigger":"stored","actions":[\#(Self.stamp)]}"#,
        to: account,
        service
      )
      // From within the sign-in to within the last of the replies.
      proxy.cut(after: (0..<24).map { 400 * variant + $0 * 97 })
      try await dovecot.kick(user)
      _ = try await RuleTests.run(account, service)
      try await eventually("every cut was made") {
        if proxy.left > 0 { try await service.engine.syncNow(account) }
        return proxy.left == 0
      }
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("all is known") {
        let waiting = try await service.number("select count(*) from placement where uid is null")
        return try await service.mailbox("INBOX", of: account).totalMessages == 12 && waiting == 0
      }
      let there = try await dovecot.messages(user: user).joined()
      #expect(there.ranges(of: "X-Case: 4711").count == 12)
      #expect(try await dovecot.messageCount(user: user) == 12)
      #expect(Set(try await service.messages(of: account).map(\.id)) == ids)
      #expect(try await service.number("select count(*) from operation") == 0)
      #expect(try await strays(account, service) == [0, 0, 0])
      #expect(try await service.health(of: account) == [])
      await proxy.stop()
    }
  }

  @Test func `of two changes that come close together both are made`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      var rules: [ID<MailRule>] = []
      for name in ["X-One", "X-Two"] {
        rules.append(
          try await RuleTests.add(
            #"{"name":"\#(name)","trigger":"stored","actions":[{"type":"addHeader","name":"\#(name)","value":"1"}]}"#,
            to: account,
            service
          ).id
        )
      }
      var query = MessageQuery()
      query.mailbox = try await service.mailbox("INBOX", of: account).id
      for rule in rules {
        _ = try await service.engine.runRules(
          of: account,
          only: [rule],
          query: query,
          findings: SearchFindings()
        )
      }
      try await eventually("both have run") {
        try await service.number("select count(*) from job where state = 'done'") == 2
      }
      try await service.waitUntilReplayed(account)
      let there = try await dovecot.messages(user: user).joined()
      for name in ["X-One: 1", "X-Two: 1"] { #expect(there.ranges(of: name).count == 3) }
      #expect(try await dovecot.messageCount(user: user) == 3)
      #expect(try await service.number("select count(*) from operation") == 0)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a message that was read before it was changed is read anew, also at the same size`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.deliver(Array("X-Noise: a\nSubject: case\n\nx\n".utf8), to: user)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let message = try #require(try await service.messages(of: account).first).id
      let old = try await Self.raw(message, of: account, service)
      try await RuleTests.add(
        #"{"name":"Same","trigger":"stored","actions":[{"type":"deleteHeader","name":"X-Noise"},{"type":"addHeader","name":"X-Mark","value":"ab"}]}"#,
        to: account,
        service
      )
      _ = try await RuleTests.run(account, service)
      try await service.waitUntilReplayed(account)
      let new = try await Self.raw(message, of: account, service)
      #expect(new.utf8.count == old.utf8.count && new.contains("X-Mark: ab\r\n"))
      #expect(!new.contains("X-Noise") && old.contains("X-Noise: a\r\n"))
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a server that does not tell where it puts a message keeps the old one`() async throws
  {
    var options = DovecotServer.Options()
    options.capabilities = "IMAP4rev1 LITERAL+ CHILDREN NAMESPACE ID ENABLE IDLE MOVE"
    let dovecot = try await MailServers.own(options)
    try await dovecot.fill(user: "alice", count: 1)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      #expect(try await service.engine.accountRules(account).target.canEditHeaders == false)
      try await RuleTests.add(
        #"{"name":"Stamp","trigger":"stored","actions":[\#(Self.stamp)]}"#,
        to: account,
        service
      )
      _ = try await RuleTests.run(account, service)
      try await service.waitUntilReplayed(account)
      let refused = try await service.store.operations(of: account, limit: 10).compactMap(\.message)
      #expect(refused.map(\.kind) == ["replace"] && refused.map(\.state) == ["refused"])
      #expect(refused[0].lastError?.contains("UIDPLUS") == true)
      #expect(try await dovecot.messages(user: "alice").first?.contains("X-Case") == false)
      #expect(try await strays(account, service) == [0, 0, 0])
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }

  @Test func `where nothing may be deleted no second message is made`() async throws {
    let dovecot = try await MailServers.own(.withRights)
    try await dovecot.fill(user: "alice", count: 1)
    try await dovecot.doveadm(
      ["acl", "set", "-u", dovecot.address(of: "alice"), "INBOX", "owner"]
        + ["lookup", "read", "write", "write-seen", "insert"]
    )
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      try await RuleTests.add(
        #"{"name":"Stamp","trigger":"stored","actions":[\#(Self.stamp)]}"#,
        to: account,
        service
      )
      _ = try await RuleTests.run(account, service)
      try await service.waitUntilReplayed(account)
      let refused = try await service.store.operations(of: account, limit: 10).compactMap(\.message)
      #expect(refused.map(\.state) == ["refused"])
      #expect(refused.first?.lastError?.contains("deleted") == true)
      #expect(try await dovecot.messageCount(user: "alice") == 1)
      #expect(try await service.messages(of: account).count == 1)
      #expect(try await strays(account, service) == [0, 0, 0])
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }

  @Test func `a message that another client moved meanwhile is changed where it is`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 3)
    // However soon it may be tried again, it is looked for in between.
    var options = TestService.Options()
    options.engine.firstBackoff = .microseconds(1)
    try await TestService.with(options) { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addCopiedAccount(TestService.imap(port: way.port, user))
      let ids = Set(try await service.messages(of: account).map(\.id))
      try await RuleTests.add(
        #"{"name":"Stamp","trigger":"stored","actions":[\#(Self.stamp)]}"#,
        to: account,
        service
      )
      way.goAway()
      _ = try await RuleTests.run(account, service)
      let other = try await service.otherClient(dovecot, user)
      try await other.select(.inbox)
      _ = try await other.move(
        UIDSet(Array(try await other.search(.all).uids).prefix(2)),
        to: MailboxName("Archive")
      )
      other.close()
      way.comeBack()
      try await service.waitUntilReplayed(account)
      #expect(try await service.number("select count(*) from operation") == 0)
      for (mailbox, count) in [("INBOX", 1), ("Archive", 2)] {
        let there = try await dovecot.messages(user: user, mailbox: mailbox).joined()
        #expect(there.ranges(of: "X-Case: 4711").count == count)
        #expect(try await dovecot.messageCount(user: user, mailbox: mailbox) == count)
      }
      let known =
        try await service.messages(of: account) + service.messages(in: "Archive", of: account)
      #expect(Set(known.map(\.id)) == ids)
      #expect(try await strays(account, service) == [0, 0, 0])
      #expect(try await service.health(of: account) == [])
      await way.stop()
    }
  }

  @Test func `a message in several mailboxes of its server stays as it is, and the log says why`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 1)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      try await RuleTests.add(
        #"{"name":"Both","trigger":"stored","actions":[{"type":"copy","mailbox":"Other"}]}"#,
        to: account,
        service
      )
      _ = try await RuleTests.run(account, service)
      try await RuleTests.add(
        #"{"name":"Stamp","trigger":"stored","actions":[\#(Self.stamp)]}"#,
        to: account,
        service
      )
      let message = try #require(try await service.messages(of: account).first).id
      #expect(try await service.messages(in: "Other", of: account).map(\.id) == [message])
      _ = try await RuleTests.run(account, service)
      let log = try await service.store.ruleMatches(of: message, in: account)
      #expect(log.last?.refusals == ["/actions/0 several_mailboxes"])
      try await service.waitUntilReplayed(account)
      #expect(try await service.number("select count(*) from blob") == 0)
      #expect(try await service.health(of: account) == [])
    }
  }
}
