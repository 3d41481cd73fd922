import Postgres
import MailTransport
import Store
import Engine
import MailProtocols
import Model
import TestSupport
import Testing

@Suite("What other clients do", .serialized, .timeLimit(.minutes(6)))
struct OtherClientTests {
  @Test func `IDLE alone brings a delivered message in`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      for index in 10..<12 {
        try await dovecot.deliver(SampleMail.message(index), to: user)
        try await eventually("message \(index) is there") {
          try await service.messages(of: account)
            .contains { $0.subjectText == SampleMail.subject(index) }
        }
      }
      #expect(try await service.mailbox("INBOX", of: account).totalMessages == 5)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test(arguments: [nil, "IMAP4rev1 IDLE", "IMAP4rev1"])
  func `their flags and deletions arrive, whatever the server can do`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 6)
    var options = TestService.Options()
    if capabilities == "IMAP4rev1" {
      options.engine.pollInterval = .milliseconds(50)
      options.engine.flagInterval = .milliseconds(50)
    }
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let ids = try await service.messages(of: account).map(\.id)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.select(.inbox)
      try await other.store(UIDSet(UID(2)), .add, [.seen, .flagged])
      try await eventually("the flags are there") {
        try await service.messages(of: account)[4].keywordList == ["$flagged", "$seen"]
      }
      #expect(try await service.mailbox("INBOX", of: account).unreadMessages == 2)
      try await other.store(UIDSet(UID(3)), .add, [.deleted])
      try await eventually("the deleted message is hidden") {
        try await service.messages(of: account).count == 5
      }
      try await other.store(UIDSet(UID(3)), .remove, [.deleted])
      try await eventually("and back") { try await service.messages(of: account).count == 6 }
      try await other.store(UIDSet([UID(1), UID(6)]), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet([UID(1), UID(6)]))
      try await eventually("the expunged are gone") {
        try await service.number("select count(*) from message") == 4
      }
      #expect(try await service.messages(of: account).map(\.id) == Array(ids[1...4]))
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test(arguments: [nil, "IMAP4rev1 LIST-EXTENDED LIST-STATUS", "IMAP4rev1"])
  func `what comes and goes in the mailbox that was looked at last is seen`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 1)
    try await dovecot.fill(user: "alice", mailbox: "Archive", count: 1, first: 10)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let other = try await service.otherClient(dovecot, "alice")
      for count in 2...4 {
        _ = try await other.append(SampleMail.message(20 + count), to: MailboxName("Archive"))
        try await service.engine.syncNow(account)
        try await eventually("message \(count) is there") {
          try await service.messages(in: "Archive", of: account).count == count
        }
      }
      try await other.select(MailboxName("Archive"))
      try await other.store(UIDSet(UID(2)), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet(UID(2)))
      try await service.engine.syncNow(account)
      try await eventually("the expunged is gone") {
        try await service.messages(in: "Archive", of: account).count == 3
      }
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test func `without CONDSTORE the flags of all messages are compared bit by bit`() async throws {
    let dovecot = try await MailServers.own(.init(capabilities: "IMAP4rev1"))
    try await dovecot.fill(user: "alice", count: 11)
    var options = TestService.Options()
    options.engine.newestFlags = 2
    options.engine.olderFlags = 4
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let other = try await service.otherClient(dovecot, "alice")
      // Of \Flagged no counter tells.
      for uid in [11, 4, 1, 8] as [UID] {
        try await other.select(.inbox)
        try await other.store(UIDSet(uid), .add, [.flagged])
        try await eventually("the flag of \(uid) is there") {
          try await service.engine.syncNow(account)
          return try await service.messages(of: account).contains { row in
            try row.backendUID == Int64(uid.value) && row.keywordList.contains("$flagged")
          }
        }
      }
      other.close()
    }
  }

  @Test func `mailboxes that others make, rename and delete are followed`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let address = dovecot.address(of: user)
    try await dovecot.fill(user: user, mailbox: "Old", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      _ = try await service.addMailbox("Projekte/Köln", dovecot, account, user)
      try await dovecot.doveadm(["mailbox", "delete", "-s", "-u", address, "Old"])
      try await service.engine.syncNow(account)
      try await eventually("the mailbox is gone") {
        try await service.number("select count(*) from message") == 0
      }
      #expect(try await service.health(of: account) == [])
    }
  }
}
