import Engine
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("The first sync and the next", .serialized, .timeLimit(.minutes(6)))
struct FirstSyncTests {
  @Test func `every mailbox has what the server counts`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 130)
    try await dovecot.fill(user: user, mailbox: "Archive", count: 60, first: 1000)
    try await dovecot.deliver(SampleMail.message(3), to: user, mailbox: "Work/2024")
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      for (path, count) in [("INBOX", 130), ("Archive", 60), ("Work/2024", 1), ("Sent", 0)] {
        let mailbox = try await service.mailbox(path, of: account)
        #expect(mailbox.totalMessages == count, "\(path)")
        #expect(mailbox.syncedDownTo == 1)
      }
      #expect(try await service.mailbox("INBOX", of: account).unreadMessages == 65)
      #expect(try await service.mailbox("INBOX", of: account).role == "inbox")
      #expect(try await service.mailbox("Sent", of: account).role == "sent")
      let work = try await service.mailbox("Work", of: account)
      #expect(try await service.mailbox("Work/2024", of: account).parentID == work.id)
      let subjects = try await service.messages(of: account).map(\.subjectText)
      for index in 0..<130 {
        guard let subject = SampleMail.subject(index) else { continue }
        #expect(subjects[129 - index] == subject)
      }
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `the newest page is committed before the rest is fetched`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 400)
    var options = TestService.Options()
    options.engine.firstBatch = 20
    options.engine.batch = 100
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let rows = try await service.query(
        """
        select cardinality(c.ids), c.xid::text,
          (select min(p.uid) from placement p where p.message_id = any (c.ids))
        from change c where c.account_id = \(account.rawValue) and c.noun = 'message'
        order by c.seq
        """
      )
      let sizes = try (0..<rows.count).map { try rows.int32($0, 0) }
      #expect(sizes.first == 20)
      #expect(sizes.reduce(0, +) == 400)
      #expect(try rows.int64(0, 2) == 381)
      #expect(Set(try (0..<rows.count).map { try rows.string($0, 1) }).count == rows.count)
    }
  }

  @Test func `a second sync of unchanged mailboxes writes no row and reads a few bytes`()
    async throws
  {
    var own = DovecotServer.Options()
    own.extraConfiguration = """
      metric imap_list {
        filter = event=imap_command_finished and cmd_name=LIST
      }
      """
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 500)
    try await dovecot.fill(user: "alice", mailbox: "Archive", count: 50)
    var options = TestService.Options()
    options.engine.pollInterval = .milliseconds(100)
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      try await eventually("it is watched") {
        try service.engine.connection(of: account).watching?.means == .notify
      }
      await service.stop()
      let before = try await service.rowVersions()
      try await eventually("the first sessions ended") {
        try dovecot.endedSessions(of: "alice").count >= 2
      }
      let sessions = try dovecot.endedSessions(of: "alice").count
      let lists = try await Self.lists(dovecot)
      try await service.start()
      // Each pass begins with one LIST: when the fourth is there, three passes are over.
      try await eventually("four passes") { try await Self.lists(dovecot) >= lists + 4 }
      await service.stop()
      #expect(try await service.rowVersions() == before)
      try await eventually("the sessions ended") {
        try dovecot.endedSessions(of: "alice").count >= sessions + 2
      }
      for session in try dovecot.endedSessions(of: "alice").dropFirst(sessions) {
        #expect(session.sent < 20_000)
      }
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a large mailbox is read by two connections, each message once`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 1500)
    var options = TestService.Options()
    options.engine.firstBatch = 10
    options.engine.batch = 50
    options.engine.helpedFrom = 100
    options.engine.helpedSlowness = 0
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      #expect(try await service.number("select count(distinct uid) from placement") == 1500)
      #expect(try await service.number("select count(*) from message") == 1500)
      let inbox = try await service.mailbox("INBOX", of: account)
      #expect(inbox.totalMessages == 1500)
      #expect(inbox.syncedDownTo == 1)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test(arguments: [100, .max])
  func `a first sync that was interrupted goes on, and counts equal a recount`(
    _ helpedFrom: Int
  ) async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 1500)
    var options = TestService.Options()
    options.engine.firstBatch = 10
    options.engine.batch = 20
    options.engine.helpedFrom = helpedFrom
    options.engine.helpedSlowness = 0
    try await TestService.with(options) { service in
      let account = try await service.addAccount(TestService.imap(dovecot, user))
      let counting: SQL = "select count(*) from placement"
      try await eventually("the first batches") { try await service.number(counting) >= 50 }
      await service.stop()
      let reached = try await service.number(counting)
      #expect(reached < 1500)
      #expect(try await service.health(of: account) == [])
      try await service.start()
      try await service.waitUntilReady(account)
      #expect(try await service.number("select count(distinct uid) from placement") == 1500)
      #expect(try await service.number("select count(*) from message") == 1500)
      #expect(try await service.mailbox("INBOX", of: account).totalMessages == 1500)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `another UIDVALIDITY keeps the ids of all messages`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 40)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let before = try await service.messages(of: account).map(\.id)
      let old = try await service.mailbox("INBOX", of: account).uidValidity
      await service.stop()
      try await dovecot.doveadm([
        "mailbox", "update", "--uid-validity", "4711", "-u", "alice@test.invalid", "INBOX",
      ])
      try await service.start()
      try await eventually("the new UIDVALIDITY") {
        let inbox = try await service.mailbox("INBOX", of: account)
        return inbox.uidValidity == 4711 && inbox.syncedDownTo == 1
      }
      #expect(old != 4711)
      #expect(try await service.messages(of: account).map(\.id) == before)
      #expect(try await service.health(of: account) == [])
    }
  }

  /// How many LIST commands the server has finished, by its own count.
  private static func lists(_ dovecot: DovecotServer) async throws -> Int {
    let text = try await dovecot.doveadm(["-f", "tab", "stats", "dump"])
    let line = text.split(separator: "\n").first { $0.hasPrefix("imap_list\t") }
    return line.flatMap { Int($0.split(separator: "\t")[2]) } ?? 0
  }
}
