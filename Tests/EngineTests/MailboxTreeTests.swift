import MailProtocols
import MailTransport
import Model
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Mailboxes below others", .serialized, .timeLimit(.minutes(3)))
struct MailboxTreeTests {
  @Test(arguments: [nil, "IMAP4rev1"])
  func `what a mailbox held goes with it, though its name stays for those below`(
    _ capabilities: String?
  ) async throws {
    var options = DovecotServer.Options()
    options.capabilities = capabilities
    let dovecot = try await MailServers.own(options)
    for name in ["Above", "Above/Below"] {
      try await dovecot.deliver(letter(name), to: "alice", mailbox: name)
    }
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let above = try await service.mailbox("Above", of: account)
      let below = try await service.message("Above/Below", in: "Above/Below", of: account)
      #expect(above.isSelectable && above.totalMessages == 1)
      let other = try await service.otherClient(dovecot, "alice")
      try await other.delete(MailboxName("Above"))
      try await eventually("its message is gone") {
        try await service.engine.syncNow(account)
        return try await service.mailbox("Above", of: account).totalMessages == 0
      }
      let name = try await service.mailbox("Above", of: account)
      #expect(name.id == above.id && !name.isSelectable)
      #expect(try await service.messages(in: "Above", of: account).isEmpty)
      #expect(try await service.message("Above/Below", in: "Above/Below", of: account) == below)
      // One that has the name later is another one, with its own messages.
      try await other.create(MailboxName("Above"))
      try await dovecot.deliver(letter("new"), to: "alice", mailbox: "Above")
      try await eventually("the new message is here") {
        try await service.engine.syncNow(account)
        return try await service.messages(in: "Above", of: account).compactMap(\.subjectText)
          == ["new"]
      }
      #expect(try await service.health(of: account) == [])
      other.close()
    }
    await dovecot.stop()
  }

  @Test func `a mailbox below one that gets another name stays subscribed to`() async throws {
    let dovecot = try await MailServers.own()
    for name in ["Above", "Above/Below"] {
      try await dovecot.doveadm([
        "mailbox", "create", "-s", "-u", dovecot.address(of: "alice"), name,
      ])
    }
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let above = try await service.mailbox("Above", of: account)
      _ = try await service.engine.updateMailbox(
        above.id,
        of: account,
        name: "Higher",
        parent: nil,
        isSubscribed: nil
      )
      try await service.engine.syncNow(account)
      try await eventually("it is listed") {
        try await service.mailbox("Higher/Below", of: account).isSubscribed
      }
      let subscribed = try await dovecot.doveadm([
        "mailbox", "list", "-s", "-u", dovecot.address(of: "alice"),
      ])
      #expect(subscribed.contains("Higher/Below") && !subscribed.contains("Above"))
    }
    await dovecot.stop()
  }
}
