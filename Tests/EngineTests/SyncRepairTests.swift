import Engine
import Foundation
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite(
  "What a sync left out or misread is mended by the next",
  .serialized,
  .timeLimit(.minutes(6))
)
struct SyncRepairTests {
  @Test(arguments: [nil, "IMAP4rev1"])
  func `a message that one fetch left out comes with the next pass`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 5)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let ids = try await service.messages(of: account).map(\.id)
      // As it stands after a pass whose FETCH did not tell UID 3.
      _ = try await service.query("delete from message where id = \(ids[2].rawValue)")
      _ = try await service.query("delete from placement where message_id = \(ids[2].rawValue)")
      _ = try await service.query(
        """
        update mailbox b set total_messages = 4, unread_messages = (select count(*)
          from placement p where p.mailbox_id = b.id and not p.is_seen)
        where path = 'INBOX'
        """
      )
      try await service.engine.syncNow(account)
      try await eventually("it is there") {
        try await service.messages(of: account).compactMap(\.backendUID) == [5, 4, 3, 2, 1]
      }
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test(arguments: ["1 2 3", "", nil] as [String?])
  func `a SEARCH that does not add up destroys nothing`(_ results: String?) async throws {
    let search = ScriptedInbox.search(results)
    var script = ScriptedInbox.login + ScriptedInbox.list(exists: 2, uidNext: 3)
    script += ScriptedInbox.select(exists: 2, uidNext: 3) + ScriptedInbox.search("1 2")
    script += ScriptedInbox.fetch(2) + ScriptedInbox.fetch(1)
    // The second pass: one message fewer, says EXISTS; SEARCH tells something else.
    script += ScriptedInbox.leave + ScriptedInbox.list(exists: 1, uidNext: 3)
    script += ScriptedInbox.select(exists: 1, uidNext: 3) + ScriptedInbox.flags + search
    script += (results == nil ? [] : search) + ScriptedInbox.leave
    script += ScriptedInbox.list(exists: 1, uidNext: 3) + [.hang]
    let server = try ScriptedServer(scripts: [script, [.hang]])
    defer { server.stop() }
    var options = TestService.Options()
    options.engine.firstBatch = 1
    options.engine.batch = 1
    try await TestService.with(options) { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      try await service.waitUntilReady(account)
      try await service.engine.syncNow(account)
      try await eventually("the server was asked") {
        server.transcripts.joined().components(separatedBy: "SEARCH ALL").count
          == (results == nil ? 3 : 4)
      }
      try await service.engine.syncNow(account)
      try await eventually("the next pass began") {
        server.transcripts.joined().components(separatedBy: " LIST ").count == 4
      }
      #expect(try await service.messages(of: account).compactMap(\.backendUID).sorted() == [1, 2])
      #expect(try await service.store.account(account)?.state == .ready)
    }
  }

  @Test(arguments: [nil, "IMAP4rev1"])
  func `what came in great number meanwhile comes in batches`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", count: 3)
    var options = TestService.Options()
    options.engine.batch = 5
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      await service.stop()
      try await dovecot.fill(user: "alice", count: 23, first: 50)
      try await service.start()
      try await eventually("all are there") {
        try await service.messages(of: account).count == 26
      }
      // One row of the feed a batch.
      #expect(
        try await service.number(
          "select max(cardinality(ids)) from change where noun = 'message'"
        ) <= 5
      )
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what a killed pass left to be matched is gone after the next`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      await service.stop()
      // As it stands where UIDVALIDITY changed and all was fetched, but for the end of the pass.
      _ = try await service.query(
        """
        insert into message (account_id, id, thread_id, identity, size, received_at, has_attachment)
        values (\(account.rawValue), 5, 5, 'gone', 1, now(), false)
        """
      )
      _ = try await service.query(
        """
        insert into placement (account_id, mailbox_id, message_id, origin, received_at)
        select account_id, id, 5, 3, now() from mailbox where path = 'INBOX'
        """
      )
      _ = try await service.query(
        """
        update mailbox set total_messages = 4, unread_messages = unread_messages + 1
        where path = 'INBOX'
        """
      )
      try await service.start()
      try await eventually("it is gone") {
        try await service.messages(of: account).count == 3
      }
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `without UIDPLUS a move into a mailbox in its first sync keeps the id`() async throws {
    let dovecot = try await MailServers.own(.init(capabilities: "IMAP4rev1"))
    try await dovecot.fill(user: "alice", count: 1)
    try await dovecot.fill(user: "alice", mailbox: "Big", count: 300, first: 100)
    var options = TestService.Options()
    options.engine.firstBatch = 1
    options.engine.batch = 2
    try await TestService.with(options) { service in
      let account = try await service.addAccount(TestService.imap(dovecot, "alice"))
      try await eventually("the first page of Big is there") {
        try await service.number("select count(*) from placement") > 4
      }
      let id = try await service.messages(of: account)[0].id
      var patch = MessagePatch()
      patch.mailboxes = [try await service.mailbox("Big", of: account).id]
      _ = try await service.engine.changeMessages([id], of: account, patch)
      try await service.waitUntilReady(account)
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("every UID is known") {
        let unknown = try await service.number("select count(*) from placement where uid is null")
        let total = try await service.mailbox("Big", of: account).totalMessages
        return unknown == 0 && total == 301
      }
      let found = try await service.messages(in: "Big", of: account)
      #expect(found.contains { $0.id == id })
      #expect(try await service.health(of: account) == [])
    }
  }
}
