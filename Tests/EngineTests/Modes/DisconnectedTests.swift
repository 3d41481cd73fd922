import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("IMAP accounts disconnected", .serialized, .timeLimit(.minutes(5)))
struct DisconnectedTests {
  private func moving(to mailbox: Mailbox) -> MessagePatch {
    var patch = MessagePatch()
    patch.mailboxes = [mailbox.id]
    return patch
  }

  private func adding(_ keywords: String...) -> MessagePatch {
    var patch = MessagePatch()
    patch.addKeywords = keywords
    return patch
  }

  @Test func `with the server away every read is what the server had`() async throws {
    let dovecot = try await MailServers.own()
    let mail =
      (0..<30).map { SampleMail.message($0) } + SampleMail.broken.map(\.bytes)
      + [SampleMail.withAttachment(ofSize: 700_000)]
    try await dovecot.fill(user: "alice", with: mail)
    try await dovecot.deliver(letter("elsewhere"), to: "alice", mailbox: "Kept")
    var options = TestService.Options()
    options.engine.copyBatch = 7
    options.engine.copyBatchBytes = 100_000
    try await TestService.with(options) { service in
      let account = try await service.addCopiedAccount(TestService.imap(dovecot, "alice"))
      let copy = try service.engine.connection(of: account).copy
      #expect(copy?.kept == Int64(mail.count + 1) && copy?.total == copy?.kept)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.examine(.inbox)
      var served: [[UInt8]] = []
      for uid in try await other.search(.all).uids {
        served.append(try await other.fetchBytes(uid, .message, upTo: 1 << 20))
      }
      other.close()
      await dovecot.stop()
      let readings = try await service.readings(of: account)
      #expect(readings.map(\.raw).reversed() == served && served.count == mail.count)
      #expect(readings.allSatisfy { $0.length == $0.raw.count })
      #expect(readings.filter { !$0.header.isEmpty }.count >= 30)
      #expect(Set(readings.map(\.parts.count)).isSuperset(of: [1, 2]))
      let large = try #require(readings.last { $0.raw.count > 700_000 })
      #expect(large.parts[1].count == 700_000)
      #expect(readings.contains { $0.texts.contains { $0.contains("Schöne Grüße 🌿") } })
      #expect(
        try await service.readings(in: "Kept", of: account).map(\.raw) == [letter("elsewhere")]
      )
      for term in ["body:x", "header:Message-ID=elsewhere@"] {
        let found = try await service.find("in:Kept \(term)", account)
        #expect(found.subjects == ["elsewhere"] && !found.isPartial, "\(term)")
      }
    }
  }

  @Test func `a copy that was broken off goes on, and what comes later is copied too`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 60)
    var options = TestService.Options()
    options.engine.copyBatch = 1
    try await TestService.with(options) { service in
      let account = try await service.addAccount(
        TestService.imap(dovecot, "alice"),
        mode: .disconnected
      )
      try await eventually("some are copied") {
        try await service.store.copyProgress(of: account).kept > 3
      }
      try await service.kill()
      try await service.waitUntilCopied(account)
      #expect(try await service.number("select count(*) from blob") == 60)
      #expect(
        try await service.number(
          "select kept_bytes - (select sum(size)::bigint from blob) from account"
        )
          == 0
      )
      try await dovecot.deliver(letter("late"), to: "alice")
      try await eventually("what came is copied") {
        let progress = try await service.store.copyProgress(of: account)
        return progress.isWhole && progress.total == 61
      }
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `only where the mode says so is all copied, and it may be changed`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 5)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let ids = try await service.messages(of: account).map(\.id)
      #expect(try service.engine.connection(of: account).copy == nil)
      #expect(try await service.store.copyProgress(of: account).kept == 0)
      var patch = AccountPatch()
      patch.mode = .disconnected
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await service.waitUntilCopied(account)
      #expect(try await service.messages(of: account).map(\.id) == ids)
      patch.mode = .online
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await service.waitUntilReady(account)
      #expect(try service.engine.connection(of: account).copy == nil)
      #expect(try await service.readings(of: account).count == 5)
    }
  }

  @Test
  func `what is changed while the server is stopped shows at once and is there when it is back`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["a", "b", "c", "d"] { try await dovecot.deliver(letter(name), to: "alice") }
    try await dovecot.deliver(letter("e"), to: "alice", mailbox: "Kept")
    try await TestService.with { service in
      let account = try await service.addCopiedAccount(TestService.imap(dovecot, "alice"))
      let engine = try service.engine
      let kept = try await service.mailbox("Kept", of: account)
      let (a, b) = (
        try await service.message("a", of: account), try await service.message("b", of: account)
      )
      let (c, d) = (
        try await service.message("c", of: account), try await service.message("d", of: account)
      )
      await dovecot.stop()
      try await service.waitUntil(.unreachable, account)
      _ = try await engine.changeMessages([a, b], of: account, adding("$flagged", "work"))
      _ = try await engine.changeMessages([b], of: account, moving(to: kept))
      // In their order: it is in Kept by then.
      _ = try await engine.changeMessages([b], of: account, adding("later"))
      var copying = MessagePatch()
      copying.addMailboxes = [kept.id]
      _ = try await engine.changeMessages([c], of: account, copying)
      _ = try await engine.deleteMessages([d], of: account, isPermanent: true)
      let shown = try await service.messages(in: "Kept", of: account)
      #expect(Set(shown.compactMap(\.subjectText)) == ["b", "c", "e"])
      #expect(shown.first { $0.id == b }?.isPending == true)
      #expect(try await service.messages(of: account).map(\.id).sorted() == [a, c].sorted())
      #expect(try await service.readings(in: "Kept", of: account).count == 3)
      #expect(try await service.operations(of: account).count == 6)
      // What is queued outlives the service.
      try await service.restart()
      try await dovecot.start()
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await uids(other, in: "INBOX") == [1, 3])
      #expect(try await uids(other, in: "INBOX", .flag(.flagged)) == [1])
      #expect(try await uids(other, in: "Kept").count == 3)
      let later = try #require(Flag("later"))
      #expect(
        try await uids(other, in: "Kept", .flag(later)) == [
          try #require(await uid(other, "b", in: "Kept")?.value)
        ]
      )
      try await eventually("every UID is known") {
        try await service.number("select count(*) from placement where uid is null") == 0
      }
      #expect(try await service.message("b", in: "Kept", of: account) == b)
      #expect(try await service.operations(of: account).isEmpty)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test func `what another client did meanwhile is merged as intents, not states`() async throws {
    let dovecot = try await MailServers.own()
    for name in ["keywords", "moved", "theirs", "both"] {
      try await dovecot.deliver(letter(name), to: "alice")
    }
    for box in ["Ours", "Theirs"] {
      try await dovecot.doveadm([
        "mailbox", "create", "-s", "-u", dovecot.address(of: "alice"), box,
      ])
    }
    try await TestService.with { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addCopiedAccount(TestService.imap(port: way.port))
      let engine = try service.engine
      let ours = try await service.mailbox("Ours", of: account)
      let ids = Dictionary(
        uniqueKeysWithValues: try await service.messages(of: account).map {
          ($0.subjectText ?? "", $0.id)
        }
      )
      let keywords = try #require(ids["keywords"])
      let moved = try #require(ids["moved"])
      let both = try #require(ids["both"])
      way.goAway()
      try await service.waitUntil(.unreachable, account)
      _ = try await engine.changeMessages([keywords], of: account, adding("$flagged", "ours"))
      _ = try await engine.changeMessages([moved, both], of: account, moving(to: ours))
      _ = try await engine.changeMessages([both], of: account, adding("ours"))
      let other = try await service.otherClient(dovecot, "alice")
      let place = try #require(await uid(other, "keywords"))
      try await other.store(
        UIDSet([place]),
        .add,
        [.answered, .seen, try #require(Flag("theirs"))]
      )
      for subject in ["moved", "theirs"] {
        let place = try #require(await uid(other, subject))
        _ = try await other.move(UIDSet([place]), to: MailboxName("Theirs"))
      }
      let last = try #require(await uid(other, "both"))
      try await other.store(UIDSet([last]), .add, [.answered])
      way.comeBack()
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("all is where the server has it") {
        let subjects = try await service.messages(in: "Theirs", of: account).compactMap(
          \.subjectText
        )
        return Set(subjects) == ["moved", "theirs"]
      }
      // The keywords of both, one by one.
      let merged = try await service.messages(of: account)
      let all = ["$answered", "$flagged", "$seen", "ours", "theirs"]
      #expect(try merged.map { try $0.keywordList } == [all])
      #expect(merged.map(\.id) == [keywords])
      try await other.select(.inbox)
      let told = try await other.fetchFlags(UIDSet([place])).first?.flags ?? []
      #expect(KeywordMap.keywords(of: told) == all)
      // A move whose source is gone leaves the message where it is, under its id.
      #expect(try await service.message("moved", in: "Theirs", of: account) == moved)
      #expect(try await service.message("theirs", in: "Theirs", of: account) == ids["theirs"])
      let held = try await service.messages(in: "Ours", of: account)
      #expect(held.map(\.id) == [both])
      try await eventually("both kinds of keywords are there") {
        try await service.messages(in: "Ours", of: account).first?.keywordList == [
          "$answered", "ours",
        ]
      }
      #expect(try await service.operations(of: account).isEmpty)
      #expect(try await service.health(of: account) == [])
      other.close()
      await way.stop()
    }
    await dovecot.stop()
  }

  @Test
  func `a message that changed meanwhile is not deleted: the conflict is tried again or discarded`()
    async throws
  {
    let dovecot = try await MailServers.own()
    for name in ["same", "again", "discarded", "gone"] {
      try await dovecot.deliver(letter(name), to: "alice")
    }
    try await TestService.with { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addCopiedAccount(TestService.imap(port: way.port))
      let engine = try service.engine
      let ids = Dictionary(
        uniqueKeysWithValues: try await service.messages(of: account).map {
          ($0.subjectText ?? "", $0.id)
        }
      )
      way.goAway()
      try await service.waitUntil(.unreachable, account)
      // What is changed here before it is deleted is no change of somebody else.
      let same = try #require(ids["same"])
      _ = try await engine.changeMessages([same], of: account, adding("$seen"))
      _ = try await engine.deleteMessages(Array(ids.values), of: account, isPermanent: true)
      #expect(try await service.messages(of: account).isEmpty)
      let other = try await service.otherClient(dovecot, "alice")
      for subject in ["again", "discarded"] {
        let place = try #require(await uid(other, subject))
        try await other.store(UIDSet([place]), .add, [.flagged])
      }
      let gone = try #require(await uid(other, "gone"))
      try await other.store(UIDSet([gone]), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet([gone]))
      way.comeBack()
      try await service.waitUntilReplayed(account)
      let left = try await service.messages(of: account)
      #expect(Set(left.map(\.id)) == [ids["again"], ids["discarded"]])
      #expect(try left.allSatisfy { try $0.keywordList == ["$flagged"] && !$0.isPending })
      let conflicts = try await service.operations(of: account)
      #expect(conflicts.allSatisfy { $0.state == "conflict" && $0.kind == "delete" })
      #expect(conflicts.allSatisfy { $0.serverKeywords == ["$flagged"] })
      #expect(conflicts.count == 2)
      #expect(try await uids(other, in: "INBOX").count == 2)
      for conflict in conflicts {
        if conflict.message == ids["again"] {
          try await engine.retryOperation(conflict.id, of: account)
        } else {
          try await engine.discardOperation(conflict.id, of: account)
        }
      }
      try await service.waitUntilReplayed(account)
      #expect(try await service.operations(of: account).isEmpty)
      #expect(try await service.messages(of: account).map(\.id) == [ids["discarded"]])
      #expect(try await uids(other, in: "INBOX").count == 1)
      #expect(try await service.health(of: account) == [])
      other.close()
      await way.stop()
    }
    await dovecot.stop()
  }
}
