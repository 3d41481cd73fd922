import Bytes
import Model
import Store
import Testing

@Suite("Submissions", .timeLimit(.minutes(6))) struct SubmissionTests {
  private func submit(_ fixture: StoreFixture) async throws -> SubmissionRecord {
    try await fixture.store.insertSubmission(
      NewSubmission(
        identityID: nil,
        sender: "alice@test.invalid",
        recipients: ["bob@test.invalid", "carol@test.invalid"],
        message: [UInt8]("Subject: x\r\n\r\nx\r\n".utf8),
        messageID: "x@test.invalid",
        subject: "x",
        sendAt: nil,
        undoUntil: nil,
        answers: nil
      ),
      of: fixture.account
    )
  }

  private let now = Timestamp(seconds: 4_000_000_000)
  private let later = Timestamp(seconds: 4_000_000_900)
  private let muchLater = Timestamp(seconds: 4_000_002_000)

  @Test func `a crash after DATA leaves the recipients unknown, and nothing is sent again`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let submission = try await submit(fixture)
      let number = try #require(
        try await store.beginAttempt(submission, now: now, deadline: later)
      )
      try await store.markDataBegun(number, of: submission, deadline: later)
      // Until the deadline the server may still take the message: nobody else may try.
      #expect(try await store.beginAttempt(submission, now: now, deadline: later) == nil)
      #expect(
        try await store.submission(submission.id, of: fixture.account)?.state == "sending"
      )
      #expect(
        try await store.beginAttempt(submission, now: muchLater, deadline: muchLater) == nil
      )
      let ended = try #require(try await store.submission(submission.id, of: fixture.account))
      #expect(ended.state == "failed")
      #expect(ended.recipients.map(\.state) == ["unknown", "unknown"])
      #expect(ended.attempts.map(\.outcome) == ["unknown"])
      #expect(
        try await store.beginAttempt(submission, now: muchLater, deadline: muchLater) == nil
      )
      #expect(try await store.dueSubmissions(at: muchLater, limit: 9).isEmpty)
    }
  }

  @Test func `a crash before DATA is tried again`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let submission = try await submit(fixture)
      #expect(try await store.beginAttempt(submission, now: now, deadline: later) == 1)
      #expect(try await store.beginAttempt(submission, now: now, deadline: later) == 2)
      let open = try #require(try await store.submission(submission.id, of: fixture.account))
      #expect(open.attempts.map(\.outcome) == ["deferred", nil])
      #expect(open.recipients.map(\.state) == ["pending", "pending"])
    }
  }

  @Test func `each recipient has a result of its own`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let submission = try await submit(fixture)
      let number = try #require(
        try await store.beginAttempt(submission, now: now, deadline: later)
      )
      try await store.endAttempt(
        number,
        of: submission,
        outcome: "sent",
        response: "250 queued",
        recipients: [
          RecipientRecord(address: "bob@test.invalid", state: "accepted", code: 250),
          RecipientRecord(
            address: "carol@test.invalid",
            state: "refused",
            code: 550,
            enhancedStatus: "5.1.1"
          ),
        ],
        state: "sent",
        nextAttemptAt: nil,
        lastError: nil
      )
      let ended = try #require(try await store.submission(submission.id, of: fixture.account))
      #expect(ended.state == "sent")
      #expect(ended.recipients.map(\.code) == [250, 550])
      #expect(try await !store.cancelSubmission(submission.id, of: fixture.account))
    }
  }

  @Test func `what some recipients got cannot be taken back`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let submission = try await submit(fixture)
      let number = try #require(
        try await store.beginAttempt(submission, now: now, deadline: later)
      )
      try await store.endAttempt(
        number,
        of: submission,
        outcome: "deferred",
        response: nil,
        recipients: [
          RecipientRecord(address: "bob@test.invalid", state: "accepted", code: 250),
          RecipientRecord(address: "carol@test.invalid", state: "pending", code: 451),
        ],
        state: "queued",
        nextAttemptAt: later,
        lastError: nil
      )
      #expect(try await !store.cancelSubmission(submission.id, of: fixture.account))
    }
  }

  @Test func `what is cancelled is not begun`() async throws {
    try await StoreFixture.with { fixture in
      let submission = try await submit(fixture)
      #expect(try await fixture.store.cancelSubmission(submission.id, of: fixture.account))
      #expect(
        try await fixture.store.beginAttempt(submission, now: now, deadline: later) == nil
      )
      #expect(try await fixture.store.nextSubmissionDue(after: Timestamp(seconds: 0)) == nil)
    }
  }

  @Test func `the copy of a sent message is filed once`() async throws {
    try await StoreFixture.with { fixture in
      let submission = try await submit(fixture)
      for _ in 0..<2 {
        try await fixture.store.fileSentCopy(
          of: submission,
          Delivery(
            StoreFixture.mail(nil, ["$seen"]),
            try RawBlob([0x41], by: Compressors()),
            into: fixture.archive.id
          )
        )
      }
      #expect(try await fixture.counters(fixture.archive) == [1, 0])
    }
  }
}
