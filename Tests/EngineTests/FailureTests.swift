import Engine
import MIME
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

/// What the engine does when a step of its own fails: the database is away, a job cannot be done.
@Suite("Failures of a step", .serialized, .timeLimit(.minutes(6)))
struct FailureTests {
  private func draft(to recipient: String) -> SubmissionDraft {
    var message = ComposedMessage()
    message.to = [Address(email: recipient)]
    message.subject = "Once"
    message.text = "x\n"
    return SubmissionDraft(content: .composed(message))
  }

  /// Makes the first two writes that meet `condition` fail as those of a database that stops.
  private func breakWrites(
    _ service: TestService,
    to table: String,
    when condition: String
  ) async throws {
    let statements = [
      "create sequence broken_writes",
      """
      create function break_write() returns trigger language plpgsql as $$ begin
        if \(condition) and nextval('broken_writes') <= 2 then
          raise exception 'stopping' using errcode = '57P01';
        end if;
        return new;
      end $$
      """,
      """
      create trigger break_write before insert or update on \(table)
      for each row execute function break_write()
      """,
    ]
    for statement in statements { _ = try await service.query(SQL(unsafeSQL: statement)) }
  }

  @Test func `the server's answer is recorded once the database is back`() async throws {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let (sender, recipient) = (MailServers.user(), MailServers.user())
    var options = TestService.Options()
    options.engine.recordBackoff = .milliseconds(50)
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, sender, smtp: postfix)
      try await breakWrites(service, to: "attempt", when: "new.outcome = 'sent'")
      let queued = try await service.engine.submit(
        draft(to: dovecot.address(of: recipient)),
        of: account
      )
      try await eventually("it is sent") {
        try await service.store.submission(queued.id, of: account)?.state == "sent"
      }
      let sent = try #require(try await service.store.submission(queued.id, of: account))
      #expect(sent.attempts.map(\.outcome) == ["sent"])
      #expect(try await service.number("select last_value from broken_writes") == 3)
      try await eventually("it arrives") { try await dovecot.messageCount(user: recipient) == 1 }
    }
  }

  @Test func `a copy in Sent that could not be filed is filed at a later look`() async throws {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 1)
    var options = TestService.Options()
    options.engine.sendLook = .milliseconds(100)
    try await TestService.with(options) { service in
      let account = try await service.addSyncedAccount(dovecot, user, smtp: postfix)
      let answered = try await service.messages(of: account)[0].id
      try await breakWrites(service, to: "operation", when: "new.kind = 'keywords'")
      var draft = draft(to: dovecot.address(of: user))
      draft.inReplyToMessage = answered
      let queued = try await service.engine.submit(draft, of: account)
      try await eventually("it is filed") {
        try await service.store.submission(queued.id, of: account)?.isCopyFiled == true
      }
      try await service.waitUntilReplayed(account)
      #expect(try await dovecot.messageCount(user: user, mailbox: "Sent") == 1)
      let page = try await service.store.message(answered, of: account)
      #expect(try page.row(0).keywordList.contains("$answered"))
    }
  }

  @Test func `what is put off for too long fails`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    var options = TestService.Options()
    options.engine.sendLifetime = .zero
    try await TestService.with(options) { service in
      var outgoing = TestService.imap(port: try FreePort.next(), user)
      outgoing.kind = .smtp
      let account = try await service.addAccount(
        TestService.imap(dovecot, user),
        outgoing: outgoing
      )
      let queued = try await service.engine.submit(
        draft(to: dovecot.address(of: user)),
        of: account
      )
      try await eventually("it failed") {
        try await service.store.submission(queued.id, of: account)?.state == "failed"
      }
      let failed = try #require(try await service.store.submission(queued.id, of: account))
      #expect(failed.attempts.map(\.outcome) == ["deferred", "refused"])
    }
  }

  @Test func `a job that cannot be done fails alone, and the account stays up`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 2)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let id = try await service.messages(of: account)[0].id.rawValue
      let job = try await service.store.insertJob(
        kind: "changeMessages",
        of: account,
        request: #"{"messages":[\#(id)],"isPermanent":false,"patch":{"addMailboxes":[1]}}"#
      )
      // The worker looks for jobs when it connects.
      await service.stop()
      try await service.start()
      try await eventually("the job failed") {
        try await service.store.job(job.id)?.state == "failed"
      }
      #expect(try await service.store.job(job.id)?.errors.count == 1)
      try await service.waitUntilReady(account)
      #expect(try await service.store.account(account)?.lastError == nil)
    }
  }

  @Test func `mailboxes that are renamed while they are listed keep their ids`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let made = try await service.addMailbox("Box", dovecot, account, user)
      for round in 0..<20 {
        try await service.engine.syncNow(account)
        let renamed = try await service.engine.updateMailbox(
          made.id,
          of: account,
          name: "Box \(round)",
          parent: nil,
          isSubscribed: nil
        )
        #expect(renamed.id == made.id)
        try await service.engine.syncNow(account)
        let other = try await service.engine.createMailbox(
          account,
          name: "Other \(round)",
          parent: nil
        )
        try await service.engine.deleteMailbox(other.id, of: account, isPermanent: false)
      }
      #expect(try await service.mailbox("Box 19", of: account).id == made.id)
      #expect(try await service.health(of: account) == [])
    }
  }
}
