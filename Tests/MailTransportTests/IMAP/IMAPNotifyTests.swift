import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("IMAP NOTIFY") struct IMAPNotifyTests {
  /// Idles until `wanted` came, however many other events come before.
  private static func idle(
    _ client: IMAPClient,
    until wanted: (MailboxEvent) -> Bool
  ) async throws -> MailboxEvent {
    for _ in 0..<4 {
      let events = try await client.idle(until: .now + .seconds(10))
      if let event = events.first(where: wanted) { return event }
    }
    throw TestSupportError.failed("the event did not come")
  }

  @Test func `changes in other mailboxes and in the open one are told in IDLE`() async throws {
    let server = try await DovecotServer.shared
    let user = try server.newUser()
    try await server.fill(user: user, count: 3)
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.login(server, user)
      let other = try await fixture.login(server, user)
      let archive = MailboxName("Archive")
      try await client.select(.inbox)
      let counters = try await client.notify(NotifyRequest())
      #expect(counters[archive]?.messages == 0)
      #expect(counters[.inbox] == nil)
      #expect(client.isNotifying)

      try await other.append(Array("Subject: x\r\n\r\n".utf8), to: archive)
      let status = try await Self.idle(client) { event in
        if case .status(archive, let status) = event { status.messages == 1 } else { false }
      }
      guard case .status(_, let counts) = status else { return }
      #expect(counts.uidNext == 2)

      try await other.select(.inbox)
      try await other.store(UIDSet(2), .add, [.flagged])
      _ = try await Self.idle(client) { event in
        // Without its UID, from Dovecot.
        if case .changed(let message) = event { message.sequenceNumber == 2 } else { false }
      }
      try await other.create(MailboxName("Made"))
      _ = try await Self.idle(client) { event in
        if case .listed(let mailbox) = event { mailbox.name == MailboxName("Made") } else { false }
      }
      try await client.stopNotifying()
      #expect(!client.isNotifying)
    }
  }

  private func client<R: Sendable>(
    _ script: [ScriptedServer.Step],
    _ body: @escaping @Sendable (IMAPClient) async throws -> R
  ) async throws -> (result: R, transcript: String) {
    let greeting = "* PREAUTH [CAPABILITY IMAP4rev1 NOTIFY] hi\r\n"
    let server = try ScriptedServer([.send(greeting)] + script)
    let fixture = try IMAPFixture()
    let result = try await fixture.run {
      try await body(try await fixture.connect(server.port))
    }
    return (result, server.transcripts.joined())
  }

  @Test func `events that a server does not know are left out`() async throws {
    let (isNotifying, transcript) = try await client([
      .expect("NOTIFY"),
      .send("{tag} NO [BADEVENT (MessageNew messageexpunge FlagChange)] not these\r\n"),
      .expect("NOTIFY"), .send("{tag} OK\r\n"), .hang,
    ]) { client in
      try await client.notify(NotifyRequest())
      return client.isNotifying
    }
    #expect(isNotifying)
    #expect(transcript.hasSuffix("(personal (MessageNew MessageExpunge FlagChange))\r\n"))
  }

  @Test func `a server that gives up says so, and counters unasked are no event then`()
    async throws
  {
    let (events, _) = try await client([
      .expect("NOTIFY"), .send("{tag} OK\r\n"), .expect("NOOP"),
      .send("* STATUS x (MESSAGES 1)\r\n* OK [NOTIFICATIONOVERFLOW] too much\r\n"),
      .send("* STATUS x (MESSAGES 2)\r\n{tag} OK\r\n"), .hang,
    ]) { client in
      try await client.notify(NotifyRequest())
      try await client.noop()
      #expect(!client.isNotifying)
      return client.takeEvents()
    }
    var status = MailboxStatus()
    status.messages = 1
    #expect(events == [.status(MailboxName("x"), status), .notificationsEnded])
  }

  @Test func `a server without it is told apart`() async throws {
    let server = try ScriptedServer([.send("* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n"), .hang])
    let fixture = try IMAPFixture()
    let error = try await fixture.run {
      let client = try await fixture.connect(server.port)
      return await imapError { () throws(IMAPError) in try await client.notify(NotifyRequest()) }
    }
    #expect(error == .unsupported("NOTIFY"))
  }
}
