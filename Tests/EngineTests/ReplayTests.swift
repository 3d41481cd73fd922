import Bytes
import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Intents replayed after the world changed", .serialized, .timeLimit(.minutes(6)))
struct ReplayTests {
  /// What stands in a mailbox that was made anew while an intent waited.
  enum Successor: CaseIterable {
    /// Other messages under the same UIDs.
    case sameUIDs
    /// A message with the Message-ID of ours and another text.
    case sameMessageID
    /// Our message, under another UID.
    case sameMessage
  }

  /// A message with the Message-ID of `SampleMail.message(0)` and nothing else of it.
  private static let impostor = [UInt8](
    """
    From: eve@example.org\r
    Date: Mon, 1 Jan 2024 00:00:00 +0000\r
    Message-ID: <\(SampleMail.messageID(0))>\r
    Subject: Not what you think\r
    \r
    Hello.\r\n
    """.utf8
  )

  @Test(arguments: Successor.allCases)
  func `a deletion never reaches another message after UIDVALIDITY changed`(
    _ successor: Successor
  ) async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let address = dovecot.address(of: user)
    try await dovecot.fill(user: user, mailbox: "Work", count: 3)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let rows = try await service.messages(in: "Work", of: account)
      let doomed = try #require(rows.first { $0.backendUID == 1 }?.id)
      await service.stop()
      _ = try await service.store.destroyMessages([doomed], of: account)
      try await dovecot.doveadm(["mailbox", "delete", "-s", "-u", address, "Work"])
      switch successor {
      case .sameUIDs: try await dovecot.fill(user: user, mailbox: "Work", count: 3, first: 50)
      case .sameMessageID:
        try await dovecot.deliver(Self.impostor, to: user, mailbox: "Work")
      case .sameMessage:
        try await dovecot.deliver(SampleMail.message(7), to: user, mailbox: "Work")
        try await dovecot.deliver(SampleMail.message(0), to: user, mailbox: "Work")
      }
      let before = try await dovecot.messageCount(user: user, mailbox: "Work")
      try await service.start()
      try await service.waitUntilReplayed(account)
      let left = successor == .sameMessage ? before - 1 : before
      #expect(try await dovecot.messageCount(user: user, mailbox: "Work") == left)
      try await service.engine.syncNow(account)
      try await eventually("the new mailbox is known") {
        try await service.messages(in: "Work", of: account).count == left
      }
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a body is never that of the message that has the UID now`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let address = dovecot.address(of: user)
    try await dovecot.fill(user: user, mailbox: "Work", count: 1)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let id = try await service.messages(in: "Work", of: account)[0].id
      try await dovecot.doveadm(["mailbox", "delete", "-s", "-u", address, "Work"])
      try await dovecot.fill(user: user, mailbox: "Work", count: 1, first: 50)
      // The watch may have told of it by now, or not.
      await #expect(throws: (any Error).self) {
        try await service.engine.openRaw(id, of: account).collect(upTo: 1 << 20)
      }
    }
  }

  @Test(arguments: ["IMAP4rev1 UIDPLUS", "IMAP4rev1"])
  func `a move that broke off behind its COPY makes no second copy`(
    _ capabilities: String
  ) async throws {
    let dovecot = try await MailServers.own(.init(capabilities: capabilities))
    try await dovecot.fill(user: "alice", count: 2)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let kept = try await service.addMailbox("Kept", dovecot, account, "alice")
      let rows = try await service.messages(of: account)
      let id = try #require(rows.first { $0.backendUID == 1 }?.id)
      await service.stop()
      var patch = MessagePatch()
      patch.mailboxes = [kept.id]
      _ = try await service.store.changeMessages([id], of: account, patch)
      _ = try await service.query("update operation set state = 'running', attempts = 1")
      let other = try await service.otherClient(dovecot, "alice")
      try await other.select(.inbox)
      try await other.copy(UIDSet(1), to: MailboxName("Kept"))
      try await service.start()
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("the UID is known") {
        try await service.messages(in: "Kept", of: account).first?.backendUID == 1
      }
      #expect(try await uids(other, in: "Kept") == [1])
      #expect(try await uids(other, in: "INBOX", .withoutFlag(.deleted)) == [2])
      #expect(try await service.messages(in: "Kept", of: account).map(\.id) == [id])
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test(arguments: ["IMAP4rev1", nil])
  func `an import adopts no message that was there before`(
    _ capabilities: String?
  ) async throws {
    var own = DovecotServer.Options()
    own.capabilities = capabilities
    let dovecot = try await MailServers.own(own)
    try await dovecot.fill(user: "alice", mailbox: "Kept", with: [SampleMail.message(5)])
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let kept = try await service.mailbox("Kept", of: account)
      let old = try await service.messages(in: "Kept", of: account)[0].id
      let raw = SampleMail.message(5)
      let id = try await service.engine.importMessage(
        raw,
        into: kept.id,
        of: account,
        keywords: [],
        receivedAt: nil
      )
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("both UIDs are known") {
        try await service.number("select count(*) from placement where uid is not null") == 2
      }
      let found = try await service.messages(in: "Kept", of: account)
      #expect(found.first { $0.backendUID == 1 }?.id == old)
      #expect(found.first { $0.backendUID == 2 }?.id == id)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `an import is appended in CRLF, with the date it was received`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let inbox = try await service.mailbox("INBOX", of: account)
      let id = try await service.engine.importMessage(
        [UInt8]("Subject: old\n\nOne\r\nTwo\rThree\n".utf8),
        into: inbox.id,
        of: account,
        keywords: [],
        receivedAt: .init(seconds: 1_000_000_000)
      )
      try await service.waitUntilReplayed(account)
      let source = try await service.engine.openRaw(id, of: account)
      let bytes = try await source.collect(upTo: 1 << 20).bytes
      #expect(
        String(decoding: bytes, as: UTF8.self)
          == "Subject: old\r\n\r\nOne\r\nTwo\r\nThree\r\n"
      )
      let other = try await service.otherClient(dovecot, user)
      try await other.examine(.inbox)
      let fetch = other.fetch(UIDSet(1), .identity)
      let message = try #require(try await fetch.next()?.first)
      #expect(message.internalDate?.secondsSince1970 == 1_000_000_000)
      #expect(message.size == bytes.count)
      other.close()
    }
  }

  @Test func `an import keeps its id when its mailbox is made anew`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let address = dovecot.address(of: user)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let kept = try await service.addMailbox("Kept", dovecot, account, user)
      let raw = SampleMail.message(5)
      let id = try await service.engine.importMessage(
        raw,
        into: kept.id,
        of: account,
        keywords: [],
        receivedAt: nil
      )
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("the server has described it") {
        try await service.mailbox("Kept", of: account).uidNext == 2
      }
      await service.stop()
      try await dovecot.doveadm(["mailbox", "delete", "-s", "-u", address, "Kept"])
      try await dovecot.deliver(SampleMail.message(9), to: user, mailbox: "Kept")
      try await dovecot.deliver(raw, to: user, mailbox: "Kept")
      try await service.start()
      try await service.engine.syncNow(account)
      try await eventually("the new mailbox is known") {
        try await service.messages(in: "Kept", of: account).compactMap(\.backendUID).count == 2
      }
      let found = try await service.messages(in: "Kept", of: account)
      #expect(found.first { $0.backendUID == 2 }?.id == id)
    }
  }
}
