import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Mailboxes that wait for their server", .serialized, .timeLimit(.minutes(5)))
struct WaitingMailboxTests {
  @Test func `a mailbox of the same name that others made anew is not deleted`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.deliver(letter("old"), to: "alice", mailbox: "Box")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let box = try await service.mailbox("Box", of: account)
      try await AwayServer.leave(way, service, account)
      try await service.engine.deleteMailbox(box.id, of: account, isPermanent: true)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName("Box"))
      try await dovecot.deliver(letter("new"), to: "alice", mailbox: "Box")
      try await AwayServer.comeBack(way, service, account)
      #expect(try await service.mailboxOperations(of: account).map(\.state) == ["conflict"])
      try await eventually("the new message is here") {
        try await service.messages(in: "Box", of: account).compactMap(\.subjectText) == ["new"]
      }
      other.close()
    }
  }

  @Test func `what was moved to a mailbox here is no new mail there`() async throws {
    let dovecot = try await MailServers.own()
    for name in ["a", "b"] { try await dovecot.deliver(letter(name), to: "alice") }
    try await AwayServer.make(dovecot, "Box")
    try await AwayServer.withAccount(dovecot) { service, account, _ in
      let box = try await service.mailbox("Box", of: account)
      for name in ["a", "b"] {
        _ = try await service.engine.changeMessages(
          [try await service.message(name, of: account)],
          of: account,
          AwayServer.moving(to: box)
        )
      }
      try await service.waitUntilReplayed(account)
      try await service.engine.deleteMailbox(box.id, of: account, isPermanent: true)
      try await service.waitUntilReplayed(account)
      #expect(try await service.mailboxOperations(of: account).isEmpty)
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await !other.list().contains { $0.name.decoded == "Box" })
      other.close()
    }
  }

  @Test func `what was made with the answer lost, and is to be gone by then, is no new mailbox`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await AwayServer.make(dovecot, "Old")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let old = try await service.mailbox("Old", of: account)
      try await AwayServer.leave(way, service, account)
      let lost = try await engine.createMailbox(account, name: "Lost", parent: nil)
      _ = try await engine.updateMailbox(
        old.id,
        of: account,
        name: "New",
        parent: nil,
        isSubscribed: nil
      )
      // As if both had been sent, and the connection broken before the answers.
      let other = try await service.otherClient(dovecot, "alice")
      try await other.create(MailboxName("Lost"))
      try await other.rename(MailboxName("Old"), to: MailboxName("New"))
      _ = try await service.query("update operation set attempts = 1")
      for id in [lost.id, old.id] {
        try await engine.deleteMailbox(id, of: account, isPermanent: true)
      }
      try await AwayServer.comeBack(way, service, account)
      #expect(try await AwayServer.paths(service, account) == [])
      let listed = try await other.list().map(\.name.decoded)
      #expect(Set(listed).isDisjoint(with: ["Lost", "Old", "New"]))
      other.close()
    }
  }

  @Test func `what is below a mailbox that gets another name is deleted under that`() async throws {
    let dovecot = try await MailServers.own()
    for name in ["Old", "Old/Below"] { try await AwayServer.make(dovecot, name) }
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let old = try await service.mailbox("Old", of: account)
      let below = try await service.mailbox("Old/Below", of: account)
      try await AwayServer.leave(way, service, account)
      _ = try await service.engine.updateMailbox(
        old.id,
        of: account,
        name: "New",
        parent: nil,
        isSubscribed: nil
      )
      try await service.engine.deleteMailbox(below.id, of: account, isPermanent: true)
      try await AwayServer.comeBack(way, service, account)
      #expect(try await AwayServer.paths(service, account) == ["New"])
    }
  }

  @Test func `what waits for the server can be taken back`() async throws {
    let dovecot = try await MailServers.own()
    for name in ["flagged", "moved", "destroyed"] {
      try await dovecot.deliver(letter(name), to: "alice")
    }
    for name in ["Renamed", "Deleted"] {
      try await AwayServer.make(dovecot, name)
      try await dovecot.deliver(letter("in \(name)"), to: "alice", mailbox: name)
    }
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      func shown() async throws -> [String] {
        var lines: [String] = []
        for path in ["INBOX"] + (try await AwayServer.paths(service, account)) {
          for message in try await service.messages(in: path, of: account) {
            let keywords = try message.keywordList
            lines.append("\(path) \(message.id) \(message.subjectText ?? "") \(keywords)")
          }
        }
        return lines.sorted()
      }
      let before = try await shown()
      try await AwayServer.leave(way, service, account)
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      let ids = try await service.messages(of: account).map { ($0.subjectText, $0.id) }
      func id(_ name: String) throws -> ID<Message> {
        try #require(ids.first { $0.0 == name }).1
      }
      let deleted = try await service.mailbox("Deleted", of: account)
      let renamed = try await service.mailbox("Renamed", of: account)
      _ = try await engine.changeMessages([id("flagged")], of: account, patch)
      let made = try await engine.createMailbox(account, name: "Made", parent: nil)
      _ = try await engine.changeMessages([id("moved")], of: account, AwayServer.moving(to: made))
      _ = try await engine.deleteMessages([id("destroyed")], of: account, isPermanent: true)
      _ = try await engine.updateMailbox(
        renamed.id,
        of: account,
        name: "Other",
        parent: nil,
        isSubscribed: nil
      )
      try await engine.deleteMailbox(deleted.id, of: account, isPermanent: true)
      #expect(try await shown() != before)
      for operation in try await service.store.operations(of: account, limit: 100).reversed() {
        #expect(operation.state == "pending")
        try await engine.discardOperation(operation.id, of: account)
      }
      #expect(try await service.store.operations(of: account, limit: 1).isEmpty)
      #expect(try await AwayServer.paths(service, account) == ["Deleted", "Renamed"])
      #expect(try await service.mailbox("Deleted", of: account).id == deleted.id)
      try await AwayServer.comeBack(way, service, account)
      try await eventually("all is as it was") { try await shown() == before }
      #expect(try await dovecot.messageCount(user: "alice") == 3)
    }
  }

  @Test func `what the server may have been told is not taken back`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.deliver(letter("destroyed"), to: "alice")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let message = try await service.message("destroyed", of: account)
      try await AwayServer.leave(way, service, account)
      _ = try await service.engine.deleteMessages([message], of: account, isPermanent: true)
      _ = try await service.query("update operation set attempts = 1")
      let operation = try #require(try await service.operations(of: account).first)
      await #expect {
        try await service.engine.discardOperation(operation.id, of: account)
      } throws: {
        ($0 as? ServiceError)?.code == .conflict
      }
      try await AwayServer.comeBack(way, service, account)
      #expect(try await dovecot.messageCount(user: "alice") == 0)
    }
  }

  @Test func `a name is not taken before the one who has it gave it up`() async throws {
    let dovecot = try await MailServers.own()
    try await AwayServer.make(dovecot, "Box")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let box = try await service.mailbox("Box", of: account)
      try await AwayServer.leave(way, service, account)
      try await service.engine.deleteMailbox(box.id, of: account, isPermanent: true)
      let again = try await service.engine.createMailbox(account, name: "Box", parent: nil)
      let free = try await service.engine.createMailbox(account, name: "Free", parent: nil)
      func next(except waiting: [ID<Mailbox>]) async throws -> ID<Mailbox>? {
        try await service.store.dueOperations(of: account, except: ([], waiting), limit: 9)
          .mailbox?.mailbox
      }
      #expect(try await next(except: []) == box.id)
      #expect(try await next(except: [box.id]) == free.id)
      try await AwayServer.comeBack(way, service, account)
      #expect(try await AwayServer.paths(service, account) == ["Box", "Free"])
      #expect(try await service.mailbox("Box", of: account).id == again.id)
    }
  }
}
