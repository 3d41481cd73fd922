import Bytes
import Model
import Net
import Postgres
import Store
import Testing

@Suite("Queues and claims", .timeLimit(.minutes(6))) struct QueueTests {
  private let now = Timestamp(seconds: 4_000_000_000)
  private let later = Timestamp(seconds: 4_000_000_900)

  private func submission(answers: ID<Message>? = nil) -> NewSubmission {
    NewSubmission(
      identityID: nil,
      sender: "alice@test.invalid",
      recipients: ["bob@test.invalid"],
      message: [UInt8]("Subject: x\r\n\r\nx\r\n".utf8),
      messageID: "x@test.invalid",
      subject: "x",
      sendAt: nil,
      undoUntil: nil,
      answers: answers
    )
  }

  @Test func `a long queue of one account hides no other account's`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      for _ in 0..<20 {
        _ = try await store.insertSubmission(submission(), of: fixture.account)
      }
      let other = try await StoreFixture.newAccount(store)
      let waiting = try await store.insertSubmission(submission(), of: other)
      let due = try await store.dueSubmissions(at: now, limit: 2)
      #expect(due.map(\.accountID) == [fixture.account, other])
      let free = try await store.dueSubmissions(at: now, busy: [fixture.account], limit: 2)
      #expect(free.map(\.id) == [waiting.id])
    }
  }

  @Test func `an attempt that counts as crashed neither begins DATA nor ends anything`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let submission = try await store.insertSubmission(submission(), of: fixture.account)
      let first = try #require(
        try await store.beginAttempt(submission, now: now, deadline: later)
      )
      let second = try #require(
        try await store.beginAttempt(submission, now: now, deadline: later)
      )
      let code = await errorCode {
        try await store.markDataBegun(first, of: submission, deadline: later)
      }
      #expect(code == .unavailable)
      try await store.markDataBegun(second, of: submission, deadline: later)
      func end(_ number: Int, _ state: String) async throws -> Bool {
        try await store.endAttempt(
          number,
          of: submission,
          outcome: state == "sent" ? "sent" : "deferred",
          response: nil,
          recipients: [],
          state: state,
          nextAttemptAt: nil,
          lastError: nil
        )
      }
      #expect(try await !end(first, "queued"))
      #expect(try await end(second, "sent"))
      #expect(try await !end(second, "queued"))
      let sent = try await store.submission(submission.id, of: fixture.account)
      #expect(sent?.state == "sent")
    }
  }

  @Test func `a copy in Sent and the mark on what it answers come together`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge([StoreFixture.mail(1)])
      let answered = try #require(try await fixture.ids()[1])
      let submission = try await store.insertSubmission(
        submission(answers: answered),
        of: account
      )
      for _ in 0..<2 {
        try await store.fileSentCopy(
          of: submission,
          Delivery(
            StoreFixture.mail(nil, ["$seen"]),
            try RawBlob([0x41], by: Compressors()),
            into: fixture.archive.id
          )
        )
      }
      let operations = try await store.dueOperations(of: account, limit: 9).messages
      #expect(operations.map(\.kind) == ["append", "keywords"])
      #expect(try await fixture.keywords(of: answered) == ["$answered"])
    }
  }

  @Test func `a key is not given back once what it asked for is done`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let token = try await store.insertToken(
        name: nil,
        digest: [2],
        scopes: ["admin"],
        accounts: nil,
        expiresAt: nil
      ).id
      let claim = IdempotencyClaim(token: token, key: "key")
      func begin() async throws -> String {
        switch try await store.beginIdempotent(token: token, key: "key", fingerprint: [1]) {
        case .fresh: "fresh"
        case .running: "running"
        case .reused: "reused"
        case .done(_, _, let location, let body): "\(location ?? "nil") \(body == nil)"
        }
      }
      #expect(try await begin() == "fresh")
      let made = try await store.insertSubmission(submission(), of: account, claim: claim)
      // The answer of the commit was lost, say: the handler fails and gives the key back.
      try await store.abandonIdempotent(token: token, key: "key")
      #expect(try await begin() == "/v1/accounts/\(account)/submissions/\(made.id) true")
      // A request whose claim was settled meanwhile does nothing more.
      let code = await errorCode {
        _ = try await store.insertSubmission(submission(), of: account, claim: claim)
      }
      #expect(code == .conflict)
      #expect(try await store.submissions(of: account, limit: 9).map(\.id) == [made.id])
    }
  }

  @Test func `what became of a claim that nobody finished is not known`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let token = try await store.insertToken(
        name: nil,
        digest: [3],
        scopes: ["admin"],
        accounts: nil,
        expiresAt: nil
      ).id
      _ = try await store.beginIdempotent(token: token, key: "key", fingerprint: [1])
      _ = try await fixture.pool.query(
        "update idempotency set created_at = created_at - interval '11 minutes'"
      )
      let start = try await store.beginIdempotent(token: token, key: "key", fingerprint: [1])
      guard case .done(409, nil, nil, nil) = start else {
        Issue.record("\(start)")
        return
      }
    }
  }

  @Test func `the same failure again is no change, whatever the server said`() async throws {
    try await StoreFixture.with { fixture in
      func fail(_ response: String, at seconds: Int64) async throws -> Int64 {
        let failure = AccountFailure(
          code: .backendBroken,
          message: "It broke.",
          response: response,
          at: Timestamp(seconds: seconds)
        )
        try await fixture.store.setState(.unreachable, failure: failure, of: fixture.account)
        return try await fixture.seq()
      }
      let before = try await fixture.seq()
      #expect(try await fail("NUL \0 \u{1}", at: 1) == before + 1)
      #expect(try await fail("NUL \0 \u{1}", at: 2) == before + 1)
      #expect(try await fail("other", at: 3) == before + 2)
      try await fixture.store.setCapabilities(["IMAP4rev1"], of: fixture.account)
      try await fixture.store.setCapabilities(["IMAP4rev1"], of: fixture.account)
      #expect(try await fixture.seq() == before + 3)
    }
  }

  @Test func `more changes at once than connections do not wait for one another`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      try await fixture.merge((1...1200).map { StoreFixture.mail($0) })
      let ids = Array(try await fixture.ids().values)
      let loop = try #require(fixture.pool.group.loops.first)
      // Each takes more ids than a block has, so each asks the database for some.
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<8 {
          group.addTask(executorPreference: loop) {
            var patch = MessagePatch()
            patch.addKeywords = ["k\(number)"]
            _ = try await store.changeMessages(ids, of: account, patch)
          }
        }
        try await group.waitForAll()
      }
      #expect(try await fixture.keywords(of: ids[0]).count == 8)
    }
  }
}
