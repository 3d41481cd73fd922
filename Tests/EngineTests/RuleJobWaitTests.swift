import Bytes
import Engine
import Model
import Net
import Postgres
import Rules
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Runs of rules that have to wait", .serialized, .timeLimit(.minutes(5)))
struct RuleJobWaitTests {
  /// A rule that adds a field to what a run finds.
  private static func stamp(
    _ name: String,
    when condition: String = "",
    _ account: ID<Account>,
    _ service: TestService
  ) async throws -> ID<MailRule> {
    try await RuleTests.add(
      #"{"name":"\#(name)","trigger":"stored",\#(condition)"actions":[{"type":"addHeader","name":"\#(name)","value":"1"}]}"#,
      to: account,
      service
    ).id
  }

  private static func run(
    _ rule: ID<MailRule>,
    _ account: ID<Account>,
    _ service: TestService
  ) async throws -> ID<Job> {
    var query = MessageQuery()
    query.mailbox = try await service.mailbox("INBOX", of: account).id
    return try await service.engine.runRules(
      of: account,
      only: [rule],
      query: query,
      findings: SearchFindings()
    ).id
  }

  private static var options: TestService.Options {
    var options = TestService.Options()
    options.engine.firstBackoff = .milliseconds(10)
    options.engine.longestBackoff = .milliseconds(20)
    options.engine.operationAttempts = 1_000_000
    options.engine.firstRuleBackoff = .milliseconds(10)
    options.engine.longestRuleJobBackoff = .milliseconds(50)
    return options
  }

  @Test func `what the server has yet to change waits, and the rest and new mail do not`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    for (id, subject) in [(1, "case"), (2, "case"), (3, "case"), (4, "none")] {
      try await dovecot.deliver(
        Array("Message-ID: <\(id)@x>\nSubject: \(subject)\n\nx\n".utf8),
        to: user
      )
    }
    try await TestService.with(Self.options) { service in
      let proxy = try CuttingProxy(to: dovecot.imapPort, on: service.group.loops[0], budgets: [])
      let account = try await service.addAccount(
        TestService.imap(port: proxy.port, user),
        mode: .disconnected
      )
      try await service.waitUntilReady(account)
      try await eventually("everything is kept here") {
        let kept = try await service.number("select count(*) from message where blob_id > 0")
        return kept == 4
      }
      let one = try await Self.stamp(
        "X-One",
        when: #""when":{"subject":"case"},"#,
        account,
        service
      )
      let two = try await Self.stamp("X-Two", account, service)
      try await RuleTests.add(
        #"{"name":"Mark","actions":[{"type":"addKeywords","keywords":["new"]}]}"#,
        to: account,
        service
      )
      // The server is away.
      proxy.cut(after: [Int](repeating: 0, count: 1_000_000))
      try await dovecot.kick(user)
      let first = try await Self.run(one, account, service)
      try await eventually("the first run has ended") {
        try await service.store.job(first)?.state == "done"
      }
      let second = try await Self.run(two, account, service)
      try await eventually("the second has done what it can") {
        try await service.store.job(second)?.done == 1
      }
      let replacements: SQL = "select count(*) from operation where kind = 'replace'"
      #expect(try await service.number(replacements) == 4)
      let new = try await RuleTests.deliver("Subject: new\n\nx\n", to: account, service)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.store.ruleMatches(of: new, in: account).map(\.name) == ["Mark"])
      // What waits is known after a restart, and nothing is done twice.
      try await service.restart()
      #expect(try await service.store.job(second)?.state == "running")
      #expect(try await service.store.job(second)?.done == 1)
      #expect(try await service.store.waitingMessages(of: second).count == 3)
      #expect(try await service.number(replacements) == 4)
      proxy.mend()
      try await service.engine.syncNow(account)
      try await eventually("the second run has ended") {
        try await service.store.job(second)?.state == "done"
      }
      let job = try #require(try await service.store.job(second))
      #expect(job.done == 4 && job.result?["messages"]?.intValue == 4)
      #expect(job.result?["edited"]?.intValue == 4)
      try await service.waitUntilReplayed(account)
      let there = try await dovecot.messages(user: user).joined()
      #expect(there.ranges(of: "X-One: 1").count == 3)
      #expect(there.ranges(of: "X-Two: 1").count == 4)
      #expect(try await dovecot.messageCount(user: user) == 5)
      #expect(try await service.health(of: account) == [])
      await proxy.stop()
    }
  }

  @Test func `a job looks first at what waited, then at the rest as far as not too many wait`() {
    let ids = (0..<10 as Range<Int64>).map { ID<Message>($0) }
    var queue = RuleJobQueue(ids, done: 2, waiting: [ids[0]], batch: 2, mostWaiting: 3)
    /// The next batch, of which so much is held; and whether that changes anything.
    func step(held: [Int] = []) -> (batch: [Int64], isNews: Bool) {
      let batch = queue.next()
      let isNews = queue.settle(batch, held: Set(held.map { ids[$0] }))
      return (batch.map(\.rawValue), isNews)
    }
    // It waits still: nothing has changed.
    #expect(step(held: [0]) == ([0], false))
    #expect(step(held: [3, 4]) == ([3, 4], true))
    #expect(queue.waiting == [ids[0], ids[3], ids[4]] && queue.done == 2)
    #expect(step() == ([], false))
    // Where it stopped, it goes on.
    queue = RuleJobQueue(ids, done: queue.done, waiting: queue.waiting, batch: 4, mostWaiting: 3)
    #expect(step(held: [4]) == ([0, 3, 4], true))
    #expect(step() == ([5, 6, 7, 8], true))
    #expect(step() == ([9], true))
    #expect(step() == ([], false))
    #expect(queue.done == 9 && queue.waiting == [ids[4]])
  }

  @Test func `the waits of a job grow until it comes further, and hold up no other`() throws {
    let (job, other) = (ID<Job>(1), ID<Job>(2))
    var waits = RuleJobWaits(first: .seconds(2), longest: .seconds(300))
    var now = Deadline.now
    for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
      waits.putOff(job, done: 0, at: now)
      #expect(waits.waiting(at: now) == [job])
      let next = try #require(waits.next(after: now))
      #expect(next - now == .seconds(seconds))
      now = next
      #expect(waits.waiting(at: now) == [])
    }
    waits.putOff(job, done: 5, at: now)
    #expect(waits.next(after: now) == now + .seconds(2))
    waits.putOff(other, done: 0, at: now + .seconds(1))
    #expect(Set(waits.waiting(at: now + .seconds(1))) == [job, other])
    #expect(waits.waiting(at: now + .seconds(2)) == [other])
    waits.forget(job)
    waits.forget(other)
    #expect(waits.next(after: now) == nil)
  }
}
