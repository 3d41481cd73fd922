import Bytes
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Search", .timeLimit(.minutes(6))) struct SearchTests {
  /// Six messages of the inbox, newest last, with what the operators look into.
  private static func samples() -> [NewMessage] {
    [
      mail(
        1,
        "Lunch on Friday",
        from: "Ada Lovelace <ada@example.org>",
        to: "Bob <bob@example.org>"
      ),
      mail(2, "Invoice 2026-17", from: "Billing <billing@shop.example>", to: "bob@example.org") {
        $0.text(
          .extraFields,
          "List-Id: Shop news\r\n \t <news.shop.example>\r\nPrecedence: bulk\r\n"
        )
        $0.text(.attachments, #"[{"name":"invoice-17.pdf","type":"application/pdf"}]"#)
      },
      mail(
        3,
        "Re: Lunch on Friday",
        ["$seen"],
        from: "Bob <bob@example.org>",
        to: "Ada Lovelace <ada@example.org>, Carol <carol@example.org>",
        cc: #"[{"name":"Carol","email":"carol@example.org"}]"#
      ),
      mail(
        4,
        "Grüße aus 100% Köln",
        ["$seen", "$flagged"],
        from: "Jürgen <j@example.de>",
        to: "ada"
      ),
      mail(5, nil, ["$draft"], from: nil, to: nil),
      mail(
        6,
        "Invoice reminder",
        from: "Billing <billing@shop.example>",
        to: "bob@example.org",
        90_000
      ),
    ]
  }

  private static func mail(
    _ uid: Int64,
    _ subject: String?,
    _ keywords: [String] = [],
    from: String?,
    to: String?,
    cc: String? = nil,
    _ size: Int64 = 1000,
    _ more: (inout MessageColumns) -> Void = { _ in }
  ) -> NewMessage {
    var message = NewMessage(
      uid: uid,
      keywords: keywords,
      isDeleted: false,
      receivedAt: Timestamp(seconds: 1_767_225_600 + uid * 86_400),
      size: size,
      identity: Array("\(uid)".utf8),
      threadID: uid,
      sentAt: nil,
      hasAttachment: uid == 2
    )
    message.columns.text(.subject, subject)
    if let cc { message.columns.text(.cc, cc) }
    message.columns.text(.messageIDs, #"["\#(uid)@test.invalid"]"#)
    message.columns.text(.fromText, from)
    message.columns.text(.toText, to)
    message.columns.text(.messageID, "\(uid)@test.invalid")
    more(&message.columns)
    return message
  }

  /// Follows the feed to its end, whatever holds it up.
  private static func index(_ fixture: StoreFixture) async throws {
    let wanted = try await fixture.pool.query("select count(*) from message").int64(0, 0)
    try await eventually("every message is indexed") {
      while case .added = try await fixture.store.indexForSearch(limit: 2) {}
      return try await fixture.pool.query("select count(*) from message_search").int64(0, 0)
        == wanted
    }
    try await fixture.store.settleSearchIndex()
  }

  /// The UIDs that a query finds, in the order of the list, a page of two at a time.
  private func find(
    _ text: String,
    in mailbox: Mailbox? = nil,
    _ fixture: StoreFixture,
    _ findings: SearchFindings = SearchFindings(),
    limit: Int = 2
  ) async throws -> [Int64] {
    var query = MessageQuery()
    query.mailbox = mailbox?.id
    query.search = try SearchParser.parse(text)
    var found: [Int64] = []
    var position: MessagePosition?
    repeat {
      let page = try await fixture.store.messages(
        of: fixture.account,
        query,
        findings,
        after: position,
        limit: limit
      )
      for row in 0..<page.count { found.append(page.row(row).backendUID ?? 0) }
      position = page.hasMore ? try page.lastPosition : nil
    } while position != nil
    let count = try await fixture.store.countMessages(of: fixture.account, query, findings)
    #expect(count == Int64(found.count), "\(text)")
    return found
  }

  @Test func `each operator finds what it should, in the account and in a mailbox`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge(Self.samples())
      try await Self.index(fixture)
      let cases: [(String, [Int64])] = [
        ("from:ada", [1]), ("from:EXAMPLE.ORG", [3, 1]), ("from:billing -from:ada", [6, 2]),
        ("to:carol", [3]), ("cc:carol", [3]), ("cc:ada", []), ("bcc:ada", []),
        ("subject:lunch", [3, 1]), (#"subject:"lunch on""#, [3, 1]), ("subject:re:", [3]),
        ("subject:grüße", [4]), ("subject:GRÜSSE", []), ("subject:100%", [4]), ("subject:10_%", []),
        ("lunch", [3, 1]), ("lun", [3, 1]), ("unch", []), (#""on friday""#, [3, 1]),
        (#""friday on""#, []), ("example", [4, 3, 2, 1, 6].sorted(by: >)), ("invoice-17.pdf", [2]),
        ("invoice reminder", [6]), ("lunch OR reminder", [6, 3, 1]), ("-lunch", [6, 5, 4, 2]),
        ("filename:17.pdf", [2]), ("filename:pdf", [2]), ("has:attachment", [2]),
        ("list:news.shop", [2]), ("list:.shop.", [2]), ("list:nope", []),
        ("subject:riday", [3, 1]), (#"subject:"unch on fr""#, [3, 1]), ("subject:17", [2]),
        (#"subject:"on lunch""#, []), ("to:ob", [6, 2, 1]), ("to:@example.org", [6, 3, 2, 1]),
        ("filename:ice-1", [2]), (#"subject:"(""#, []), ("subject:e -from:billing", [4, 3]),
        ("subject:nvo from:billing", [6, 2]), ("subject:zzz OR from:ada", [1]),
        ("header:Precedence=bulk", [2]), ("header:List-Id", [2]), ("header:cc", [3]),
        ("header:Message-ID=4@", [4]), ("header:Message-ID=<4@test.invalid>", [4]),
        ("header:Cc=email", []), (#"header:Cc="carol <carol@""#, [3]), (#"list:"news <""#, [2]),
        ("in:inbox is:unread", [6, 5, 2, 1]), ("in:Archive", []),
        ("in:\(fixture.inbox.id) is:flagged", [4]), ("is:draft", [5]), ("-is:unread", [4, 3]),
        ("after:2026-01-05", [6, 5, 4]), ("before:2026-01-03", [1]), ("larger:20K", [6]),
        ("smaller:20K from:billing", [2]), ("-(lunch OR invoice) -is:draft", [4]),
        ("from:ada OR is:draft", [5, 1]), ("thread:\(ID<MessageThread>(3))", [3]), ("it's", []),
        (#"from:"o'brien \\ %""#, []), ("!lunch!", [3, 1]), ("j@example.de", [4]),
        ("subject:%", [4]), ("-subject:%", [6, 5, 3, 2, 1]), (#""lunch 😀 on ! friday""#, [3, 1]),
      ]
      for (text, wanted) in cases {
        #expect(try await find(text, fixture) == wanted, "\(text)")
        #expect(try await find(text, in: fixture.inbox, fixture) == wanted, "\(text) in the inbox")
        #expect(try await find(text, fixture, limit: 1) == wanted, "\(text), one a page")
      }
      let id = try #require(try await fixture.ids()[4])
      #expect(try await find("id:\(id)", fixture) == [4])
      #expect(try await find("lunch", in: fixture.archive, fixture) == [])
    }
  }

  @Test func `what is sent to very many is found by all else, and by each of them`() async throws {
    try await StoreFixture.with { fixture in
      let many = (1...1000).map { "Reader \($0) <reader\($0)@list.example>" }
      let message = Self.mail(
        1,
        "The needle",
        from: "Ada <ada@example.org>",
        to: many.joined(separator: ", ")
      ) {
        $0.text(.extraFields, "List-Id: Readers\r\n <many.list.example>\r\n")
      }
      try await fixture.merge([message])
      try await Self.index(fixture)
      for text in [
        "needle", "subject:needl", "list:many.list", "to:reader1000@", "reader1000", "readers",
      ] {
        #expect(try await find(text, fixture) == [1], "\(text)")
      }
    }
  }

  @Test func `a mailbox is named in any case of letters, by its path as it stands`() async throws {
    try await StoreFixture.with { fixture in
      var below = StoreFixture.listing("Case.Sub")
      below.name = "Sub"
      below.delimiter = "."
      let listings = [StoreFixture.listing("Case"), StoreFixture.listing("CASE"), below]
      var ids: [ID<Mailbox>] = []
      for (index, listing) in listings.enumerated() {
        let made = try await fixture.store.addMailbox(listing, of: fixture.account)
        let box = try await fixture.store.beginSync(of: try #require(made), uidValidity: 7)
        let uid = Int64(index + 1)
        try await fixture.merge([Self.mail(uid, "Some", from: nil, to: nil)], into: box)
        ids.append(box.id)
      }
      for (name, wanted) in [
        ("Case", [2, 1]), ("case", [2, 1]), ("case.sub", [3]), ("SUB", [3]), ("Case/Sub", []),
      ] as [(String, [Int64])] {
        #expect(try await find("in:\(name)", fixture) == wanted, "\(name)")
      }
      #expect(try await find("in:\(ids[0])", fixture) == [1])
    }
  }

  @Test func `the index follows what comes and goes, and a preview that becomes known`()
    async throws
  {
    try await StoreFixture.with { fixture in
      try await fixture.merge(Self.samples())
      #expect(try await find("lunch", fixture) == [])
      try await Self.index(fixture)
      #expect(try await find("lunch", fixture) == [3, 1])
      let id = try #require(try await fixture.ids()[1])
      try await fixture.store.holdVanished([3], from: fixture.inbox)
      try await fixture.removeHeld()
      try await Self.index(fixture)
      #expect(try await find("lunch", fixture) == [1])
      _ = try await fixture.pool.query(
        "update message set preview = 'about the soup' where id = \(id.rawValue)"
      )
      try await fixture.store.reindexForSearch([id], of: fixture.account)
      #expect(try await find("soup", fixture) == [1])
      #expect(try await fixture.store.deleteAccount(fixture.account))
      #expect(try await fixture.pool.query("select count(*) from message_search").int64(0, 0) == 0)
    }
  }

  @Test func `many are indexed by two connections, or not at all while another node is at it`()
    async throws
  {
    try await StoreFixture.with { fixture in
      try await fixture.merge(
        (1...2500).map { Self.mail(Int64($0), "Number \($0)", from: nil, to: nil) }
      )
      let count = "select count(*) from message_search"
      try await fixture.pool.transaction { connection in
        // The lock of one of the four parts.
        _ = try await connection.query("select pg_advisory_xact_lock(\(Int64(0x5EA2_C4ED) + 2))")
        try await eventually("what is there is seen") {
          try await fixture.store.indexForSearch(limit: 100, width: 2) == .busy
        }
      }
      try await eventually("all is indexed") {
        while case .added = try await fixture.store.indexForSearch(limit: 100, width: 2) {}
        return try await fixture.pool.query(SQL(unsafeSQL: count)).int64(0, 0) == 2500
      }
      let words = "select count(*) from search_word where word = '2500'"
      #expect(try await fixture.pool.query(SQL(unsafeSQL: words)).int64(0, 0) == 1)
    }
  }

  @Test func `texts of what is kept here are found, by words and by their parts`() async throws {
    try await StoreFixture.with { fixture in
      var message = Self.mail(9, "Draft", from: "Ada <ada@example.org>", to: nil)
      message.uid = nil
      let raw = Array("Subject: Draft\r\nX-Project: Zeppelin\r\n\r\nAirships over Köln".utf8)
      let (store, account) = (fixture.store, fixture.account)
      let id = try await fixture.keep(
        message,
        raw: raw,
        into: fixture.inbox.id
      )
      try await fixture.merge(Self.samples())
      try await Self.index(fixture)
      #expect(try await find("airships", fixture) == [])
      let blobs = try await store.unreadBlobs(limit: 10)
      #expect(blobs.map(\.account) == [account])
      let blob = try #require(blobs.first?.id)
      let texts = BlobTexts(header: "X-Project: Zeppelin\n", body: "Airships over Köln")
      try await store.setTexts(texts, of: blob, in: account)
      #expect(try await store.unreadBlobs(limit: 10).isEmpty)
      for text in ["airships", "body:rship", #"body:"over kö""#, "köln from:ada", "airships köln"] {
        #expect(try await find(text, fixture) == [0], "\(text)")
        #expect(try await find(text, in: fixture.inbox, fixture) == [0], "\(text)")
      }
      #expect(try await find("body:lunch", fixture) == [])
      let term = SearchTerm.header(name: "x-project", value: "zepp")
      #expect(
        try await store.localMessages(with: term, of: account, deadline: .now + .seconds(60)) == [
          id
        ]
      )
      let other = SearchTerm.header(name: "x-project", value: "x")
      #expect(
        try await store.localMessages(with: other, of: account, deadline: .now + .seconds(60)) == []
      )
    }
  }

  @Test func `what servers found is one with what the database knows`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge(Self.samples())
      try await Self.index(fixture)
      let ids = try await fixture.ids()
      let body = SearchTerm.field(.body, "soup")
      let header = SearchTerm.header(name: "X-Spam", value: "yes")
      let findings = SearchFindings(messages: [
        body: [1, 3, 4].compactMap { ids[$0] }, header: [2, 4].compactMap { ids[$0] },
      ])
      let cases: [(String, [Int64])] = [
        ("body:soup", [4, 3, 1]), ("body:soup lunch", [3, 1]),
        ("body:soup OR from:billing", [6, 4, 3, 2, 1]),
        ("-body:soup -is:draft", [6, 2]), ("header:X-Spam=yes", [4, 2]),
        ("header:X-Spam=yes body:soup", [4]), ("body:soup is:flagged", [4]), ("body:other", []),
      ]
      for (text, wanted) in cases {
        for mailbox in [nil, fixture.inbox] {
          #expect(try await find(text, in: mailbox, fixture, findings) == wanted, "\(text)")
        }
      }
      let uids: [Int64] = [2, 5, 77]
      let found = try await fixture.store.messages(
        withUIDs: uids,
        in: fixture.inbox.id,
        of: fixture.account
      )
      #expect(Set(found) == Set([2, 5].compactMap { ids[$0] }))
    }
  }

  @Test func `servers are asked for bodies and for fields that are not kept`() throws {
    #expect(
      try SearchParser.parse("-(body:x) body:x header:X-Spam=yes header:list-ID=a word")
        .termsOfServers
        == [.field(.body, "x"), .header(name: "X-Spam", value: "yes")]
    )
    #expect(try SearchParser.parse("header:cc x").termsOfServers == [])
  }
}
