import Model
import Postgres
import Store
import Testing

@Suite("Intents", .timeLimit(.minutes(6))) struct IntentTests {
  private func patch(
    add: [String] = [],
    remove: [String] = [],
    to mailbox: Mailbox? = nil
  ) -> MessagePatch {
    var patch = MessagePatch()
    patch.addKeywords = add
    patch.removeKeywords = remove
    patch.mailboxes = mailbox.map { [$0.id] }
    return patch
  }

  @Test func `keywords show at once, and come back as they were where the server refuses`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1, ["work"])])
      let id = try #require(try await fixture.ids()[1])
      let missing = try await store.changeMessages(
        [id, ID(1)],
        of: account,
        patch(add: ["$seen"], remove: ["work"])
      )
      #expect(missing == [ID(1)])
      #expect(try await fixture.keywords(of: id) == ["$seen"])
      #expect(try await store.message(id, of: account).row(0).isPending)
      #expect(try await fixture.counters() == [1, 0])
      let operation = try #require(
        try await store.dueOperations(of: account, limit: 9).messages.first
      )
      #expect(operation.kind == "keywords" && operation.uid == 1)
      #expect(operation.addKeywords == ["$seen"] && operation.removeKeywords == ["work"])
      try await store.refuseOperation(operation, reason: "[NOPERM] no", of: account)
      #expect(try await fixture.keywords(of: id) == ["work"])
      #expect(try await fixture.counters() == [1, 1])
      let refused = try #require(try await store.operation(operation.id, of: account)?.message)
      #expect(refused.state == "refused" && refused.lastError == "[NOPERM] no")
      #expect(try await !store.message(id, of: account).row(0).isPending)
      #expect(try await store.forgetOperation(refused.id, of: account))
      #expect(try await !store.forgetOperation(refused.id, of: account))
    }
  }

  @Test func `a move keeps the id and takes the UID that the server tells`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1)])
      let id = try #require(try await fixture.ids()[1])
      _ = try await store.changeMessages([id], of: account, patch(to: fixture.archive))
      #expect(try await fixture.counters() == [0, 0])
      #expect(try await fixture.counters(fixture.archive) == [1, 1])
      let moves = try await store.dueOperations(of: account, limit: 9).messages
      #expect(moves.map(\.kind) == ["move"])
      // While the move is under way the server still shows it where it was: nothing comes back.
      try await fixture.merge([StoreFixture.mail(1)])
      #expect(try await fixture.ids().isEmpty)
      try await store.completeOperations(moves, uids: [id: 77], of: account)
      #expect(try await fixture.ids(in: fixture.archive) == [77: id])
      #expect(try await store.location(of: id, in: account)?.uid == 77)
    }
  }

  @Test func `a sync that comes before the move's answer makes no second message`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1, identity: "a")])
      let id = try #require(try await fixture.ids()[1])
      _ = try await store.changeMessages([id], of: account, patch(to: fixture.archive))
      try await fixture.merge([StoreFixture.mail(5, identity: "a")], into: fixture.archive)
      let moves = try await store.dueOperations(of: account, limit: 9).messages
      try await store.completeOperations(moves, uids: [id: 5], of: account)
      #expect(try await fixture.ids(in: fixture.archive) == [5: id])
      #expect(try await fixture.counters(fixture.archive) == [1, 1])
    }
  }

  @Test func `a refused move puts the message back under its UID`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1, ["$flagged", "$seen"])])
      let id = try #require(try await fixture.ids()[1])
      _ = try await store.changeMessages([id], of: account, patch(to: fixture.archive))
      let move = try #require(try await store.dueOperations(of: account, limit: 9).messages.first)
      try await store.refuseOperation(move, reason: "[OVERQUOTA] full", of: account)
      #expect(try await fixture.ids() == [1: id])
      #expect(try await fixture.ids(in: fixture.archive).isEmpty)
      #expect(try await fixture.keywords(of: id) == ["$flagged", "$seen"])
      #expect(try await fixture.counters() == [1, 0])
      #expect(try await fixture.counters(fixture.archive) == [0, 0])
    }
  }

  @Test func `what moves from where it never came is not left there`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1)])
      let id = try #require(try await fixture.ids()[1])
      _ = try await store.changeMessages([id], of: account, patch(to: fixture.archive))
      _ = try await store.changeMessages([id], of: account, patch(to: fixture.trash))
      for move in try await store.dueOperations(of: account, limit: 9).messages {
        try await store.refuseOperation(move, reason: "no", of: account)
      }
      #expect(try await fixture.ids() == [1: id])
      // A pass over the mailbox does not find it.
      try await store.holdUnmatched(from: fixture.archive)
      try await fixture.removeHeld()
      #expect(try await fixture.ids(in: fixture.archive).isEmpty)
      #expect(try await fixture.ids(in: fixture.trash).isEmpty)
    }
  }

  @Test func `a deleted message is gone at once, and back where the server refuses`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1), StoreFixture.mail(2)])
      let ids = try await fixture.ids()
      let (first, second) = (try #require(ids[1]), try #require(ids[2]))
      #expect(try await store.destroyMessages([first, second], of: account).isEmpty)
      #expect(try await fixture.counters() == [0, 0])
      #expect(try await store.message(first, of: account).count == 0)
      let deletes = try await store.dueOperations(of: account, limit: 9).messages
      #expect(deletes.map(\.kind) == ["delete", "delete"])
      try await store.completeOperations([deletes[0]], uids: [:], of: account)
      try await store.refuseOperation(deletes[1], reason: "no", of: account)
      #expect(try await fixture.ids() == [2: second])
      #expect(try await fixture.counters() == [1, 1])
      #expect(try await fixture.pool.query("select count(*) from message").int64(0, 0) == 1)
    }
  }

  @Test func `a patch with another version changes nothing`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([StoreFixture.mail(1)])
      let id = try #require(try await fixture.ids()[1])
      let code = await errorCode {
        _ = try await fixture.store.changeMessages(
          [id],
          of: fixture.account,
          patch(add: ["$seen"]),
          ifVersion: 99
        )
      }
      #expect(code == .preconditionFailed)
      #expect(try await fixture.keywords(of: id) == [])
    }
  }

  @Test func `an unknown mailbox, or none, is refused and nothing changes`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([StoreFixture.mail(1)])
      let id = try #require(try await fixture.ids()[1])
      var unknown = patch(add: ["$seen"])
      unknown.addMailboxes = [ID(4711)]
      var none = patch(add: ["$seen"])
      none.removeMailboxes = [fixture.inbox.id]
      for wrong in [unknown, none] {
        let code = await errorCode {
          _ = try await fixture.store.changeMessages([id], of: fixture.account, wrong)
        }
        #expect(code == .unprocessable)
      }
      #expect(try await fixture.keywords(of: id) == [])
      #expect(try await fixture.store.dueOperations(of: fixture.account, limit: 9).messages.isEmpty)
    }
  }

  @Test func `an import is shown at once and matched to what the server then has`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let raw = [UInt8]("Subject: hello\r\n\r\nHello.\r\n".utf8)
      let id = try await fixture.keep(
        StoreFixture.mail(nil, ["$seen"], identity: "imported"),
        raw: raw,
        into: fixture.archive.id
      )
      #expect(try await fixture.counters(fixture.archive) == [1, 0])
      let append = try #require(try await store.dueOperations(of: account, limit: 9).messages.first)
      #expect(append.kind == "append" && append.message == id)
      let blob = try #require(append.blob)
      #expect(try await store.blob(blob, of: account) == raw)
      try await store.completeOperations([append], uids: [:], of: account)
      try await fixture.merge(
        [StoreFixture.mail(3, ["$seen"], identity: "imported")],
        into: fixture.archive
      )
      #expect(try await fixture.ids(in: fixture.archive) == [3: id])
    }
  }

  @Test func `a refusal takes back what its own intent changed, and no more`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1, ["old"])])
      let id = try #require(try await fixture.ids()[1])
      for change in [
        patch(add: ["$flagged", "both"], remove: ["old"]), patch(add: ["work"]),
        patch(remove: ["both"]),
      ] {
        _ = try await store.changeMessages([id], of: account, change)
      }
      #expect(try await fixture.keywords(of: id) == ["$flagged", "work"])
      let first = try #require(try await store.dueOperations(of: account, limit: 9).messages.first)
      try await store.refuseOperation(first, reason: "no", of: account)
      #expect(try await fixture.keywords(of: id) == ["old", "work"])
    }
  }

  @Test func `what was fetched of a mailbox that was removed meanwhile is not stored`() async throws
  {
    try await StoreFixture.with { fixture in
      let (store, account, archive) = (fixture.store, fixture.account, fixture.archive)
      _ = try await store.changeMailboxes(of: account) { _ in
        [.delete(archive, isPermanent: true)]
      }
      try await fixture.merge([StoreFixture.mail(1)], into: archive)
      let left = try await fixture.pool.query(
        "select (select count(*) from placement) + (select count(*) from message)"
      )
      #expect(try left.int64(0, 0) == 0)
    }
  }

  @Test(arguments: [true, false])
  func `a message that vanished while an intent is under way goes when that is answered`(
    _ isDone: Bool
  ) async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1), StoreFixture.mail(2)])
      let ids = try await fixture.ids()
      let (alone, copied) = (try #require(ids[1]), try #require(ids[2]))
      let copy = StoreFixture.mail(9, identity: "message 2")
      try await store.merge(
        [copy],
        into: fixture.archive,
        progress: MailboxProgress(),
        matching: .copies
      )
      let copyID = try #require(try await fixture.ids(in: fixture.archive)[9])
      _ = try await store.changeMessages([alone, copied], of: account, patch(add: ["$seen"]))
      try await store.holdVanished([1, 2], from: fixture.inbox)
      try await fixture.removeHeld()
      #expect(try await fixture.pool.query("select count(*) from placement").int64(0, 0) == 3)
      let start = try await store.feedState(of: account)
      let due = try await store.dueOperations(of: account, limit: 9).messages
      if isDone {
        try await store.completeOperations(due, uids: [:], of: account)
      } else {
        for intent in due { try await store.refuseOperation(intent, reason: "gone", of: account) }
      }
      try await fixture.removeHeld()
      let changes = try await store.changes(of: account, since: start, limit: 9)
      // The copy takes over the id by which a caller knows the message.
      #expect(changes.messages.destroyed == [alone.rawValue, copyID.rawValue].sorted())
      #expect(try await fixture.ids(in: fixture.archive) == [9: copied])
      #expect(try await fixture.ids().isEmpty)
    }
  }
}
