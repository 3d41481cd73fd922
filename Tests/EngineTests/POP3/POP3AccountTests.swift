import Bytes
import Engine
import Foundation
import MIME
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("POP3 accounts", .serialized, .timeLimit(.minutes(5)))
struct POP3AccountTests {
  @Test func `mail comes whole into an inbox that is kept here, and never again`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let mail = (0..<SampleMail.Kind.allCases.count).map { SampleMail.message($0) }
    for message in mail { try await dovecot.deliver(message, to: user) }
    try await TestService.with { service in
      let account = try await service.addAccount(
        TestService.pop3(port: dovecot.pop3Port, user),
        mode: .disconnected
      )
      try await service.waitUntilReady(account)
      #expect(
        try await service.raws(of: account)
          == mail.map { String(decoding: LineEnds.canonical($0), as: UTF8.self) }.sorted()
      )
      let engine = try service.engine
      let all = try await service.messages(of: account).map(\.id)
      let archive = try await service.mailbox("Archive", of: account).id
      var move = MessagePatch()
      move.mailboxes = [archive]
      move.addKeywords = ["$flagged"]
      _ = try await engine.changeMessages([all[0]], of: account, move)
      _ = try await engine.deleteMessages([all[1]], of: account, isPermanent: false)
      _ = try await engine.deleteMessages([all[2]], of: account, isPermanent: true)
      try await dovecot.deliver(letter("new"), to: user)
      try await engine.syncNow(account)
      try await eventually("the new one") { try await service.count(account) == mail.count - 2 }
      try await service.restart()
      try await dovecot.deliver(letter("newer"), to: user)
      try await service.engine.syncNow(account)
      try await eventually("the newer one") { try await service.count(account) == mail.count - 1 }
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [all[0]])
      #expect(try await service.messages(in: "Trash", of: account).map(\.id) == [all[1]])
      #expect(try await service.store.dueOperations(of: account, limit: 1).messages.isEmpty)
      #expect(try await dovecot.messageCount(user: user) == mail.count + 2)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `the inbox is complete when the server was looked at, and not before`() async throws {
    let server = try SmallPOP3Server(messages: (0..<5).map { letter("m\($0)") })
    defer { server.stop() }
    try await TestService.with { service in
      let way = try TapProxy(to: server.port, on: service.group.loops[0])
      way.goAway()
      let account = try await service.addAccount(
        TestService.pop3(port: way.port, server.user),
        password: server.password,
        mode: .disconnected
      )
      try await service.waitUntil(.unreachable, account)
      #expect(try await service.mailbox("INBOX", of: account).syncedDownTo == nil)
      #expect(try await service.mailbox("Archive", of: account).syncedDownTo == 1)
      way.comeBack()
      try await service.engine.syncNow(account)
      try await service.waitUntilReady(account)
      #expect(try await service.mailbox("INBOX", of: account).syncedDownTo == 1)
      #expect(try await service.count(account) == 5)
      await way.stop()
    }
  }

  @Test func `a message came when its last server took it`() async throws {
    let server = try SmallPOP3Server(messages: [
      letter("one"), Array("Date: Wed, 25 Nov 2026 01:00:00 +0100\r\n\r\nx\r\n".utf8),
    ])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server)
      let times = try await service.messages(of: account).map(\.receivedAt)
      #expect(
        Set(times.map(\.seconds)) == [1_795_658_400, 1_795_564_800]
      )
    }
  }

  @Test func `where nothing is new there is one UIDL and no row is touched`() async throws {
    let server = try SmallPOP3Server(
      quirks: [.pipelining],
      messages: (0..<300).map { letter("m\($0)") }
    )
    defer { server.stop() }
    var options = TestService.Options()
    options.engine.pollInterval = .milliseconds(50)
    options.engine.pop3Interval = .zero
    options.engine.pop3Batch = 70
    try await TestService.with(options) { service in
      let account = try await service.addAccount(server)
      #expect(try await service.count(account) == 300)
      #expect(server.commands.filter { $0.hasPrefix("RETR") }.count == 300)
      // When the account was looked at last is written behind its being ready.
      try await service.look(server, account)
      await service.stop()
      let before = try await service.rowVersions()
      let commands = server.commands.count
      try await service.start()
      let sessions = server.ended
      // The first knows by the database, those that follow by the list of the one before.
      try await eventually("four sessions") { server.ended >= sessions + 4 }
      await service.stop()
      #expect(try await service.rowVersions() == before)
      let later = server.commands.dropFirst(commands).filter { !$0.hasPrefix("PASS") }
      #expect(Set(later) == ["CAPA", "USER alice", "STAT", "UIDL", "QUIT"])
    }
  }

  @Test func `mail that another client deletes stays here, and jobs and searches work`()
    async throws
  {
    let server = try SmallPOP3Server()
    defer { server.stop() }
    for name in ["a", "b", "c"] { server.add(letter(name), uniqueID: name) }
    try await TestService.with { service in
      let account = try await service.addAccount(server)
      server.remove(uniqueID: "a")
      server.add(letter("d"), uniqueID: "d")
      try await service.look(server, account)
      #expect(try await service.count(account) == 4)
      #expect(try await service.number("select count(*) from uidl where gone_at is not null") == 1)
      server.remove()
      try await service.look(server, account)
      #expect(try await service.count(account) == 4)
      var query = MessageQuery()
      query.mailbox = try await service.mailbox("INBOX", of: account).id
      var patch = MessagePatch()
      patch.addKeywords = ["$seen"]
      let job = try await service.engine.batch(
        of: account,
        query: query,
        findings: SearchFindings(),
        patch: patch,
        isPermanent: false
      )
      try await eventually("the job") {
        try await service.store.job(job.id)?.state == "done"
      }
      #expect(try await service.mailbox("INBOX", of: account).unreadMessages == 0)
      query.search = try SearchParser.parse("subject:d")
      let findings = try await service.engine.find(query, of: account)
      #expect(findings.gaps.isEmpty)
      #expect(try await service.health(of: account) == [])
      try await service.engine.deleteAccount(account)
      #expect(try await service.number("select count(*) from uidl") == 0)
    }
  }

  @Test func `a message that is too long, or for which there is no room, stays on the server`()
    async throws
  {
    let server = try SmallPOP3Server(quirks: [.pipelining])
    defer { server.stop() }
    server.add(letter("a"), uniqueID: "a")
    server.add(letter("long", body: String(repeating: "x", count: 20_000)), uniqueID: "long")
    server.add(letter("b"), uniqueID: "b")
    var options = TestService.Options()
    options.engine.messageBytes = 10_000
    try await TestService.with(options) { service in
      let account = try await service.addAccount(server)
      try await eventually("the short ones") { try await service.count(account) == 2 }
      try await eventually("it is told") {
        try await service.store.account(account)?.lastError?.code == .bodyTooLarge
      }
      #expect(try await service.store.account(account)?.state == .ready)
      let retrievals = server.commands.count { $0 == "RETR 2" }
      try await service.look(server, account)
      #expect(server.commands.count { $0 == "RETR 2" } == retrievals)
      var patch = AccountPatch()
      patch.quotaBytes = 600
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      for index in 0..<6 { server.add(letter("q\(index)"), uniqueID: "q\(index)") }
      try await service.engine.syncNow(account)
      try await eventually("it is told") {
        try await service.store.account(account)?.lastError?.code == .overQuota
      }
      let kept = try await service.count(account)
      #expect(kept > 2 && kept < 8)
      patch.quotaBytes = .some(nil)
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await service.engine.syncNow(account)
      try await eventually("the rest") { try await service.count(account) == 8 }
      #expect(try await service.health(of: account) == [])
    }
    #expect(server.messages.count == 9)
  }
}
