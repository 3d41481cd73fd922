import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("IMAP client against Cyrus", .enabled(if: CyrusServer.folder != nil))
struct IMAPCyrusTests {
  private static let server = Task {
    try await CyrusServer.start(users: (0..<6).map { "user\($0)" })
  }

  private func run(
    _ user: String,
    _ body: @escaping @Sendable (IMAPClient, CyrusServer, IMAPFixture) async throws -> Void
  ) async throws {
    let server = try await Self.server.value
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.imapPort)
      try await client.authenticate(username: user, password: server.password)
      try await body(client, server, fixture)
      try await client.logout()
    }
  }

  private static func message(_ number: Int) -> [UInt8] {
    Array(
      """
      From: a@test.invalid\r\nTo: b@test.invalid\r\nSubject: message \(number)\r\n\
      Message-ID: <\(number)@test.invalid>\r\nDate: Fri, 1 Jan 2021 10:00:00 +0000\r\n\r\n\
      text \(number)\r\n
      """.utf8
    )
  }

  @Test func `mailboxes are listed with their roles, made, renamed and deleted`() async throws {
    try await run("user0") { client, _, _ in
      #expect(client.capabilities.contains(.objectID) && client.capabilities.contains(.qresync))
      #expect(try await client.id([("name", "test")])["name"] == "Cyrus IMAPD")
      #expect(try await client.namespaces().personal.map(\.delimiter) == [0x2F])
      let name = MailboxName("Entwürfe & mehr")
      try await client.create(name)
      let all = try await client.list(returning: ListOptions(status: [.messages, .uidValidity]))
      #expect(all.first { $0.name == name }?.status?.messages == 0)
      #expect(all.first { $0.specialUse == .sent }?.name == MailboxName("Sent"))
      try await client.rename(name, to: MailboxName("plain"))
      try await client.delete(MailboxName("plain"))
      #expect(try await client.status(MailboxName("Sent"), [.mailboxID]).mailboxID != nil)
    }
  }

  @Test func `messages are appended, fetched, flagged, found, moved and expunged`() async throws {
    try await run("user1") { client, _, _ in
      for number in 1...20 {
        let appended = try await client.append(Self.message(number), to: .inbox, flags: [.seen])
        #expect(appended?.uid == UID(UInt32(number)))
      }
      #expect(try await client.select(.inbox).exists == 20)
      let fetch = client.fetchSummaries(UIDSet(UID(1)...UID(20)), batchSize: 7)
      var subjects: [String] = []
      while let batch = try await fetch.next() {
        for message in batch {
          #expect(message.malformedItems.isEmpty && message.bodyStructure != nil)
          subjects.append(
            message.envelope?.subject.map { String(decoding: $0, as: UTF8.self) } ?? ""
          )
        }
      }
      #expect(Set(subjects) == Set((1...20).map { "message \($0)" }))
      #expect(try await client.fetchBytes(3, .message, upTo: 10_000) == Self.message(3))
      try await client.store(UIDSet([2, 4]), .add, [.flagged])
      #expect(try await client.search(.flag(.flagged)) == UIDSet([2, 4]))
      let moved = try await client.move(UIDSet([2]), to: MailboxName("Archive"))
      #expect(moved.isSourceRemoved && moved.copyUID?.pairs.map(\.source) == [2])
      try await client.store(UIDSet([4]), .add, [.deleted])
      try await client.expunge(UIDSet([4]))
      #expect(try await client.search(.all).count == 18)
    }
  }

  @Test func `what changed is found with QRESYNC`() async throws {
    try await run("user2") { client, server, fixture in
      for number in 1...6 { try await client.append(Self.message(number), to: .inbox) }
      let known = try await client.select(.inbox)
      try await client.store(UIDSet([2, 3]), .add, [.deleted])
      try await client.expunge(UIDSet([2, 3]))
      try await client.store(UIDSet([5]), .add, [.flagged])
      let again = try await fixture.connect(server.imapPort)
      try await again.authenticate(username: "user2", password: server.password)
      let point = ResyncPoint(
        uidValidity: try #require(known.uidValidity),
        modSeq: try #require(known.highestModSeq),
        uids: UIDSet(UID(1)...UID(6))
      )
      let found = try await again.select(.inbox, since: point)
      #expect(found.means == .qresync)
      #expect(found.vanished == UIDSet([2, 3]))
      #expect(found.changed.contains { $0.uid == 5 && $0.flags?.contains(.flagged) == true })
    }
  }

  @Test func `ids, quotas and deflated traffic work`() async throws {
    try await run("user3") { client, _, _ in
      try await client.append(Self.message(1), to: .inbox)
      try await client.copyToArchive()
      let first = try await client.fetchAttributes(UIDSet(1), [.emailID, .threadID, .saveDate])
      #expect(first.first?.emailID != nil && first.first?.threadID != nil)
      try await client.select(MailboxName("Archive"))
      let copy = try await client.fetchAttributes(.all, [.emailID])
      #expect(copy.first?.emailID == first.first?.emailID)
      _ = try await client.quotas(of: .inbox)
      #expect(client.capabilities.appendLimit != nil)
      #expect(try await client.compress())
      #expect(try await client.fetchFlags(.all).count == 1)
    }
  }

  @Test(arguments: ["CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
  func `it offers the mechanisms that do not reveal the password`(mechanism: String) async throws {
    let server = try await Self.server.value
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.imapPort)
      #expect(client.capabilities.offersMechanism(mechanism))
    }
  }

  @Test func `IDLE tells of a new message`() async throws {
    try await run("user4") { client, server, fixture in
      try await client.select(.inbox)
      let other = try await fixture.connect(server.imapPort)
      try await other.authenticate(username: "user4", password: server.password)
      async let events = client.idle(until: .now + .seconds(30))
      while !client.isIdling { await Task.yield() }
      try await other.append(Self.message(1), to: .inbox)
      #expect(try await events.contains(.exists(1)))
    }
  }
}

extension IMAPClient {
  /// Opens the inbox and copies all of it to the archive.
  fileprivate func copyToArchive() async throws(IMAPError) {
    try await select(.inbox)
    try await copy(.all, to: MailboxName("Archive"))
  }
}
