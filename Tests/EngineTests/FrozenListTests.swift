import MailProtocols
import MailTransport
import Model
import Store
import TestSupport
import Testing

@testable import Engine

/// Dovecot's index of a user's mailboxes is made anew, as after a repair, or after an administrator deleted it.
///
/// A session goes on with the one it knows.
@Suite("A session that lists what was", .serialized, .timeLimit(.minutes(3)))
struct FrozenListTests {
  @Test func `a caller who asks for a sync sees what an old session does not list`() async throws {
    var options = TestService.Options()
    options.engine.askedSessionLifetime = .zero
    try await check(options) { service, account in try await service.engine.syncNow(account) }
  }

  @Test func `it shows by itself when the session is worn`() async throws {
    var options = TestService.Options()
    options.engine.pollInterval = .milliseconds(50)
    options.engine.sessionLifetime = .milliseconds(500)
    try await check(options) { _, _ in }
  }

  /// As Dovecot does while its index is made anew; here since the user may read a mailbox and not see it (RFC 4314 §2.1).
  @Test func `what is not listed but answers stays, and is the same when it is listed again`()
    async throws
  {
    let dovecot = try await MailServers.own(.withRights)
    try await dovecot.deliver(letter("kept"), to: "alice", mailbox: "Above/Work")
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let known = try await service.store.mailboxes(of: account).mailboxes.map(\.id)
      let message = try await service.message("kept", in: "Above/Work", of: account)
      #expect(try await !service.mailbox("Above", of: account).isSelectable)
      let address = dovecot.address(of: "alice")
      try await dovecot.doveadm(["acl", "set", "-u", address, "Above/Work", "owner", "read"])
      let other = try await service.otherClient(dovecot, "alice")
      #expect(try await !other.list().map(\.name.decoded).contains("Above/Work"))
      #expect(try await list(with: "New", by: other, service, account) == known)
      try await dovecot.doveadm([
        "acl", "set", "-u", address, "Above/Work", "owner", "lookup", "read",
      ])
      #expect(try await list(with: "Newer", by: other, service, account) == known)
      #expect(try await service.message("kept", in: "Above/Work", of: account) == message)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test(arguments: ["UNAVAILABLE", "SERVERBUG", "INUSE"])
  func `what the server cannot look at just now is not gone`(_ code: String) async throws {
    let counters = "* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 8 UNSEEN 0)\r\n"
    let first = lists("* LIST () \"/\" Work\r\n", work: counters + "{tag} OK x\r\n")
    let opened = ["7", "8"].flatMap { validity -> [ScriptedServer.Step] in
      [
        .expect("SELECT"),
        .send(
          "* 0 EXISTS\r\n* OK [UIDVALIDITY \(validity)] x\r\n* OK [UIDNEXT 1] x\r\n"
            + "{tag} OK [READ-WRITE] x\r\n"
        ),
      ] + ScriptedInbox.search("")
    }
    let refusal = "{tag} NO [\(code)] Not now\r\n"
    // What may be there is opened, since nothing is known of it.
    let later = lists("", work: refusal) + [.expect("SELECT \"Work\""), .send(refusal), .hang]
    let server = try ScriptedServer(scripts: [
      ScriptedInbox.login + first + opened + ScriptedInbox.leave + later,
      ScriptedInbox.login + [.hang],
    ])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      try await service.waitUntilReady(account)
      let known = try await service.store.mailboxes(of: account).mailboxes.map(\.path)
      #expect(known.sorted() == ["INBOX", "Work"])
      try await service.engine.syncNow(account)
      try await eventually("the server has refused to open it") {
        server.transcripts.joined().contains("A16 SELECT")
      }
      let now = try await service.store.mailboxes(of: account).mailboxes
      #expect(now.map(\.path).sorted() == ["INBOX", "Work"])
    }
  }

  /// The answers to LIST, with `more` than an inbox, to LSUB, and to STATUS of the inbox and of a mailbox `Work`.
  private func lists(_ more: String, work: String) -> [ScriptedServer.Step] {
    [
      .expect("LIST"), .send("* LIST () \"/\" INBOX\r\n\(more){tag} OK x\r\n"),
      .expect("LSUB"), .send("{tag} OK x\r\n"), .expect("STATUS \"INBOX\""),
      .send("* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 7 UNSEEN 0)\r\n{tag} OK x\r\n"),
      .expect("STATUS \"Work\""), .send(work),
    ]
  }

  /// The mailboxes but those that `other` made, when the list that has `new`, which it makes, was read.
  private func list(
    with new: String,
    by other: IMAPClient,
    _ service: TestService,
    _ account: ID<Account>
  ) async throws -> [ID<Mailbox>] {
    try await other.create(MailboxName(new))
    var mailboxes: [Mailbox] = []
    try await eventually("\(new) is here") {
      try await service.engine.syncNow(account)
      mailboxes = try await service.store.mailboxes(of: account).mailboxes
      return mailboxes.contains { $0.path == new }
    }
    return mailboxes.filter { !$0.path.hasPrefix("New") }.map(\.id)
  }

  private func check(
    _ options: TestService.Options,
    asking ask: @escaping @Sendable (TestService, ID<Account>) async throws -> Void
  ) async throws {
    let dovecot = try await MailServers.own()
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let known = Set(try await service.store.mailboxes(of: account).mailboxes.map(\.id))
      try dovecot.dropListIndex(of: "alice")
      let other = try await service.otherClient(dovecot, "alice")
      _ = try await other.list()
      try await other.create(MailboxName("New"))
      try await eventually("the new mailbox is here") {
        try await ask(service, account)
        let mailboxes = try await service.store.mailboxes(of: account).mailboxes
        return mailboxes.contains { $0.path == "New" }
      }
      let kept = Set(try await service.store.mailboxes(of: account).mailboxes.map(\.id))
      #expect(kept.isSuperset(of: known))
      other.close()
    }
    await dovecot.stop()
  }
}
