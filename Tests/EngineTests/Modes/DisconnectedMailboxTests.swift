import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Mailboxes of accounts disconnected", .serialized, .timeLimit(.minutes(5)))
struct DisconnectedMailboxTests {
  @Test func `what is made of mailboxes with the server away shows at once, and is there later`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["a", "b"] { try await dovecot.deliver(letter(name), to: "alice") }
    try await dovecot.deliver(letter("k"), to: "alice", mailbox: "Kept")
    try await dovecot.deliver(letter("d"), to: "alice", mailbox: "Doomed")
    for name in ["Kept/Below", "Empty"] { try await AwayServer.make(dovecot, name) }
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let kept = try await service.mailbox("Kept", of: account)
      let below = try await service.mailbox("Kept/Below", of: account)
      let doomed = try await service.mailbox("Doomed", of: account)
      let empty = try await service.mailbox("Empty", of: account)
      let (a, b, k) = (
        try await service.message("a", of: account), try await service.message("b", of: account),
        try await service.message("k", in: "Kept", of: account)
      )
      try await AwayServer.leave(way, service, account)
      let new = try await engine.createMailbox(account, name: "Neu für Ada", parent: nil)
      let sub = try await engine.createMailbox(account, name: "Sub", parent: new.id)
      #expect(new.isPending && new.isAwaited && sub.path == "Neu für Ada/Sub")
      _ = try await engine.changeMessages([a], of: account, AwayServer.moving(to: sub))
      let renamed = try await engine.updateMailbox(
        kept.id,
        of: account,
        name: "Kept well",
        parent: nil,
        isSubscribed: false
      )
      #expect(renamed.id == kept.id && renamed.isPending && !renamed.isSubscribed)
      // One that is not there yet is renamed too, and gets a message before and after that.
      _ = try await engine.updateMailbox(
        new.id,
        of: account,
        name: "Newer",
        parent: .some(kept.id),
        isSubscribed: nil
      )
      _ = try await engine.changeMessages([b], of: account, AwayServer.moving(to: new))
      try await engine.deleteMailbox(doomed.id, of: account, isPermanent: true)
      try await engine.deleteMailbox(empty.id, of: account, isPermanent: false)
      // A name that is free by now.
      let again = try await engine.createMailbox(account, name: "Kept", parent: nil)
      let shown = [
        "Kept", "Kept well", "Kept well/Below", "Kept well/Newer", "Kept well/Newer/Sub",
      ]
      #expect(try await AwayServer.paths(service, account) == shown)
      #expect(try await service.message("a", in: "Kept well/Newer/Sub", of: account) == a)
      #expect(try await service.readings(in: "Kept well", of: account).count == 1)
      #expect(
        try await service.mailboxOperations(of: account).map(\.kind) == [
          .create, .create, .unsubscribe, .rename, .rename, .delete, .delete, .create,
        ]
      )
      // What is queued outlives the service.
      try await service.restart()
      #expect(try await AwayServer.paths(service, account) == shown)
      try await AwayServer.comeBack(way, service, account)
      let other = try await service.otherClient(dovecot, "alice")
      let listed = try await other.list().map(\.name.decoded)
      #expect(Set(listed).isSuperset(of: shown))
      #expect(Set(listed).isDisjoint(with: ["Empty", "Doomed", "Neu für Ada"]))
      #expect(try await service.mailbox("Kept well/Below", of: account).isSubscribed)
      #expect(try await uids(other, in: "Kept well/Newer/Sub").count == 1)
      #expect(try await uids(other, in: "Kept well/Newer").count == 1)
      #expect(try await uids(other, in: "Kept well").count == 1)
      other.close()
      try await eventually("every UID is known, and nothing waits") {
        let unknown = try await service.number("select count(*) from placement where uid is null")
        let pending = try await service.number("select count(*) from operation")
        return unknown == 0 && pending == 0
      }
      #expect(try await AwayServer.paths(service, account) == shown)
      for (path, id) in [
        ("Kept well", kept.id), ("Kept well/Below", below.id), ("Kept well/Newer", new.id),
        ("Kept well/Newer/Sub", sub.id), ("Kept", again.id),
      ] {
        let mailbox = try await service.mailbox(path, of: account)
        #expect(mailbox.id == id && !mailbox.isPending && mailbox.encodedName == path)
      }
      #expect(try await service.message("a", in: "Kept well/Newer/Sub", of: account) == a)
      #expect(try await service.message("b", in: "Kept well/Newer", of: account) == b)
      #expect(try await service.message("k", in: "Kept well", of: account) == k)
    }
  }

  @Test func `a name that was left free is that of a new mailbox, whatever becomes of the old`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["Old", "Old/Inner", "Above"] { try await AwayServer.make(dovecot, name) }
    try await dovecot.deliver(letter("doomed"), to: "alice", mailbox: "Old")
    try await dovecot.deliver(letter("moved"), to: "alice")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let old = try await service.mailbox("Old", of: account)
      let inner = try await service.mailbox("Old/Inner", of: account)
      let above = try await service.mailbox("Above", of: account)
      let moved = try await service.message("moved", of: account)
      try await AwayServer.leave(way, service, account)
      _ = try await engine.updateMailbox(
        old.id,
        of: account,
        name: "Sub",
        parent: .some(above.id),
        isSubscribed: nil
      )
      let new = try await engine.createMailbox(account, name: "Old", parent: nil)
      _ = try await engine.changeMessages([moved], of: account, AwayServer.moving(to: new))
      try await engine.deleteMailbox(inner.id, of: account, isPermanent: true)
      try await engine.deleteMailbox(old.id, of: account, isPermanent: true)
      try await AwayServer.comeBack(way, service, account)
      try await eventually("nothing waits") {
        try await service.number("select count(*) from operation") == 0
      }
      #expect(try await AwayServer.paths(service, account) == ["Above", "Old"])
      #expect(try await service.mailbox("Old", of: account).id == new.id)
      #expect(try await service.message("moved", in: "Old", of: account) == moved)
      let other = try await service.otherClient(dovecot, "alice")
      let listed = try await other.list().map(\.name.decoded)
      #expect(Set(listed).isDisjoint(with: ["Above/Sub", "Above/Sub/Inner", "Old/Inner"]))
      #expect(try await uids(other, in: "Old").count == 1)
      other.close()
    }
  }

  @Test func `a mailbox that messages are leaving is not deleted before they have left`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["Old", "New"] { try await AwayServer.make(dovecot, name) }
    for text in ["moved", "copied"] {
      try await dovecot.deliver(letter(text), to: "alice", mailbox: "Old")
    }
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let old = try await service.mailbox("Old", of: account)
      let new = try await service.mailbox("New", of: account)
      let moved = try await service.message("moved", in: "Old", of: account)
      try await AwayServer.leave(way, service, account)
      _ = try await engine.changeMessages([moved], of: account, AwayServer.moving(to: new))
      let error = await #expect(throws: ServiceError.self) {
        try await engine.deleteMailbox(old.id, of: account, isPermanent: true)
      }
      #expect(error?.code == .conflict)
      try await AwayServer.comeBack(way, service, account)
      try await engine.deleteMailbox(old.id, of: account, isPermanent: true)
      #expect(try await service.message("moved", in: "New", of: account) == moved)
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await uids(other, in: "New").count == 1)
      other.close()
    }
  }

  @Test func `a mailbox is not made of one that is to be deleted`() async throws {
    let dovecot = try await MailServers.own()
    try await AwayServer.make(dovecot, "Old")
    try await dovecot.deliver(letter("d"), to: "alice", mailbox: "Old")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let old = try await service.mailbox("Old", of: account)
      try await AwayServer.leave(way, service, account)
      _ = try await engine.updateMailbox(
        old.id,
        of: account,
        name: "Taken",
        parent: nil,
        isSubscribed: nil
      )
      let new = try await engine.createMailbox(account, name: "Old", parent: nil)
      try await engine.deleteMailbox(old.id, of: account, isPermanent: true)
      // The new name is another's by now, so that the old one is not free.
      try await AwayServer.make(dovecot, "Taken")
      try await AwayServer.comeBack(way, service, account)
      try await eventually("a conflict alone is left") {
        let left = try await service.mailboxOperations(of: account)
        return left.map(\.kind) == [.create] && left.map(\.state) == ["conflict"]
          && left.map(\.mailbox) == [new.id]
      }
      #expect(try await AwayServer.paths(service, account) == ["Taken"])
    }
  }

  @Test func `what others did to mailboxes meanwhile is merged, or is a conflict`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.deliver(letter("mine"), to: "alice")
    for name in ["Theirs", "Same", "Gone", "One", "Free"] {
      try await AwayServer.make(dovecot, name)
    }
    try await dovecot.deliver(letter("t"), to: "alice", mailbox: "Theirs")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      func mailbox(_ path: String) async throws -> Mailbox {
        try await service.mailbox(path, of: account)
      }
      let (theirs, same, gone, one, free) = (
        try await mailbox("Theirs"), try await mailbox("Same"), try await mailbox("Gone"),
        try await mailbox("One"), try await mailbox("Free")
      )
      try await AwayServer.leave(way, service, account)
      func rename(_ mailbox: Mailbox, _ name: String) async throws {
        _ = try await engine.updateMailbox(
          mailbox.id,
          of: account,
          name: name,
          parent: nil,
          isSubscribed: nil
        )
      }
      let both = try await engine.createMailbox(account, name: "Both", parent: nil)
      _ = try await engine.changeMessages(
        [try await service.message("mine", of: account)],
        of: account,
        AwayServer.moving(to: both)
      )
      try await rename(theirs, "Ours")
      try await rename(same, "Agreed")
      try await rename(one, "Taken")
      try await engine.deleteMailbox(gone.id, of: account, isPermanent: true)
      try await rename(free, "Freed")
      let other = try await service.otherClient(dovecot, "alice")
      try await other.rename(MailboxName("Theirs"), to: MailboxName("Elsewhere"))
      try await other.rename(MailboxName("Same"), to: MailboxName("Agreed"))
      try await other.delete(MailboxName("Gone"))
      for name in ["Both", "Taken"] { try await other.create(MailboxName(name)) }
      other.close()
      try await AwayServer.comeBack(way, service, account)
      let conflicts = try await service.mailboxOperations(of: account)
      #expect(conflicts.map(\.state) == ["conflict", "conflict"])
      #expect(conflicts.map(\.mailbox) == [theirs.id, one.id])
      #expect(conflicts.allSatisfy { $0.kind == .rename && $0.lastError?.isEmpty == false })
      #expect(
        try await AwayServer.paths(service, account) == [
          "Agreed", "Both", "Elsewhere", "Freed", "One", "Taken",
        ]
      )
      #expect(try await mailbox("Elsewhere").id == theirs.id)
      #expect(try await mailbox("Agreed").id == same.id)
      #expect(try await mailbox("Both").id == both.id)
      #expect(try await service.messages(in: "Both", of: account).count == 1)
      #expect(try await service.messages(in: "Elsewhere", of: account).count == 1)
      try await engine.retryOperation(conflicts[0].id, of: account)
      try await engine.discardOperation(conflicts[1].id, of: account)
      try await service.waitUntilReplayed(account)
      #expect(try await service.mailboxOperations(of: account).isEmpty)
      try await eventually("the new name is the server's") {
        try await mailbox("Ours").encodedName == "Ours"
      }
      #expect(try await mailbox("Ours").id == theirs.id)
      #expect(try await mailbox("One").id == one.id)
    }
  }

  @Test func `a mailbox that got mail since is not deleted, and comes back as it was`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["a", "b"] { try await dovecot.deliver(letter(name), to: "alice", mailbox: "Box") }
    try await AwayServer.make(dovecot, "Hollow")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let box = try await service.mailbox("Box", of: account)
      let hollow = try await service.mailbox("Hollow", of: account)
      let ids = try await service.messages(in: "Box", of: account).map(\.id)
      try await AwayServer.leave(way, service, account)
      await #expect(throws: ServiceError.self) {
        try await engine.deleteMailbox(box.id, of: account, isPermanent: false)
      }
      try await engine.deleteMailbox(box.id, of: account, isPermanent: true)
      try await engine.deleteMailbox(hollow.id, of: account, isPermanent: false)
      #expect(try await AwayServer.paths(service, account) == [])
      try await dovecot.deliver(letter("c"), to: "alice", mailbox: "Box")
      try await dovecot.deliver(letter("d"), to: "alice", mailbox: "Hollow")
      try await AwayServer.comeBack(way, service, account)
      let conflicts = try await service.mailboxOperations(of: account)
      #expect(conflicts.map(\.mailbox) == [box.id, hollow.id])
      #expect(conflicts.allSatisfy { $0.kind == .delete && $0.state == "conflict" })
      try await eventually("the messages are back") {
        try await service.messages(in: "Box", of: account).count == 3
      }
      #expect(try await service.mailbox("Box", of: account).id == box.id)
      #expect(try await service.mailbox("Hollow", of: account).id == hollow.id)
      #expect(
        try await service.messages(in: "Box", of: account).map(\.id).filter(ids.contains) == ids
      )
      try await service.waitUntilCopied(account)
      try await engine.retryOperation(conflicts[0].id, of: account)
      try await engine.discardOperation(conflicts[1].id, of: account)
      try await service.waitUntilReplayed(account)
      #expect(try await service.mailboxOperations(of: account).isEmpty)
      #expect(try await AwayServer.paths(service, account) == ["Hollow"])
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await !other.list().contains { $0.name.decoded == "Box" })
      other.close()
    }
  }

  @Test func `a mailbox that the server will not make is taken back, and loses nothing`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await dovecot.deliver(letter("moved"), to: "alice")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let moved = try await service.message("moved", of: account)
      try await AwayServer.leave(way, service, account)
      // Each level may be as long as that, but no name of a file as long as two.
      let long = String(repeating: "x", count: 200)
      let outer = try await engine.createMailbox(account, name: long, parent: nil)
      let inner = try await engine.createMailbox(account, name: long, parent: outer.id)
      _ = try await engine.changeMessages([moved], of: account, AwayServer.moving(to: inner))
      let draft = try await engine.importMessage(
        letter("draft"),
        into: inner.id,
        of: account,
        keywords: ["$draft"],
        receivedAt: nil
      )
      try await AwayServer.comeBack(way, service, account)
      let refused = try await service.mailboxOperations(of: account)
      #expect(refused.map(\.mailbox) == [inner.id] && refused.first?.state == "refused")
      #expect(try await service.messages(of: account).map(\.id) == [moved])
      // What was nowhere else stays, in a mailbox that is kept here.
      let left = try #require(try await service.store.mailbox(inner.id, of: account))
      #expect(left.isLocal && !left.isPending && left.totalMessages == 1)
      let raw = try await engine.openRaw(draft, of: account).collect(upTo: 1000)
      #expect(raw.bytes == letter("draft"))
      _ = try await engine.updateMailbox(
        inner.id,
        of: account,
        name: "Here",
        parent: .some(nil),
        isSubscribed: nil
      )
      await #expect { try await engine.retryOperation(refused[0].id, of: account) } throws: {
        ($0 as? ServiceError)?.code == .conflict
      }
    }
  }

  @Test func `a message deleted here that another client moved keeps its id, as a conflict`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["moved", "gone", "again"] {
      try await dovecot.deliver(letter(name), to: "alice")
    }
    try await AwayServer.make(dovecot, "Theirs")
    try await AwayServer.withAccount(dovecot) { service, account, way in
      let engine = try service.engine
      let (moved, gone, again) = (
        try await service.message("moved", of: account),
        try await service.message("gone", of: account),
        try await service.message("again", of: account)
      )
      try await AwayServer.leave(way, service, account)
      _ = try await engine.deleteMessages([moved, gone, again], of: account, isPermanent: true)
      #expect(try await service.messages(of: account).isEmpty)
      let other = try await service.otherClient(dovecot, "alice")
      for subject in ["moved", "again"] {
        let place = try #require(await uid(other, subject))
        _ = try await other.move(UIDSet([place]), to: MailboxName("Theirs"))
      }
      let place = try #require(await uid(other, "gone"))
      try await other.store(UIDSet([place]), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet([place]))
      try await AwayServer.comeBack(way, service, account)
      try await eventually("what was moved is there") {
        try await service.messages(in: "Theirs", of: account).count == 2
      }
      #expect(try await service.message("moved", in: "Theirs", of: account) == moved)
      #expect(try await service.message("again", in: "Theirs", of: account) == again)
      let conflicts = try await service.operations(of: account)
      #expect(Set(conflicts.map(\.message)) == [moved, again])
      #expect(conflicts.allSatisfy { $0.kind == "delete" && $0.state == "conflict" })
      for conflict in conflicts {
        if conflict.message == again {
          try await engine.retryOperation(conflict.id, of: account)
        } else {
          try await engine.discardOperation(conflict.id, of: account)
        }
      }
      try await service.waitUntilReplayed(account)
      #expect(try await service.operations(of: account).isEmpty)
      #expect(try await service.messages(in: "Theirs", of: account).map(\.id) == [moved])
      #expect(try await uids(other, in: "Theirs").count == 1)
      other.close()
    }
  }
}
