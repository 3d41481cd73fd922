import MailTransport
import Bytes
import Engine
import MailProtocols
import MIME
import Model
import Store
import TestSupport
import Testing

@Suite("Sending", .serialized, .timeLimit(.minutes(6)))
struct SendingTests {
  private func draft(to recipient: String, _ subject: String) -> SubmissionDraft {
    var message = ComposedMessage()
    message.to = [Address(email: recipient)]
    message.subject = subject
    message.text = "Grüße\n"
    return SubmissionDraft(content: .composed(message))
  }

  @Test func `a message arrives once, its copy is in Sent, and what it answers is marked`()
    async throws
  {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let (sender, recipient) = (MailServers.user(), MailServers.user())
    try await dovecot.fill(user: sender, count: 1)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, sender, smtp: postfix)
      let answered = try await service.messages(of: account)[0].id
      var draft = self.draft(to: dovecot.address(of: recipient), "Übersicht")
      draft.inReplyToMessage = answered
      let queued = try await service.engine.submit(draft, of: account)
      #expect(queued.state == "queued")
      try await eventually("it is sent") {
        try await service.store.submission(queued.id, of: account)?.state == "sent"
      }
      let sent = try #require(try await service.store.submission(queued.id, of: account))
      #expect(sent.recipients.map(\.state) == ["accepted"])
      #expect(sent.attempts.map(\.outcome) == ["sent"])
      try await eventually("it arrives") { try await dovecot.messageCount(user: recipient) == 1 }
      let arrived = try #require(try await dovecot.messages(user: recipient).first)
      #expect(arrived.contains("In-Reply-To: <\(SampleMail.messageID(0))>"))
      try await eventually("the copy is in Sent") {
        try await dovecot.messageCount(user: sender, mailbox: "Sent") == 1
      }
      try await service.waitUntilReplayed(account)
      let other = try await service.otherClient(dovecot, sender)
      #expect(try await uids(other, in: "Sent", .flag(.seen)) == [1])
      #expect(try await uids(other, in: "INBOX", .flag(.answered)) == [1])
      #expect(
        try await service.messages(in: "Sent", of: account).map(\.subjectText) == ["Übersicht"]
      )
      #expect(try await dovecot.messageCount(user: recipient) == 1)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test func `with its SMTP server stopped it is queued, and arrives once when that is back`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let postfix = try await PostfixServer.start(deliveringTo: dovecot)
    let (sender, recipient) = (MailServers.user(), MailServers.user())
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, sender, smtp: postfix)
      await postfix.stop()
      let queued = try await service.engine.submit(
        draft(to: dovecot.address(of: recipient), "Later"),
        of: account
      )
      try await eventually("two attempts were put off") {
        let record = try await service.store.submission(queued.id, of: account)
        return record?.attempts.count { $0.outcome == "deferred" } ?? 0 >= 2
      }
      let waiting = try #require(try await service.store.submission(queued.id, of: account))
      #expect(waiting.recipients.map(\.state) == ["pending"])
      #expect(waiting.lastError != nil)
      await service.stop()
      try await postfix.start()
      try await service.start()
      try await eventually("it is sent") {
        try await service.store.submission(queued.id, of: account)?.state == "sent"
      }
      try await eventually("it arrives") { try await dovecot.messageCount(user: recipient) == 1 }
      try await eventually("its copy is filed") {
        try await dovecot.messageCount(user: sender, mailbox: "Sent") == 1
      }
      #expect(try await service.health(of: account) == [])
    }
    await postfix.stop()
  }

  @Test func `a wrong password for sending puts off, and says so`() async throws {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user, smtp: postfix)
      var patch = AccountPatch()
      patch.outgoingSecret = Secret("wrong")
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      let queued = try await service.engine.submit(
        draft(to: dovecot.address(of: user), "No"),
        of: account
      )
      try await eventually("an attempt ended") {
        try await service.store.submission(queued.id, of: account)?.lastError != nil
      }
      #expect(try await dovecot.messageCount(user: user) == 0)
    }
  }
}
