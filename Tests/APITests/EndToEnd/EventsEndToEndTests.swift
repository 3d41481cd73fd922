import Bytes
import Engine
import Model
import Postgres
import Store
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: events", .tags(.database), .timeLimit(.minutes(6)))
struct EventsEndToEndTests {
  private static func with(
    _ change: (inout TestService.Options) -> Void = { _ in },
    _ body:
      @escaping @Sendable (TestService, APIClient, _ account: ID<Account>, _ inbox: Mailbox)
      async throws -> Void
  ) async throws {
    var options = TestService.Options()
    options.servesHTTP = true
    options.engine.feed.heartbeat = .milliseconds(100)
    options.engine.feed.tokenInterval = .milliseconds(100)
    change(&options)
    try await TestService.with(options) { service in
      let (account, inbox) = try await service.storedAccount()
      try await body(service, try await APIClient(service), account, inbox)
    }
  }

  @Test func `a change is told with what /changes says of it`() async throws {
    try await Self.with { service, api, account, inbox in
      let stream = try await service.events()
      #expect(stream.status == 200)
      #expect(stream.head["content-type"] == "text/event-stream")
      let state = try await service.store.feedState(of: account)
      try await service.merge(1, into: inbox)
      let event = try #require(try await stream.change())
      #expect(event["accountId"]?.stringValue == "\(account)")
      #expect(event["oldState"]?.stringValue == "\(state)")
      let asked = try await api.expect(
        200,
        "GET",
        "/v1/accounts/\(account)/changes?since=\(state)"
      )
      for name in EventStream.nounNames { #expect(event[name] == asked.json[name], "\(name)") }
      #expect(event["newState"] == asked.json["newState"])
    }
  }

  @Test func `a stream resumes where it ended, and nothing is told twice`() async throws {
    try await Self.with { service, _, account, inbox in
      let first = try await service.events()
      try await service.merge(1, into: inbox)
      _ = try await first.change()
      await first.close()
      for uid in 2...20 { try await service.merge(Int64(uid), into: inbox) }
      let second = try await service.events(lastEventID: first.lastID)
      for uid in 21...25 { try await service.merge(Int64(uid), into: inbox) }
      var states: [String] = []
      for _ in 2...25 {
        let event = try #require(try await second.change())
        states.append(event["newState"]?.stringValue ?? "")
      }
      #expect(Set(states).count == 24)
      #expect(states.last == "\(try await service.store.feedState(of: account))")
      let last = try #require(second.lastID)
      await second.close()
      let third = try await service.events("/v1/events?lastEventId=\(last)")
      let block = try await third.block()
      #expect(block?.id == last)
      #expect(try await third.block()?.comment == "nothing new")
    }
  }

  @Test func `filters leave out other accounts and kinds, and the place moves on`() async throws {
    try await Self.with { service, api, account, inbox in
      let (other, otherInbox) = try await service.storedAccount()
      let quiet = try await service.events("/v1/events?account=\(other)&types=messages,jobs")
      let start = try #require(try await quiet.block()?.id)
      try await service.merge(1, into: inbox)
      try await eventually("the place moves on") {
        _ = try await quiet.block()
        return quiet.lastID != start
      }
      try await service.merge(1, into: otherInbox)
      let event = try #require(try await quiet.change())
      #expect(event["accountId"]?.stringValue == "\(other)")
      #expect(event["messages"]?["created"]?.arrayValue?.count == 1)
      #expect(event["mailboxes"] == nil)
      let unknown = try await api.expect(
        422,
        code: "unprocessable",
        "GET",
        "/v1/events?account=acc_0000000000000"
      )
      #expect(unknown.pointers == ["?account"])
      try await api.expect(400, code: "invalid_request", "GET", "/v1/events?types=colours")
      let forged = [("Last-Event-ID", "AAAA")]
      try await api.expect(400, code: "cursor_invalid", "GET", "/v1/events", fields: forged)
      _ = account
    }
  }

  @Test func `a token sees its accounts only, and its end ends the stream`() async throws {
    try await Self.with { service, api, account, inbox in
      let (other, otherInbox) = try await service.storedAccount()
      let made = try await api.expect(
        201,
        "POST",
        "/v1/tokens",
        #"{"scopes":["read"],"accountIds":["\#(account)"]}"#
      )
      let token = try #require(made.json["token"]?.stringValue)
      let stream = try await service.events(token: token)
      _ = try await stream.block()
      try await service.merge(1, into: otherInbox)
      try await service.merge(1, into: inbox)
      #expect(try await stream.change()?["accountId"]?.stringValue == "\(account)")
      let refused = try await service.events("/v1/events?account=\(other)", token: token)
      #expect(refused.status == 422)
      let elsewhere = try await service.events(token: token)
      try await api.expect(204, "DELETE", "/v1/tokens/\(made.id)")
      #expect(try await stream.change() == nil)
      #expect(try await elsewhere.change() == nil)
      #expect(try await service.events(token: token).status == 401)
      // Revoked by another process, or expired: found by looking.
      let second = try await api.expect(201, "POST", "/v1/tokens", #"{"scopes":["read"]}"#)
      let watched = try await service.events(token: second.json["token"]?.stringValue)
      _ = try await watched.block()
      _ = try await service.query("update token set expires_at = now() where scopes = '{read}'")
      #expect(try await watched.change() == nil)
    }
  }

  @Test func `one that reads too slowly is dropped, and finds all when it comes back`() async throws
  {
    try await Self.with({ options in
      options.engine.feed.queuedEvents = 4
      options.engine.feed.readRows = 2
      options.engine.feed.pollInterval = .milliseconds(20)
      options.engine.feed.subscribers = 1
    }) { service, _, account, inbox in
      let slow = try await service.events()
      _ = try await slow.block()
      let start = try #require(slow.lastID)
      let count = 60
      // Each event is large, so that the socket fills while nobody reads.
      for _ in 0..<count { try await service.appendLargeChange(to: account) }
      // Before, a reader that is not slow would get all.
      try await eventually("it is dropped") { try service.engine.feed.hasRoom }
      let state = "\(try await service.store.feedState(of: account))"
      var seen = 0
      var last = ""
      while let event = try await slow.change() {
        seen += 1
        last = event["newState"]?.stringValue ?? ""
      }
      #expect(seen < count)
      var resumed = slow.lastID ?? start
      while last != state {
        let again = try await service.events(lastEventID: resumed)
        while last != state, let event = try await again.change() {
          seen += 1
          last = event["newState"]?.stringValue ?? ""
        }
        resumed = again.lastID ?? resumed
      }
      #expect(seen == count)
    }
  }

  @Test func `shutdown ends streams, and what was forgotten cannot be resumed`() async throws {
    try await Self.with { service, _, _, inbox in
      let stream = try await service.events()
      let start = try #require(try await stream.block()?.id)
      try await service.merge(1, into: inbox)
      _ = try await stream.change()
      try await service.restart()
      while try await stream.change() != nil {}
      #expect(try await service.events(lastEventID: start).change() != nil)
      try await eventually("all changes forgotten") {
        _ = try await service.store.trimFeed(olderThan: 0, limit: 1000)
        return try await service.number("select count(*) from change") == 0
      }
      #expect(try await service.events(lastEventID: start).status == 410)
      let fresh = try await service.events()
      let now = try #require(try await fresh.block()?.id)
      #expect(try await service.events(lastEventID: now).status == 200)
    }
  }

  @Test func `many listen, and each is told`() async throws {
    try await Self.with { service, _, _, inbox in
      var streams: [TestEventStream] = []
      for _ in 0..<200 {
        let stream = try await service.events()
        _ = try await stream.block()
        streams.append(stream)
      }
      for uid in 1...3 { try await service.merge(Int64(uid), into: inbox) }
      for stream in streams {
        for _ in 1...3 { #expect(try await stream.change() != nil) }
      }
    }
  }
}

extension TestService {
  /// An account without a server behind it that syncs, and a mailbox of it.
  fileprivate func storedAccount() async throws -> (ID<Account>, Mailbox) {
    let settings = BackendSettings(
      kind: .imap,
      host: "imap.test.invalid",
      port: 993,
      security: .implicit,
      authType: .password,
      username: "alice"
    )
    let account = try await store.insertAccount(
      name: "Alice",
      email: "alice@test.invalid",
      mode: .online,
      incoming: settings,
      incomingSecret: nil,
      outgoing: nil,
      outgoingSecret: nil,
      identities: []
    ).id
    let listing = MailboxListing(
      encodedName: "INBOX",
      path: "INBOX",
      name: "INBOX",
      parentEncodedName: nil,
      delimiter: "/",
      role: "inbox",
      isSubscribed: true,
      isSelectable: true
    )
    let boxes = try await store.storeListing([listing], of: account)
    let inbox = try #require(boxes.first)
    let begun = try await store.beginSync(of: inbox, uidValidity: 1)
    // Transactions of other tests' databases may hold up what was written above.
    try await eventually("the feed is read up to here") {
      try await store.feedSlice(after: store.feedCursor().position, limit: 1).isHeldUp == false
    }
    return (account, begun)
  }

  /// Stores messages as a sync would, in one transaction.
  fileprivate func merge(_ uids: [Int64], into mailbox: Mailbox) async throws {
    let batch = uids.map { uid in
      NewMessage(
        uid: uid,
        keywords: [],
        isDeleted: false,
        receivedAt: Timestamp(seconds: 1_700_000_000 + uid),
        size: 1000,
        identity: Array("\(uid)".utf8),
        threadID: uid,
        sentAt: nil,
        hasAttachment: false
      )
    }
    try await store.merge(batch, into: mailbox, progress: MailboxProgress())
  }

  /// Appends to the feed what a change of very many messages would.
  fileprivate func appendLargeChange(to account: ID<Account>) async throws {
    _ = try await query(
      """
      with bumped as (
        update account set seq = seq + 1 where id = \(account.rawValue) returning seq)
      insert into change (account_id, seq, noun, action, ids)
      select \(account.rawValue), seq, 'message', 'updated', array(select generate_series(1, 20000))
      from bumped
      """
    )
  }

  fileprivate func merge(_ uid: Int64, into mailbox: Mailbox) async throws {
    try await merge([uid], into: mailbox)
  }
}
