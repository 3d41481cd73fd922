import Engine
import Foundation
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite(
  "Mailboxes that others rename or delete under a change of ours",
  .serialized,
  .timeLimit(.minutes(6))
)
struct LostMailboxTests {
  /// Without NOTIFY, so that the change is what finds out; with response codes or without them.
  private static let capabilities = [
    "IMAP4rev1 SASL-IR ENABLE IDLE UIDPLUS MOVE UNSELECT CONDSTORE QRESYNC LIST-STATUS",
    "IMAP4rev1",
  ]

  private func moving(from: Mailbox, to: Mailbox) -> MessagePatch {
    var patch = MessagePatch()
    (patch.addMailboxes, patch.removeMailboxes) = ([to.id], [from.id])
    return patch
  }

  @Test(arguments: capabilities)
  func `what was meant for a renamed mailbox is done where it is now`(
    _ capabilities: String
  ) async throws {
    let dovecot = try await MailServers.own(.init(capabilities: capabilities))
    try await dovecot.fill(user: "alice", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      var old: [Mailbox] = []
      for name in ["Import", "Flag", "Into", "From"] {
        old.append(try await service.addMailbox(name, dovecot, account, "alice"))
      }
      for name in ["Flag", "From"] {
        try await dovecot.fill(user: "alice", mailbox: name, count: 1)
      }
      try await service.engine.syncNow(account)
      try await eventually("they are opened and filled") {
        let flag = try await service.messages(in: "Flag", of: account)
        let from = try await service.messages(in: "From", of: account)
        return flag.count == 1 && from.count == 1
      }
      let inbox = try await service.mailbox("INBOX", of: account)
      let ids = try await service.messages(of: account).map(\.id)
      let flagged = try await service.messages(in: "Flag", of: account)[0].id
      let moved = try await service.messages(in: "From", of: account)[0].id

      let other = try await service.otherClient(dovecot, "alice")
      for mailbox in old {
        try await other.rename(MailboxName(mailbox.path), to: MailboxName("New" + mailbox.name))
      }
      let imported = try await service.file(SampleMail.message(7), old[0].id, account)
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([flagged], of: account, patch)
      let into = moving(from: inbox, to: old[2])
      _ = try await service.engine.changeMessages([ids[0]], of: account, into)
      let out = moving(from: old[3], to: inbox)
      _ = try await service.engine.changeMessages([moved], of: account, out)
      try await service.waitUntilReplayed(account)

      #expect(try await service.number("select count(*) from operation") == 0)
      #expect(try await service.messages(in: "NewImport", of: account).map(\.id) == [imported])
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "NewImport") == 1)
      let flags = try await service.messages(in: "NewFlag", of: account)
      #expect(flags.map(\.id) == [flagged])
      #expect(try flags.first?.keywordList.contains("$flagged") == true)
      #expect(try await service.messages(in: "NewInto", of: account).map(\.id) == [ids[0]])
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "NewInto") == 1)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "NewFrom") == 0)
      #expect(Set(try await service.messages(of: account).map(\.id)) == Set(ids[1...] + [moved]))
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test(arguments: capabilities)
  func `a message on its way to a mailbox that is deleted stays, and so does its id`(
    _ capabilities: String
  ) async throws {
    let dovecot = try await MailServers.own(.init(capabilities: capabilities))
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let mailbox = try await service.addMailbox("Box", dovecot, account, "alice")
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName(mailbox.path))
      let raw = SampleMail.message(7)
      let id = try await service.file(raw, mailbox.id, account)
      try await service.waitUntilReplayed(account)
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [id])
      try await eventually("it is a mailbox of ours alone") {
        try await service.mailbox("Box", of: account).isLocal
      }
      try await service.engine.syncNow(account)
      try await service.waitUntilReady(account)
      #expect(try await HeaderEditTests.raw(id, of: account, service).utf8.elementsEqual(raw))
      // The intent says so, and can be tried again where the mailbox is there again.
      let refused = try #require(
        try await service.store.operations(of: account, limit: 9).first?.message
      )
      #expect(refused.state == "refused" && refused.lastError?.contains("kept here alone") == true)
      try await other.create(MailboxName("Box"))
      try await eventually("it is the server's again") {
        try await service.engine.syncNow(account)
        return try await !service.mailbox("Box", of: account).isLocal
      }
      try await service.engine.retryOperation(refused.id, of: account)
      try await service.waitUntilReplayed(account)
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [id])
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Box") == 1)
      #expect(try await service.number("select count(*) from operation") == 0)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test func `what is kept here alone goes to the server with a mailbox of it that it is put into`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await AwayServer.make(dovecot, "Box")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let box = try await service.mailbox("Box", of: account)
      try await AwayServer.leave(way, service, account)
      var ids: [ID<Message>] = []
      for index in 0..<2 {
        ids.append(try await service.file(SampleMail.message(index), box.id, account))
      }
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName("Box"))
      other.close()
      try await AwayServer.comeBack(way, service, account)
      #expect(
        try await service.number("select count(*) from operation where state = 'refused'") == 2
      )
      let inbox = try await service.mailbox("INBOX", of: account)
      let archive = try await service.mailbox("Archive", of: account)
      _ = try await service.engine.changeMessages(
        [ids[0]],
        of: account,
        moving(from: box, to: inbox)
      )
      var copying = MessagePatch()
      copying.addMailboxes = [archive.id]
      _ = try await service.engine.changeMessages([ids[1]], of: account, copying)
      try await service.waitUntilReplayed(account)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "INBOX") == 1)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Archive") == 1)
      try await service.engine.syncNow(account)
      try await service.waitUntilReady(account)
      #expect(try await service.messages(of: account).map(\.id) == [ids[0]])
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [ids[1]])
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [ids[1]])
      // That of the second, which is in its mailbox still.
      #expect(try await service.number("select count(*) from operation") == 1)
    }
  }

  @Test func `what was kept here before it was to go to the server stays when that is taken back`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await AwayServer.make(dovecot, "Box")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let box = try await service.mailbox("Box", of: account)
      let inbox = try await service.mailbox("INBOX", of: account)
      try await AwayServer.leave(way, service, account)
      let id = try await service.file(SampleMail.message(7), box.id, account)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName("Box"))
      other.close()
      try await AwayServer.comeBack(way, service, account)
      #expect(
        try await service.number("select count(*) from operation where state = 'refused'") == 1
      )
      try await AwayServer.leave(way, service, account)
      let away = AwayServer.moving(to: inbox)
      _ = try await service.engine.changeMessages([id], of: account, away)
      let append = try #require(
        try await service.store.operations(of: account, limit: 9).first?.message
      )
      #expect(append.kind == "append" && append.state == "pending")
      try await service.engine.discardOperation(append.id, of: account)
      #expect(try await service.messages(of: account).map(\.id) == [id])
      try await AwayServer.comeBack(way, service, account)
      #expect(try await service.messages(of: account).map(\.id) == [id])
      #expect(try await dovecot.messageCount(user: "alice") == 0)
    }
  }

  @Test func `what was to go through a mailbox that is deleted stays where it was, once`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["Through", "To"] { try await AwayServer.make(dovecot, name) }
    try await dovecot.fill(user: "alice", count: 1)
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let ids = try await service.messages(of: account).map(\.id)
      try await AwayServer.leave(way, service, account)
      for name in ["Through", "To"] {
        let mailbox = try await service.mailbox(name, of: account)
        let move = AwayServer.moving(to: mailbox)
        _ = try await service.engine.changeMessages(ids, of: account, move)
      }
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName("Through"))
      other.close()
      try await AwayServer.comeBack(way, service, account)
      #expect(try await service.messages(of: account).map(\.id) == ids)
      #expect(try await dovecot.messageCount(user: "alice") == 1)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "To") == 0)
      #expect(try await service.number("select count(*) from operation") == 0)
    }
  }

  @Test func `what was on its way out of a mailbox that is gone comes where it was going`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await AwayServer.make(dovecot, "From")
    try await AwayServer.make(dovecot, "To")
    try await dovecot.fill(user: "alice", mailbox: "From", count: 2)
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let to = try await service.mailbox("To", of: account)
      let ids = try await service.messages(in: "From", of: account).map(\.id)
      try await AwayServer.leave(way, service, account)
      var copy = MessagePatch()
      copy.addMailboxes = [to.id]
      _ = try await service.engine.changeMessages([ids[0]], of: account, copy)
      _ = try await service.engine.changeMessages([ids[1]], of: account, AwayServer.moving(to: to))
      var flag = MessagePatch()
      flag.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([ids[1]], of: account, flag)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName("From"))
      other.close()
      try await AwayServer.comeBack(way, service, account)
      let there = try await service.messages(in: "To", of: account)
      #expect(Set(there.map(\.id)) == Set(ids))
      #expect(try there.first { $0.id == ids[1] }?.keywordList.contains("$flagged") == true)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "To") == 2)
      #expect(try await service.number("select count(*) from operation") == 0)
    }
  }

  @Test func `wherever else it was put meanwhile, it stays, and goes on to where it is alone`()
    async throws
  {
    let dovecot = try await MailServers.own(.init(capabilities: Self.capabilities[0]))
    try await TestService.with { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: way.port, "alice"))
      try await service.waitUntilReady(account)
      let box = try await service.addMailbox("Box", dovecot, account, "alice")
      let archive = try await service.mailbox("Archive", of: account)
      let trash = try await service.mailbox("Trash", of: account)
      way.goAway()
      var ids: [ID<Message>] = []
      for index in 0..<3 {
        ids.append(
          try await service.file(SampleMail.message(index), box.id, account)
        )
      }
      // The first is copied, the second copied and moved, the third moved and flagged.
      var copying = MessagePatch()
      copying.addMailboxes = [archive.id]
      _ = try await service.engine.changeMessages(Array(ids[..<2]), of: account, copying)
      let away = moving(from: box, to: trash)
      _ = try await service.engine.changeMessages(Array(ids[1...]), of: account, away)
      var flagging = MessagePatch()
      flagging.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([ids[2]], of: account, flagging)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName(box.path))
      other.close()
      way.comeBack()
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      for name in ["Trash", "Archive"] {
        try await eventually("they are on the server") {
          try await dovecot.messageCount(user: "alice", mailbox: name) == 2
        }
      }
      try await service.waitUntilReady(account)
      let stored = try await service.query("select id from message order by id")
      #expect(
        try (0..<stored.count).map { try stored.int64($0, 0) } == ids.map(\.rawValue).sorted()
      )
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [ids[0]])
      #expect(
        Set(try await service.messages(in: "Archive", of: account).map(\.id)) == Set(ids[..<2])
      )
      let moved = try await service.messages(in: "Trash", of: account)
      #expect(Set(moved.map(\.id)) == Set(ids[1...]))
      #expect(try moved.first { $0.id == ids[2] }?.keywordList.contains("$flagged") == true)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Archive") == 2)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Trash") == 2)
      // That of the first, which is kept in the mailbox that is gone.
      #expect(try await service.number("select count(*) from operation") == 1)
      #expect(try await service.health(of: account) == [])
      await way.stop()
    }
    await dovecot.stop()
  }

  @Test func `a message that the server refuses stays here, and is brought to it again when asked`()
    async throws
  {
    let dovecot = try await MailServers.own(.withRights)
    let address = dovecot.address(of: "alice")
    let rights = ["acl", "set", "-u", address, "Box", "owner", "lookup", "read"]
    try await dovecot.doveadm(["mailbox", "create", "-s", "-u", address, "Box"])
    try await dovecot.doveadm(rights)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let mailbox = try await service.mailbox("Box", of: account)
      let id = try await service.file(SampleMail.message(7), mailbox.id, account)
      try await service.waitUntilReplayed(account)
      let refused = try #require(
        try await service.store.operations(of: account, limit: 9).first?.message
      )
      #expect(refused.state == "refused")
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [id])
      try await service.engine.syncNow(account)
      try await service.waitUntilReady(account)
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [id])
      #expect(try await service.health(of: account) == [])

      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      // A copy goes to the server at once, and the mailbox that it was meant for has it when it is asked for.
      patch.addMailboxes = [try await service.mailbox("Archive", of: account).id]
      _ = try await service.engine.changeMessages([id], of: account, patch)
      try await eventually("the copy is there") {
        try await dovecot.messageCount(user: "alice", mailbox: "Archive") == 1
      }
      try await dovecot.doveadm(rights + ["insert", "write", "write-seen", "post"])
      // A session has the rights that it began with.
      try await dovecot.doveadm(["kick", address])
      try await service.waitUntilReady(account)
      try await service.engine.retryOperation(refused.id, of: account)
      try await service.waitUntilReplayed(account)
      #expect(try await service.number("select count(*) from operation") == 0)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Box") == 1)
      let there = try await service.messages(in: "Box", of: account)
      #expect(there.map(\.id) == [id])
      #expect(try there.first?.keywordList == ["$flagged"])
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }

  @Test(arguments: capabilities)
  func `a message on its way to a mailbox that is made anew keeps its id`(
    _ capabilities: String
  ) async throws {
    let dovecot = try await MailServers.own(.init(capabilities: capabilities))
    try await TestService.with { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: way.port, "alice"))
      try await service.waitUntilReady(account)
      let mailbox = try await service.addMailbox("Box", dovecot, account, "alice")
      way.goAway()
      let id = try await service.file(SampleMail.message(7), mailbox.id, account)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName(mailbox.path))
      try await other.create(MailboxName(mailbox.path))
      other.close()
      way.comeBack()
      try await service.waitUntilReplayed(account)
      try await service.waitUntilReady(account)
      try await service.engine.syncNow(account)
      try await eventually("it has a UID") {
        try await service.number("select count(*) from placement where uid is not null") == 1
      }
      #expect(try await service.messages(in: "Box", of: account).map(\.id) == [id])
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Box") == 1)
      #expect(try await service.health(of: account) == [])
      await way.stop()
    }
    await dovecot.stop()
  }
}
