import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("Connections cut in every state", .serialized, .timeLimit(.minutes(6)))
struct CutConnectionTests {
  @Test(arguments: [1, 2, 3]) func `nothing is lost or doubled, and intents are carried out`(
    _ variant: Int
  ) async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 200)
    try await dovecot.fill(user: user, mailbox: "Archive", count: 50, first: 500)
    var options = TestService.Options()
    options.engine.firstBatch = 10
    options.engine.batch = 30
    // In one of them a second connection reads too, and is cut as well.
    options.engine.helpedSlowness = 0
    if variant == 3 { options.engine.helpedFrom = 50 }
    options.engine.firstBackoff = .milliseconds(10)
    options.engine.longestBackoff = .milliseconds(20)
    try await TestService.with(options) { service in
      // From within the greeting to within the last of the messages.
      let budgets = (0..<16).map { 40 * variant + ($0 * $0 * $0) * 60 }
      let proxy = try CuttingProxy(
        to: dovecot.imapPort,
        on: service.group.loops[0],
        budgets: budgets
      )
      let account = try await service.addAccount(TestService.imap(port: proxy.port, user))
      try await eventually("a page is there") {
        try await service.number("select count(*) from placement") >= 10
      }
      let ids = try await service.messages(of: account).prefix(5).map(\.id)
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      patch.mailboxes = [try await service.mailbox("Archive", of: account).id]
      _ = try await service.engine.changeMessages(Array(ids), of: account, patch)
      try await service.waitUntilReady(account)
      try await eventually("every cut was made") {
        if proxy.left > 0 { try await service.engine.syncNow(account) }
        return proxy.left == 0
      }
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("all is known") {
        let inbox = try await service.mailbox("INBOX", of: account)
        let unknown = try await service.number(
          "select count(*) from placement where uid is null"
        )
        return inbox.totalMessages == 195 && inbox.syncedDownTo == 1 && unknown == 0
      }
      #expect(try await service.number("select count(*) from message") == 250)
      #expect(try await service.mailbox("Archive", of: account).totalMessages == 55)
      let moved = try await service.messages(in: "Archive", of: account).map(\.id)
      #expect(Set(moved).isSuperset(of: ids))
      #expect(try await dovecot.messageCount(user: user) == 195)
      #expect(try await dovecot.messageCount(user: user, mailbox: "Archive") == 55)
      #expect(try await service.health(of: account) == [])
      await proxy.stop()
    }
  }
}
