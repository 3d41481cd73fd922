import Model
import Store
import TestSupport
import Testing

@Suite("Lists of messages", .timeLimit(.minutes(6))) struct PagingTests {
  /// Sixty messages of which many share a date, a subject, a sender or a size.
  private func fill(_ fixture: StoreFixture) async throws {
    try await fixture.merge(
      (1...60).map { number in
        StoreFixture.mail(
          number,
          number % 2 == 0 ? ["$seen"] : [],
          subject: number % 5 == 0 ? nil : "Re: \(number % 4)",
          from: "Person \(number % 3) <p\(number % 3)@test.invalid>",
          size: 100 + number % 7,
          receivedAt: 1_700_000_000 + number / 6
        )
      }
    )
  }

  /// Every id that a walk by pages of `limit` gives.
  private func walk(
    _ fixture: StoreFixture,
    _ query: MessageQuery,
    limit: Int
  ) async throws -> [ID<Message>] {
    var ids: [ID<Message>] = []
    var position: MessagePosition?
    while ids.count < 1000 {
      let page = try await fixture.store.messages(
        of: fixture.account,
        query,
        after: position,
        limit: limit
      )
      ids += (0..<page.count).map { page.row($0).id }
      position = try page.lastPosition
      if !page.hasMore { break }
    }
    return ids
  }

  @Test(arguments: MessageQuery.Sort.allCases, [false, true])
  func `pages name every message once, whatever the order`(
    _ sort: MessageQuery.Sort,
    _ isAscending: Bool
  ) async throws {
    try await StoreFixture.with { fixture in
      try await fill(fixture)
      for isOfOneMailbox in [true, false] {
        var query = MessageQuery()
        query.mailbox = isOfOneMailbox ? fixture.inbox.id : nil
        query.sort = sort
        query.isAscending = isAscending
        let whole = try await walk(fixture, query, limit: 100)
        #expect(Set(whole).count == 60)
        for limit in [1, 7, 30] {
          #expect(try await walk(fixture, query, limit: limit) == whole)
        }
        query.isAscending.toggle()
        #expect(try await walk(fixture, query, limit: 13) == whole.reversed())
      }
    }
  }

  @Test(arguments: [MessageQuery.Sort.subject, .from])
  func `a message with a long text can end a page`(_ sort: MessageQuery.Sort) async throws {
    try await StoreFixture.with { fixture in
      // Alike for as long as is compared, apart by their first letter, and of the longest characters.
      let long = String(repeating: "x", count: 5000)
      let texts = [long + "b", long + "a", "A" + long, "b" + long, "short", "", long]
      let wide = (0..<3).map { String(repeating: "😀", count: 3000 + $0) }
      try await fixture.merge(
        (texts + wide).enumerated().map { number, text in
          StoreFixture.mail(Int64(number + 1), subject: text, from: text)
        }
      )
      for isOfOneMailbox in [true, false] {
        var query = MessageQuery()
        query.mailbox = isOfOneMailbox ? fixture.inbox.id : nil
        query.sort = sort
        for isAscending in [true, false] {
          query.isAscending = isAscending
          let whole = try await walk(fixture, query, limit: 100)
          #expect(Set(whole).count == 10)
          for limit in [1, 2, 3] {
            #expect(try await walk(fixture, query, limit: limit) == whole)
          }
        }
      }
      var query = MessageQuery()
      query.sort = sort
      for limit in 1...10 {
        let page = try await fixture.store.messages(
          of: fixture.account,
          query,
          after: nil,
          limit: limit
        )
        let position = try #require(try page.lastPosition)
        #expect(position.key.unicodeScalars.count <= 250)
      }
    }
  }

  @Test func `new mail does not shift the pages below`() async throws {
    try await StoreFixture.with { fixture in
      try await fill(fixture)
      var query = MessageQuery()
      query.mailbox = fixture.inbox.id
      let whole = try await walk(fixture, query, limit: 100)
      let first = try await fixture.store.messages(
        of: fixture.account,
        query,
        after: nil,
        limit: 20
      )
      try await fixture.merge([StoreFixture.mail(61, receivedAt: 1_800_000_000)])
      let second = try await fixture.store.messages(
        of: fixture.account,
        query,
        after: try first.lastPosition,
        limit: 20
      )
      #expect((0..<second.count).map { second.row($0).id } == Array(whole[20..<40]))
    }
  }

  @Test func `wildcards of LIKE are taken literally`() async throws {
    try await StoreFixture.with { fixture in
      let subjects = ["100% sure", "100 per cent", "a_b", "aXb", #"back\slash"#, "O'Brien; --"]
      try await fixture.merge(
        subjects.enumerated().map { StoreFixture.mail(Int64($0.offset + 1), subject: $0.element) }
      )
      for (text, found) in [
        ("100%", ["100% sure"]), ("a_b", ["a_b"]), (#"k\s"#, [#"back\slash"#]),
        ("o'brien; --", ["O'Brien; --"]), ("%", ["100% sure"]), ("SURE", ["100% sure"]),
      ] {
        var query = MessageQuery()
        query.subject = text
        let page = try await fixture.store.messages(
          of: fixture.account,
          query,
          after: nil,
          limit: 10
        )
        #expect((0..<page.count).map { page.row($0).subjectText } == found, "\(text)")
        #expect(try await fixture.store.countMessages(of: fixture.account, query) == found.count)
      }
    }
  }

  @Test func `filters agree with a count by hand`() async throws {
    try await StoreFixture.with { fixture in
      try await fill(fixture)
      var unread = MessageQuery()
      unread.isUnread = true
      var large = MessageQuery()
      large.larger = 105
      var from = MessageQuery()
      from.from = "p1@"
      from.mailbox = fixture.inbox.id
      for (query, count) in [
        (unread, (1...60).count { $0 % 2 == 1 }), (large, (1...60).count { $0 % 7 > 5 }),
        (from, (1...60).count { $0 % 3 == 1 }),
      ] {
        #expect(try await walk(fixture, query, limit: 9).count == count)
        #expect(try await fixture.store.countMessages(of: fixture.account, query) == count)
      }
    }
  }
}
