import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("IMAP resynchronisation")
struct IMAPResyncTests {
  private static let condStore = "IMAP4rev1 LITERAL+ ENABLE UIDPLUS CONDSTORE ESEARCH"

  @Test(arguments: [nil, condStore, "IMAP4rev1 UIDPLUS"])
  func `what changed and what vanished is found, whatever the server can`(
    capabilities: String?
  ) async throws {
    var options = DovecotServer.Options()
    options.capabilities = capabilities
    let server = try await DovecotServer.start(users: ["alice"], options: options)
    try await server.fill(user: "alice", count: 20)
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.login(server, "alice")
      let known = try await client.select(.inbox)
      let validity = try #require(known.uidValidity)
      try await client.store(UIDSet([2, 3, 5]), .add, [.deleted])
      try await client.expunge(UIDSet([2, 3, 5]))
      try await client.store(UIDSet([7]), .add, [.flagged])
      try await client.append(Array("Subject: new\r\n\r\n".utf8), to: .inbox)
      try await client.logout()

      let uids = UIDSet(UID(1)...UID(20))
      var point = ResyncPoint(
        uidValidity: validity,
        modSeq: known.highestModSeq ?? ModSeq(0),
        uids: uids,
        matches: SequenceMatch(of: uids)
      )
      let again = try await fixture.login(server, "alice")
      let found = try await again.select(.inbox, since: point)
      #expect(found.vanished == UIDSet([2, 3, 5]))
      #expect(found.mailbox.exists == 18 && found.mailbox.uidNext == 22)
      #expect(found.changed.first { $0.uid == 7 }?.flags?.contains(.flagged) == true)
      switch capabilities {
      case nil: #expect(found.means == .qresync && found.changed.map(\.uid) == [7])
      case Self.condStore: #expect(found.means == .condStore && found.changed.map(\.uid) == [7])
      default: #expect(found.means == .allFlags && found.changed.count == 17)
      }
      point.uidValidity = UIDValidity(validity.value &+ 1)
      let other = try await again.select(.inbox, since: point)
      #expect(other.means == .none && other.vanished.isEmpty && other.changed.isEmpty)
    }
    await server.stop()
  }

  @Test func `with QRESYNC what vanishes is told by UID, and the count follows`() async throws {
    let server = try await DovecotServer.shared
    let user = try server.newUser()
    try await server.fill(user: user, count: 6)
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.login(server, user)
      #expect(try await client.enable([.qresync]).contains(.qresync))
      let before = try #require(try await client.select(.inbox).highestModSeq)
      let other = try await fixture.login(server, user)
      try await other.enable([.qresync])
      try await other.select(.inbox)
      try await other.store(UIDSet([2, 4]), .add, [.deleted])
      try await other.expunge(UIDSet([2, 4]))
      try await other.store(UIDSet([6]), .add, [.flagged])
      #expect(try #require(other.selected?.highestModSeq) > before)
      try await client.noop()
      #expect(client.takeEvents().contains(.vanished(UIDSet([2, 4]))))
      #expect(client.selected?.exists == 4)
      let changes = try await client.fetchChanges(of: UIDSet(UID(1)...UID(6)), since: before)
      #expect(changes.vanished == UIDSet([2, 4]))
      #expect(changes.changed.map(\.uid) == [6])
    }
  }

  private func select(
    _ capabilities: String,
    _ script: [ScriptedServer.Step]
  ) async throws -> (resync: MailboxResync, transcript: String) {
    let greeting = "* PREAUTH [CAPABILITY IMAP4rev1 \(capabilities)] hi\r\n"
    let server = try ScriptedServer([.send(greeting)] + script)
    let fixture = try IMAPFixture()
    let resync = try await fixture.run {
      let client = try await fixture.connect(server.port)
      let point = ResyncPoint(uidValidity: 7, modSeq: ModSeq(9), uids: UIDSet(UID(1)...UID(4)))
      return try await client.select(.inbox, since: point)
    }
    return (resync, server.transcripts.joined())
  }

  @Test func `ENABLE and SELECT go in one write, and what came before CLOSED is dropped`()
    async throws
  {
    let (resync, transcript) = try await select(
      "ENABLE CONDSTORE QRESYNC",
      [
        .expect("SELECT"),
        .send("* ENABLED QRESYNC\r\nA1 OK\r\n* 99 EXISTS\r\n* VANISHED (EARLIER) 3\r\n"),
        .send("* OK [CLOSED]\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [HIGHESTMODSEQ 12]\r\n"),
        .send("* VANISHED (EARLIER) 2,50:4294967295\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"),
        .send("A2 OK [READ-WRITE] done\r\n"), .hang,
      ]
    )
    #expect(
      transcript.hasPrefix("A1 ENABLE QRESYNC\r\nA2 SELECT \"INBOX\" (QRESYNC (7 9 1:4))\r\n")
    )
    #expect(resync.means == .qresync)
    #expect(resync.mailbox.exists == 3)
    #expect(resync.vanished == UIDSet(2))
    #expect(resync.changed.map(\.uid) == [1])
  }

  @Test func `a mailbox without versions, and a server that refuses, are compared`() async throws {
    let flags = "* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (UID 4 FLAGS (\\Seen))\r\n"
    let (noModSeq, _) = try await select(
      "ENABLE CONDSTORE QRESYNC",
      [
        .expect("SELECT"),
        .send("* ENABLED QRESYNC\r\nA1 OK\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n"),
        .send("* OK [NOMODSEQ]\r\nA2 OK done\r\n"), .expect("UID FETCH 1:4"),
        .send("\(flags){tag} OK\r\n"), .hang,
      ]
    )
    #expect(noModSeq.means == .allFlags)
    #expect(noModSeq.vanished == UIDSet([2, 3]))
    let (refused, transcript) = try await select(
      "ENABLE CONDSTORE QRESYNC",
      [
        .expect("SELECT"), .send("A1 BAD what\r\nA2 BAD what\r\n"), .expect("CONDSTORE"),
        .send("* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [HIGHESTMODSEQ 12]\r\nA3 OK\r\n"),
        .expect("UID SEARCH"),
        .send("* 2 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (11))\r\nA4 OK\r\n* SEARCH 1 4\r\nA5 OK\r\n"),
        .hang,
      ]
    )
    #expect(refused.means == .condStore)
    #expect(refused.vanished == UIDSet([2, 3]))
    #expect(refused.changed.map(\.uid) == [4])
    #expect(transcript.contains("A4 UID FETCH 1:4 (UID FLAGS) (CHANGEDSINCE 9)\r\nA5 UID SEARCH"))
  }
}
