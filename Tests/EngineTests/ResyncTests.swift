import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("What differs is all that is asked for", .serialized, .timeLimit(.minutes(6)))
struct ResyncTests {
  private static let listing = "IMAP4rev1 ENABLE UNSELECT ESEARCH LIST-EXTENDED LIST-STATUS"

  /// The commands that the engine's own connection sent, without tags, a list for each round trip.
  private static func commands(_ proxy: TapProxy) -> [[String]] {
    let connection = proxy.requests.first { $0.joined().contains(" LIST ") } ?? []
    return connection.map { request in
      request.split(separator: "\r\n").map { String($0.drop { $0 != " " }.dropFirst()) }
    }
  }

  private static func service<R: Sendable>(
    _ dovecot: DovecotServer,
    _ body: @escaping @Sendable (TestService, TapProxy, ID<Account>) async throws -> R
  ) async throws -> R {
    try await TestService.with { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port))
      try await service.waitUntilReady(account)
      let result = try await body(service, proxy, account)
      await proxy.stop()
      return result
    }
  }

  @Test(arguments: ["CONDSTORE QRESYNC", "CONDSTORE", ""])
  func `flags and deletions in one mailbox of many cost a look at that one`(
    _ extensions: String
  ) async throws {
    let dovecot = try await MailServers.own(.init(capabilities: "\(Self.listing) \(extensions)"))
    for mailbox in ["INBOX", "Archive", "Work"] {
      try await dovecot.fill(user: "alice", mailbox: mailbox, count: 12)
    }
    try await Self.service(dovecot) { service, proxy, account in
      let ids = try await service.messages(in: "Archive", of: account).map(\.id)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.select(MailboxName("Archive"))
      try await other.store(UIDSet([2, 5]), .add, [.flagged])
      try await other.store(UIDSet([3, 4]), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet([3, 4]))
      proxy.forget()
      try await service.engine.syncNow(account)
      try await eventually("what is gone is destroyed") {
        try await service.messages(in: "Archive", of: account).count == 10
      }
      let commands = Self.commands(proxy)
      let selects = commands.joined().filter { $0.hasPrefix("SELECT ") }
      let searches = commands.joined().filter { $0.contains("SEARCH") || $0.contains("FETCH") }
      if extensions.contains("QRESYNC") {
        #expect(selects.count == 1 && selects[0].hasPrefix("SELECT \"Archive\" (QRESYNC ("))
        #expect(searches.isEmpty)
      } else if extensions == "CONDSTORE" {
        #expect(selects == ["SELECT \"Archive\" (CONDSTORE)"])
        #expect(searches.count == 2 && searches[0].contains("CHANGEDSINCE"))
      }
      let left = try await service.messages(in: "Archive", of: account)
      #expect(left.map(\.id) == ids.filter { ![ids[9], ids[8]].contains($0) })
      for row in left {
        let isFlagged = try row.keywordList.contains("$flagged")
        let uid = try #require(row.backendUID)
        #expect(isFlagged == ([2, 5].contains(uid) || uid == 10))
      }
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test func `with QRESYNC a pass that broke off after SELECT is made up for`() async throws {
    let dovecot = try await MailServers.own(
      .init(capabilities: "\(Self.listing) CONDSTORE QRESYNC")
    )
    try await dovecot.fill(user: "alice", count: 8)
    try await Self.service(dovecot) { service, _, account in
      await service.stop()
      let other = try await service.otherClient(dovecot, "alice")
      try await other.select(.inbox)
      try await other.store(UIDSet([1, 8]), .add, [.deleted])
      _ = try await other.expungeUnlessOthersDeleted(UIDSet([1, 8]))
      _ = try await other.append(SampleMail.message(50), to: .inbox)
      try await other.store(UIDSet([2]), .add, [.flagged])
      other.close()
      // As it stands where what was told has been held, and nothing else was stored.
      _ = try await service.query(
        "update placement set uid = null, origin = 4 where uid = 8"
      )
      try await service.start()
      try await eventually("all is there") {
        try await service.messages(of: account).compactMap(\.backendUID).sorted()
          == [2, 3, 4, 5, 6, 7, 9]
      }
      try await eventually("the flag") {
        try await service.messages(of: account).contains {
          try $0.backendUID == 2 && $0.keywordList.contains("$flagged")
        }
      }
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }

  @Test func `nothing new on a hundred mailboxes is one round trip and no row`() async throws {
    let dovecot = try await MailServers.own(
      .init(capabilities: "\(Self.listing) CONDSTORE QRESYNC")
    )
    try await Self.service(dovecot) { service, proxy, account in
      let other = try await service.otherClient(dovecot, "alice")
      for number in 1...100 {
        let name = MailboxName("Box\(number)")
        try await other.create(name)
        _ = try await other.append(SampleMail.message(number), to: name)
      }
      other.close()
      try await service.engine.syncNow(account)
      let counting: SQL = "select count(*) from placement where uid is not null"
      try await eventually("all are there") { try await service.number(counting) == 100 }
      // What is written behind the last message is there too.
      let open: SQL = "select count(*) from mailbox where synced_down_to is distinct from 1"
      try await eventually("all are synced") { try await service.number(open) == 0 }
      await service.stop()
      let before = try await service.rowVersions()
      for _ in 1...2 {
        try await service.start()
        proxy.forget()
        try await eventually("a pass") {
          Self.commands(proxy).joined().contains { $0.hasPrefix("LIST ") }
        }
        try await service.engine.syncNow(account)
        try await eventually("another") {
          Self.commands(proxy).joined().filter { $0.hasPrefix("LIST ") }.count == 2
        }
        await service.stop()
        let commands = Self.commands(proxy).map { $0.map { $0.prefix { $0 != " " } } }
        #expect(commands.suffix(2) == [["LIST"], ["LIST"]])
        #expect(!commands.joined().contains("SELECT"))
      }
      #expect(try await service.rowVersions() == before)
    }
    await dovecot.stop()
  }

  @Test(arguments: ["CONDSTORE QRESYNC", "CONDSTORE"])
  func `a server that has lost its versions is compared as a whole`(_ extensions: String)
    async throws
  {
    let dovecot = try await MailServers.own(.init(capabilities: "\(Self.listing) \(extensions)"))
    try await dovecot.fill(user: "alice", count: 6)
    try await Self.service(dovecot) { service, _, account in
      let first = try await service.otherClient(dovecot, "alice")
      try await first.select(.inbox)
      for _ in 0..<20 {
        try await first.store(UIDSet([1]), .add, [.answered])
        try await first.store(UIDSet([1]), .remove, [.answered])
      }
      try await first.store(UIDSet([2]), .add, [.answered])
      first.close()
      try await eventually("the last version is known") {
        try await service.engine.syncNow(account)
        return try await service.messages(of: account)[4].keywordList.contains("$answered")
      }
      let known = try await service.mailbox("INBOX", of: account)
      await dovecot.stop()
      try dovecot.dropIndexes(of: "alice")
      try await dovecot.start()
      let other = try await service.otherClient(dovecot, "alice")
      try await other.select(.inbox)
      try await other.store(UIDSet([3]), .add, [.answered])
      #expect(other.selected?.uidValidity.map { Int64($0.value) } == known.uidValidity)
      try await eventually("what changed since is known") {
        try await service.engine.syncNow(account)
        return try await service.messages(of: account)[3].keywordList.contains("$answered")
      }
      let lower = try await service.mailbox("INBOX", of: account).highestModSeq ?? 0
      #expect(lower < known.highestModSeq ?? 0)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }
}
