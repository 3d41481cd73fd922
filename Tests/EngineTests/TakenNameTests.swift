import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

/// What was meant for a mailbox goes to no other one that has its name by the time the server is told.
@Suite("Names that other mailboxes have by now", .serialized, .timeLimit(.minutes(6)))
struct TakenNameTests {
  /// With response codes and versions, and without either.
  private static let capabilities = [nil, "IMAP4rev1 IDLE"]

  @Test(arguments: capabilities)
  func `what is imported, copied and moved goes to where the mailbox is now, once`(
    _ capabilities: String?
  ) async throws {
    var options = DovecotServer.Options()
    options.capabilities = capabilities
    let dovecot = try await MailServers.own(options)
    try await dovecot.fill(user: "alice", count: 2)
    for name in ["Import", "Copy", "Move", "Other"] { try await AwayServer.make(dovecot, name) }
    // So that nothing else tells who it is.
    for name in ["Import", "Copy", "Move", "Other"] {
      try await dovecot.fill(user: "alice", mailbox: name, count: 2, first: 20)
    }
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let old = try await service.mailbox("Import", of: account)
      let inbox = try await service.messages(of: account).map(\.id)
      try await AwayServer.leave(way, service, account)
      let imported = try await service.file(SampleMail.message(7), old.id, account)
      var copy = MessagePatch()
      copy.addMailboxes = [try await service.mailbox("Copy", of: account).id]
      _ = try await service.engine.changeMessages([inbox[0]], of: account, copy)
      let move = AwayServer.moving(to: try await service.mailbox("Move", of: account))
      _ = try await service.engine.changeMessages([inbox[1]], of: account, move)
      let other = try await service.otherClient(dovecot, "alice")
      for name in ["Import", "Copy", "Move"] {
        try await other.rename(MailboxName(name), to: MailboxName("Old" + name))
        try await other.create(MailboxName(name))
      }
      other.close()
      try await AwayServer.comeBack(way, service, account)
      for (name, id) in [("OldImport", imported), ("OldCopy", inbox[0]), ("OldMove", inbox[1])] {
        #expect(try await service.messages(in: name, of: account).map(\.id).contains(id))
        #expect(try await dovecot.messageCount(user: "alice", mailbox: name) == 3)
      }
      for name in ["Import", "Copy", "Move"] {
        #expect(try await service.messages(in: name, of: account).isEmpty)
        #expect(try await dovecot.messageCount(user: "alice", mailbox: name) == 0)
      }
      #expect(try await service.number("select count(*) from operation") == 0)
    }
  }

  @Test func `what was imported just before its mailbox got another name keeps its id`()
    async throws
  {
    let dovecot = try await MailServers.own(
      .init(capabilities: "IMAP4rev1 UIDPLUS MOVE IDLE UNSELECT CONDSTORE LIST-STATUS")
    )
    try await AwayServer.make(dovecot, "Box")
    try await dovecot.fill(user: "alice", mailbox: "Box", count: 5)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let box = try await service.mailbox("Box", of: account)
      let known = try await service.messages(in: "Box", of: account).map(\.id)
      let other = try await service.otherClient(dovecot, "alice")
      let imported = try await service.file(SampleMail.message(7), box.id, account)
      try await service.waitUntilReplayed(account)
      try await other.rename(MailboxName("Box"), to: MailboxName("Renamed"))
      try await eventually("it has its new name") {
        try await service.engine.syncNow(account)
        return try await service.store.mailboxes(of: account).mailboxes.contains {
          $0.path == "Renamed"
        }
      }
      #expect(try await service.mailbox("Renamed", of: account).id == box.id)
      let now = try await service.messages(in: "Renamed", of: account).map(\.id)
      #expect(Set(now) == Set(known + [imported]))
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test func `mailboxes that are kept here beside another one of their name can be told apart`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["Box", "Other", "Third"] { try await AwayServer.make(dovecot, name) }
    try await dovecot.fill(user: "alice", mailbox: "Third", count: 2)
    try await AwayServer.withAccount(dovecot) { service, account, way in
      for (name, mark) in [("Other", " (kept here)"), ("Third", " (kept here 2)")] {
        let box = try await service.mailbox("Box", of: account)
        let renamed = try await service.mailbox(name, of: account)
        try await AwayServer.leave(way, service, account)
        let imported = try await service.file(SampleMail.message(7), box.id, account)
        let other = try await service.otherClient(dovecot, "alice")
        try await other.delete(MailboxName("Box"))
        try await other.rename(MailboxName(name), to: MailboxName("Box"))
        other.close()
        try await AwayServer.comeBack(way, service, account)
        #expect(try await service.mailbox("Box", of: account).id == renamed.id)
        #expect(try await service.mailbox("Box" + mark, of: account).id == box.id)
        let kept = try await service.messages(in: "Box" + mark, of: account).map(\.id)
        #expect(kept == [imported])
      }
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Box") == 2)
    }
  }
}
