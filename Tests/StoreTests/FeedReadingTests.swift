import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("The feed of all accounts", .timeLimit(.minutes(6))) struct FeedReadingTests {
  /// Reads on from `position` until nothing is left; transactions of other databases may hold it up.
  private func read(
    _ fixture: StoreFixture,
    after position: FeedPosition,
    accounts: [ID<Account>]? = nil,
    atLeast count: Int
  ) async throws -> [FeedTransaction] {
    var found: [FeedTransaction] = []
    var position = position
    try await eventually("\(count) transactions") {
      let slice = try await fixture.store.feedSlice(
        after: position,
        accounts: accounts,
        limit: 3
      )
      found += slice.transactions
      position = slice.position
      return found.count >= count && !slice.hasMore
    }
    return found
  }

  /// Waits until everything that was committed can be read, whatever other tests have open, and says where that is.
  private func settle(_ fixture: StoreFixture) async throws -> FeedCursor {
    try await eventuallyFind("a feed that nothing holds up") {
      let cursor = try await fixture.store.feedCursor()
      let slice = try await fixture.store.feedSlice(after: cursor.position, limit: 1)
      return slice.isHeldUp || !slice.transactions.isEmpty ? nil : cursor
    }
  }

  @Test func `a mailbox of which anything may have changed is no less so when its counters change`()
    async throws
  {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      let start = try await store.feedState(of: account)
      var listings = ["INBOX", "Old", "Trash"].map { StoreFixture.listing($0) }
      listings[0].role = "inbox"
      _ = try await store.storeListing(listings, renamed: [fixture.archive.id: "Old"], of: account)
      for uid in 1...3 {
        try await fixture.merge([StoreFixture.mail(Int64(uid))], into: fixture.archive)
        try await fixture.merge([StoreFixture.mail(Int64(uid))], into: fixture.inbox)
        let told = try await store.changes(of: account, since: start, limit: 100)
        #expect(told.mailboxes.updated.contains(fixture.archive.id.rawValue))
        #expect(told.mailboxProperties[fixture.archive.id.rawValue] == nil)
        #expect(
          told.mailboxProperties[fixture.inbox.id.rawValue] == ["totalMessages", "unreadMessages"]
        )
      }
    }
  }

  @Test func `it tells of each transaction once, in the order of commits`() async throws {
    try await StoreFixture.with { fixture in
      let other = try await StoreFixture.newAccount(fixture.store)
      let boxes = try await fixture.store.storeListing([StoreFixture.listing("INBOX")], of: other)
      let box = try #require(boxes.first)
      let start = try await settle(fixture)
      for uid in 1...4 {
        try await fixture.merge([StoreFixture.mail(Int64(uid))])
        try await fixture.merge([StoreFixture.mail(Int64(uid))], into: box)
      }
      let found = try await read(fixture, after: start.position, atLeast: 8)
      #expect(found.count == 8)
      #expect(found.map(\.account) == (0..<4).flatMap { _ in [fixture.account, other] })
      #expect(found.map(\.cursor.position) == found.map(\.cursor.position).sorted())
      #expect(found.allSatisfy { $0.changes.messages.created.count == 1 })
      #expect(found.allSatisfy { $0.changes.nouns == [.messages, .mailboxes, .threads] })
      let states = found.filter { $0.account == other }.map { ($0.oldState, $0.changes.newState) }
      for (before, after) in zip(states, states.dropFirst()) { #expect(before.1 == after.0) }
      let mine = try await read(
        fixture,
        after: found[2].cursor.position,
        accounts: [fixture.account],
        atLeast: 2
      )
      #expect(mine.map(\.account) == [fixture.account, fixture.account])
    }
  }

  @Test func `what is committed beside an open transaction is told after it`() async throws {
    try await StoreFixture.with { fixture in
      let start = try await settle(fixture)
      try await fixture.pool.transaction { open in
        _ = try await open.query("select pg_current_xact_id()")
        try await fixture.merge([StoreFixture.mail(1)])
        let slice = try await fixture.store.feedSlice(after: start.position, limit: 10)
        #expect(slice.transactions.isEmpty)
        #expect(slice.isHeldUp)
      }
      let found = try await read(fixture, after: start.position, atLeast: 1)
      #expect(found.count == 1)
    }
  }

  @Test func `a commit is told when it is there, and a rollback is not told`() async throws {
    try await StoreFixture.with { fixture in
      let (told, teller) = AsyncStream.makeStream(of: Void.self)
      fixture.store.commits.listen { teller.yield() }
      await #expect(throws: ServiceError.self) {
        var patch = MessagePatch()
        patch.addMailboxes = [ID(1)]
        try await fixture.merge([StoreFixture.mail(1)])
        let id = try #require(try await fixture.ids()[1])
        _ = try await fixture.store.changeMessages([id], of: fixture.account, patch)
      }
      fixture.store.commits.listen(nil)
      teller.finish()
      var count = 0
      for await _ in told { count += 1 }
      #expect(count == 1)
    }
  }

  @Test func `what was trimmed makes older states and positions too old`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let (cursor, state) = (try await settle(fixture), try await fixture.seq())
      for uid in 1...5 { try await fixture.merge([StoreFixture.mail(Int64(uid))]) }
      _ = try await fixture.pool.query(
        "update change set at = at - interval '2 days' where seq <= \(state + 4)"
      )
      _ = try await settle(fixture)
      #expect(try await store.trimFeed(olderThan: 3 * 86_400, limit: 100) == false)
      try await store.checkResumable(cursor)
      var rounds = 1
      while try await store.trimFeed(olderThan: 86_400, limit: 3) { rounds += 1 }
      #expect(rounds > 1)
      #expect(await errorCode { try await store.checkResumable(cursor) } == .stateTooOld)
      var since = try await store.feedState(of: fixture.account)
      since.seq = state + 3
      #expect(
        await errorCode {
          _ = try await store.changes(of: fixture.account, since: since, limit: 10)
        } == .stateTooOld
      )
      since.seq = state + 4
      let left = try await store.changes(of: fixture.account, since: since, limit: 100)
      #expect(left.messages.created.count == 3)
      // What is left is whole, as the fixture checks: put back what it counts.
      _ = try await fixture.pool.query(
        """
        insert into change (account_id, seq, noun, action, ids)
        select \(fixture.account.rawValue), n, 'account', 'updated', '{}'
        from generate_series(1, \(since.seq)) as n
        """
      )
    }
  }
}
