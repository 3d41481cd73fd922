import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("What the server knows of a message", .serialized, .timeLimit(.minutes(6)))
struct ObjectIDTests {
  /// A message that names nothing, so that only the server's word can put it into a thread.
  private static func message(_ number: Int, answering: Int? = nil) -> [UInt8] {
    let reference = answering.map { "In-Reply-To: <m\($0)@x>\r\nReferences: <m\($0)@x>\r\n" } ?? ""
    return Array(
      """
      From: a@x\r\nSubject: number \(number)\r\nMessage-ID: <m\(number)@x>\r\n\(reference)\
      Date: Mon, 1 Jan 2024 10:0\(number):00 +0000\r\n\r\nText \(number).\r\n
      """.utf8
    )
  }

  private static func client(_ port: UInt16, _ service: TestService) async throws -> IMAPClient {
    let policy = OutboundPolicy(allowed: ["127.0.0.0/8"].compactMap { CIDR($0) })
    let client = try await IMAPClient.connect(
      host: "127.0.0.1",
      port: port,
      tls: .none,
      connector: Connector(policy: policy, group: service.group),
      tlsContext: try TLSClientContext(TLSClientConfiguration()),
      deadline: .after(.seconds(30))
    )
    try await client.authenticate(username: "alice", password: "secret")
    return client
  }

  @Test(.enabled(if: CyrusServer.folder != nil))
  func `EMAILID and THREADID of Cyrus are kept, and its threads are shown`() async throws {
    let cyrus = try await CyrusServer.start()
    try await TestService.with { service in
      let other = try await Self.client(cyrus.imapPort, service)
      try await other.append(Self.message(1), to: .inbox)
      try await other.append(Self.message(2, answering: 1), to: .inbox)
      try await other.append(Self.message(3), to: .inbox)
      let account = try await service.addAccount(TestService.imap(port: cyrus.imapPort))
      try await service.waitUntilReady(account)
      try await other.append(Self.message(4, answering: 2), to: .inbox)
      try await eventually("the new one") {
        try await service.engine.syncNow(account)
        return try await service.messages(of: account).count == 4
      }
      try await other.examine(.inbox)
      let told = try await other.fetchAttributes(.all, [.emailID, .threadID])
      #expect(told.count == 4)
      for message in told {
        let uid = Int64(message.uid?.value ?? 0)
        let kept = try await service.query(
          """
          select m.email_id, m.thread_id from message m
          join placement p on p.message_id = m.id where p.uid = \(uid)
          """
        )
        #expect(try kept.string(0, 0) == message.emailID)
      }
      let rows = try await service.query(
        "select m.thread_id from message m join placement p on p.message_id = m.id order by p.uid"
      )
      let threads = try (0..<4).map { try rows.int64($0, 0) }
      let theirs = told.sorted { ($0.uid ?? 0) < ($1.uid ?? 0) }.map(\.threadID)
      for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)] {
        #expect((threads[one] == threads[other]) == (theirs[one] == theirs[other]))
      }
      let moved = try await service.messages(of: account)[3].id
      try await other.select(.inbox)
      try await other.move(UIDSet(1), to: MailboxName("Archive"))
      try await eventually("it moved under its id") {
        try await service.engine.syncNow(account)
        return try await service.messages(in: "Archive", of: account).map(\.id) == [moved]
      }
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await cyrus.stop()
  }

  @Test(.enabled(if: CyrusServer.folder != nil))
  func `by MAILBOXID two mailboxes that swap their names keep their ids`() async throws {
    let cyrus = try await CyrusServer.start()
    try await TestService.with { service in
      let other = try await Self.client(cyrus.imapPort, service)
      let names = ["One", "Other"].map { MailboxName($0) }
      // Empty: there is nothing else by which they could be told apart.
      for name in names { try await other.create(name) }
      let account = try await service.addAccount(TestService.imap(port: cyrus.imapPort))
      try await service.waitUntilReady(account)
      let one = try await service.mailbox("One", of: account)
      let two = try await service.mailbox("Other", of: account)
      for (mailbox, name) in zip([one, two], names) {
        #expect(mailbox.objectID == (try await other.examine(name)).mailboxID)
        #expect(mailbox.objectID?.isEmpty == false)
      }
      try await other.unselect()
      let aside = MailboxName("Aside")
      try await other.rename(names[0], to: aside)
      try await other.rename(names[1], to: names[0])
      try await other.rename(aside, to: names[1])
      try await eventually("they have swapped their names") {
        try await service.engine.syncNow(account)
        let first = try await service.mailbox("Other", of: account)
        let second = try await service.mailbox("One", of: account)
        return first.id == one.id && second.id == two.id
      }
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await cyrus.stop()
  }

  @Test func `new mail has its preview at once where the server makes it`() async throws {
    let dovecot = try await MailServers.own()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      try await dovecot.deliver(Self.message(5), to: "alice")
      try await eventually("the preview") {
        let rows = try await service.query("select preview from message")
        return try rows.count == 1 && rows.optionalString(0, 0) == "Text 5."
      }
      #expect(try await service.health(of: account) == [])
    }
    await dovecot.stop()
  }
}
