import MailProtocols
import MailTransport
import Net
import Synchronization
import TestSupport
import Testing

/// A server whose users were all there when it started, since Dovecot looks for new ones once a
/// second only.
private struct IMAPTestServer: Sendable {
  let dovecot: DovecotServer
  private static let userCount = 40
  private static let taken = Atomic<Int>(0)

  static let rich = Task { try await IMAPTestServer(.init()) }
  static let poor = Task { try await IMAPTestServer(.init(capabilities: "IMAP4rev1")) }

  init(_ options: DovecotServer.Options) async throws {
    let users = (0..<Self.userCount).map { "user\($0)" }
    dovecot = try await DovecotServer.start(users: users, options: options)
  }

  /// A user that no other test has.
  func newUser() throws -> String {
    let number = Self.taken.wrappingAdd(1, ordering: .relaxed).oldValue
    try #require(number < Self.userCount)
    return "user\(number)"
  }
}

@Suite("IMAP client against Dovecot", .serialized)
struct IMAPDovecotTests {
  private let dovecot: DovecotServer
  private let fixture: IMAPFixture
  private let user: String

  init() async throws {
    let server = try await IMAPTestServer.rich.value
    dovecot = server.dovecot
    fixture = try IMAPFixture(caFile: dovecot.caFile)
    user = try server.newUser()
  }

  @Test(arguments: [TLSMode.none, .starttls, .implicit])
  func `login works over each kind of connection`(tls: TLSMode) async throws {
    let port = tls == .implicit ? dovecot.imapsPort : dovecot.imapPort
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.connect(port, tls: tls)
      #expect(client.isSecure == (tls != .none))
      #expect(!client.capabilities.contains(.move))
      try await client.authenticate(username: user, password: dovecot.password)
      #expect(client.capabilities.contains(.move))
      #expect(try await client.id([("name", "test")])["name"] == "Dovecot")
      #expect(try await client.namespaces().personal.map(\.delimiter) == [0x2F])
      #expect(try await client.enable([.condStore, .utf8Accept]) == [.condStore])
      try await client.noop()
      try await client.logout()
      #expect(!client.isUsable)
    }
  }

  @Test func `an authority that is not trusted ends the connection`() async throws {
    let fixture = try IMAPFixture()
    let dovecot = dovecot
    let error = try await fixture.run {
      await imapError { () throws(IMAPError) in
        _ = try await fixture.connect(dovecot.imapPort, tls: .starttls)
      }
    }
    guard case .network(.tls)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `a wrong password is refused and never repeated`() async throws {
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.connect(dovecot.imapPort)
      let error = await imapError { () throws(IMAPError) in
        try await client.authenticate(username: user, password: "hunter2")
      }
      guard case .authenticationFailed(let text, let code)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(!text.isEmpty)
      #expect(code?.name == "AUTHENTICATIONFAILED")
      #expect(!"\(String(describing: error))".contains("hunter2"))
    }
  }

  @Test func `mailboxes are made, listed with all about them, renamed and deleted`() async throws {
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let name = MailboxName("Entwürfe & \"mehr\"/日本")
      try await client.create(name)
      try await client.subscribe(name)
      let items = client.supportedStatusItems([.messages, .uidValidity, .highestModSeq, .mailboxID])
      #expect(!items.contains(.mailboxID))
      var all = try await client.list(returning: ListOptions(status: items))
      let made = try #require(all.first { $0.name == name })
      #expect(made.attributes.contains(.subscribed))
      #expect(made.status?.messages == 0)
      #expect(made.status?.uidValidity != nil)
      #expect(made.components == ["Entwürfe & \"mehr\"", "日本"])
      #expect(all.first { $0.specialUse == .sent }?.name == MailboxName("Sent"))
      try await client.rename(name, to: MailboxName("plain"))
      try await client.unsubscribe(name)
      try await client.delete(MailboxName("plain"))
      all = try await client.list()
      #expect(!all.contains { $0.name == name || $0.name == MailboxName("plain") })
      let error = await imapError { () throws(IMAPError) in try await client.select(name) }
      guard case .refused("SELECT", _, _)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(client.isUsable)
    }
  }

  @Test func `the sync fetch comes newest first, in batches`() async throws {
    try await dovecot.fill(user: user, count: 60)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let inbox = try await client.select(.inbox)
      #expect(inbox.exists == 60)
      #expect(inbox.uidNext == 61)
      #expect(inbox.uidValidity != nil)
      #expect(inbox.highestModSeq != nil)
      #expect(!inbox.isReadOnly && inbox.allowsNewKeywords)
      let fetch = client.fetchSummaries(
        UIDSet(UID(1)...UID(60)),
        batchSize: 25,
        firstBatchSize: 10
      )
      var batches: [[UID]] = []
      while let batch = try await fetch.next() {
        batches.append(batch.compactMap(\.uid))
        for message in batch {
          #expect(message.flags != nil && message.internalDate != nil && message.size ?? 0 > 0)
          #expect(message.envelope != nil && message.bodyStructure != nil)
          #expect(message.section("HEADER.FIELDS") != nil)
          #expect(message.malformedItems.isEmpty)
        }
      }
      #expect(batches.map(\.count) == [10, 25, 25])
      #expect(batches.map(\.first) == [51, 26, 1])
      let flags = try await client.fetchFlags(.all)
      #expect(flags.map(\.uid) == (1...60).map { UID($0) })
      #expect(flags.count(where: { $0.flags.contains(.seen) }) == 30)
    }
  }

  @Test func `an operation after an unfinished fetch drops the rest of it`() async throws {
    try await dovecot.fill(user: user, count: 30)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      try await client.select(.inbox)
      let fetch = client.fetchSummaries(UIDSet(UID(1)...UID(30)), batchSize: 5, firstBatchSize: nil)
      #expect(try await fetch.next()?.count == 5)
      #expect(try await client.search(.all).count == 30)
      let body = client.fetchBody(1, .message)
      #expect(try await body.next() != nil)
      try await client.noop()
      #expect(try await client.fetchBytes(2, .header, upTo: 100_000).isEmpty == false)
    }
  }

  @Test func `flags are added and removed, and searches find them`() async throws {
    try await dovecot.fill(user: user, count: 5)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      try await client.select(.inbox)
      let keyword = try #require(Flag("$Project"))
      try await client.store(UIDSet([1, 2, 9]), .add, [.flagged, keyword])
      let statuses = try await client.store([
        (uids: UIDSet(1), change: .remove, flags: [.flagged]),
        (uids: UIDSet(3), change: .replace, flags: [.seen]),
      ])
      #expect(statuses.map(\.condition) == [.ok, .ok])
      #expect(try await client.search(.flag(keyword)) == UIDSet([1, 2]))
      #expect(try await client.search(.and([.flag(keyword), .flag(.flagged)])) == UIDSet(2))
      let flags = try await client.fetchFlags(UIDSet([3]))
      #expect(flags.first?.flags.filter { $0 != .recent } == [.seen])
    }
  }

  @Test func `messages are copied, moved and expunged, and their new UIDs are known`() async throws
  {
    try await dovecot.fill(user: user, count: 6)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      try await client.select(.inbox)
      let archive = MailboxName("Archive")
      try await client.create(archive)
      let copied = try await client.copy(UIDSet([1, 3]), to: archive)
      #expect(copied?.pairs.map(\.source) == [1, 3])
      #expect(copied?.pairs.map(\.destination) == [1, 2])
      let moved = try await client.move(UIDSet([2]), to: archive)
      #expect(moved.isSourceRemoved)
      #expect(moved.copyUID?.destination(of: 2) == 3)
      #expect(client.takeEvents() == [.expunged(sequenceNumber: 2)])
      #expect(client.selected?.exists == 5)
      try await client.store(UIDSet([4, 5]), .add, [.deleted])
      try await client.expunge(UIDSet(4))
      #expect(try await client.search(.all) == UIDSet([1, 3, 5, 6]))
      let counters = try await client.statuses([archive, MailboxName("none")], [.messages])
      #expect(counters[archive]?.messages == 3)
      #expect(counters.count == 1)
    }
  }

  @Test func `a message appended is there byte for byte`() async throws {
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let message = SampleMail.message(3)
      let date = InternalDate(secondsSince1970: 1_000_000_000, offsetMinutes: 120)
      let first = try await client.append(
        message,
        to: .inbox,
        flags: [.seen],
        internalDate: date
      )
      #expect(first?.uid == 1)
      let missing = await imapError { () throws(IMAPError) in
        try await client.append(message, to: MailboxName("none"))
      }
      guard case .refused("APPEND", _, let code)? = missing else {
        Issue.record("\(String(describing: missing))")
        return
      }
      #expect(code?.name == "TRYCREATE")
      try await client.examine(.inbox)
      #expect(try await client.fetchBytes(1, .message, upTo: 1 << 20) == message)
      let fetch = client.fetch(.all, .identity)
      let found = try await fetch.next()?.first
      #expect(found?.internalDate?.secondsSince1970 == 1_000_000_000)
      #expect(found?.flags?.contains(.seen) == true)
      #expect(found?.size == message.count)
      let part = try await client.fetchBytes(
        1,
        BodySection.message.bytes(from: 5, count: 7),
        upTo: 100
      )
      #expect(part == Array(message[5..<12]))
      let gone = await imapError { () throws(IMAPError) in
        _ = try await client.fetchBytes(99, .message, upTo: 100)
      }
      #expect(gone == .notFound)
      #expect(client.isUsable)
    }
  }

  @Test func `a literal of 50 MB goes there and back without gathering`() async throws {
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let head = Array("From: a@b\r\nSubject: great\r\n\r\n".utf8)
      let block = Array(String(repeating: "0123456789abcde\r\n", count: 3856).utf8)
      let blocks = 800
      let count = head.count + block.count * blocks
      var sent = -1
      try await client.append(count: count, to: .inbox) {
        sent += 1
        return sent == 0 ? head : sent <= blocks ? block : nil
      }
      try await client.select(.inbox)
      let fetch = client.fetchBody(1, .message)
      var total = 0
      var greatest = 0
      var isEqual = true
      while let piece = try await fetch.next() {
        let offset = total - head.count
        if offset >= 0, piece.first != block[offset % block.count] { isEqual = false }
        total += piece.count
        greatest = max(greatest, piece.count)
      }
      #expect(total == count)
      #expect(greatest <= 64 << 10)
      #expect(isEqual)
      try await client.noop()
    }
  }

  @Test func `IDLE tells of a delivery, ends at its deadline, and by a call`() async throws {
    try await dovecot.fill(user: user, count: 1)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      try await client.select(.inbox)
      #expect(try await client.idle(until: .now).isEmpty)
      let other = try await fixture.login(dovecot, user)
      try await other.append(SampleMail.message(1), to: .inbox)
      let events = try await client.idle(until: .after(.seconds(30)))
      #expect(events == [.exists(2)])
      async let idling = client.idle(until: .after(.seconds(60)))
      try await eventually("IDLE begins") { client.isIdling }
      try await client.endIdle()
      #expect(try await idling.isEmpty)
      #expect(try await client.search(.all).count == 2)
    }
  }

  @Test func `IDLE goes on after what its caller deals with at once`() async throws {
    try await dovecot.fill(user: user, count: 1)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      try await client.select(.inbox)
      let other = try await fixture.login(dovecot, user)
      let told = ToldEvents()
      async let idling = client.idle(until: .after(.seconds(60))) {
      } goesOn: { events in
        told.events.withLock { $0 += events }
        return events == [.exists(2)]
      }
      try await eventually("IDLE begins") { client.isIdling }
      try await other.append(SampleMail.message(1), to: .inbox)
      try await eventually("the first is told") { told.events.withLock { !$0.isEmpty } }
      try await other.append(SampleMail.message(2), to: .inbox)
      #expect(try await idling == [.exists(3)])
      #expect(told.events.withLock { $0 } == [.exists(2), .exists(3)])
    }
  }

  @Test func `a session that is kicked says so, and stays broken`() async throws {
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      try await dovecot.kick(user)
      // doveadm does not wait for the session's end.
      var error: IMAPError?
      try await eventually("the session ends") {
        error = await imapError { () throws(IMAPError) in try await client.noop() }
        return error != nil
      }
      #expect(error?.hasBrokenConnection == true)
      #expect(!client.isUsable)
      let again = await imapError { () throws(IMAPError) in try await client.noop() }
      #expect(again == error)
    }
  }
}

@Suite("IMAP client against a poor server", .serialized)
struct IMAPPoorServerTests {
  private let dovecot: DovecotServer
  private let fixture: IMAPFixture
  private let user: String

  init() async throws {
    let server = try await IMAPTestServer.poor.value
    dovecot = server.dovecot
    fixture = try IMAPFixture()
    user = try server.newUser()
  }

  @Test func `moving leaves the source flagged, and another's deletion survives`() async throws {
    try await dovecot.fill(user: user, count: 4)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      #expect(!client.capabilities.contains(.uidPlus))
      try await client.select(.inbox)
      let archive = MailboxName("Archive")
      try await client.create(archive)
      try await client.store(UIDSet(4), .add, [.deleted])
      let outcome = try await client.move(UIDSet([1, 2]), to: archive)
      #expect(!outcome.isSourceRemoved)
      let error = await imapError { () throws(IMAPError) in try await client.expunge(UIDSet(1)) }
      #expect(error == .unsupported("UIDPLUS"))
      #expect(try await client.expungeUnlessOthersDeleted(UIDSet([1, 2])) == false)
      #expect(try await client.search(.all).count == 4)
      try await client.store(UIDSet(4), .remove, [.deleted])
      #expect(try await client.expungeUnlessOthersDeleted(UIDSet([1, 2])))
      #expect(try await client.search(.all) == UIDSet([3, 4]))
      #expect(client.takeEvents().count(where: { $0 == .expunged(sequenceNumber: 1) }) >= 1)
    }
  }

  @Test func `subscriptions come by LSUB, IDLE is not there`() async throws {
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let all = try await client.list()
      #expect(
        all.first { $0.name == MailboxName("Sent") }?.attributes.contains(.subscribed) == true
      )
      #expect(all.first { $0.name == .inbox }?.attributes.contains(.subscribed) == false)
      let error = await imapError { () throws(IMAPError) in
        _ = try await client.idle(until: .after(.seconds(1)))
      }
      #expect(error == .unsupported("IDLE"))
      let message = SampleMail.message(2)
      try await client.append(message, to: .inbox)
      #expect(try await client.status(.inbox, [.messages]).messages == 1)
    }
  }
}

/// What IDLE told its caller at once.
private final class ToldEvents: Sendable {
  let events = Mutex<[MailboxEvent]>([])
}
