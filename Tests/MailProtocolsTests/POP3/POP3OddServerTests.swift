import Testing

@testable import MailProtocols

@Suite("POP3 servers that are odd") struct POP3OddServerTests {
  private let one = POP3MessageNumber(1)

  @Test func `bareStatus, lowercaseStatus, bareLineEnds: poor replies are replies`() throws {
    let events = try POP3Wire.events(
      "-ERR\n+ok\n+OK\nSubject: x\n\n..\n.\n-err [AUTH]no\n",
      sending: [.noop, .noop, .retrieve(one), .noop]
    )
    #expect(
      events == [
        .completed(.err()), .completed(.ok()), .began(.ok()), .text("Subject: x\n\n.\n"),
        .ended(.dot), .completed(.err("[AUTH]no")),
      ]
    )
  }

  @Test func `a message cannot write the answers to our next commands`() throws {
    let events = try POP3Wire.events(
      "+OK\r\nx\n.\n+OK 1 evil\n\r.\r\r\n.\r\n-ERR true\r\n",
      sending: [.retrieve(one), .uniqueID(one)]
    )
    #expect(
      events == [
        .began(.ok()), .text("x\n.\n+OK 1 evil\n\r.\r\r\n"), .ended(.dot),
        .completed(.err("true")),
      ]
    )
  }

  @Test func `strayLines: a dot behind a refusal, and blank lines, are passed over`() throws {
    let events = try POP3Wire.events(
      "\r\n-ERR no\r\n.\r\n \r\n+OK\r\n",
      sending: [.uniqueIDs, .noop]
    )
    #expect(events == [.completed(.err("no")), .completed(.ok())])
  }

  @Test func `malformedLine, extraSpaces, missingUniqueID: one bad line costs no other`() throws {
    let events = try POP3Wire.events(
      "+OK\r\n1 a\r\n\r\nx y\r\n0 b\r\n 2 \t c \r\n99999999999 d\r\n3\r\n4x\r\n.\r\n",
      sending: [.uniqueIDs]
    )
    func line(_ number: UInt32, _ id: String?) -> POP3Session.Event {
      .uniqueID(
        POP3UniqueIDListing(
          number: POP3MessageNumber(number),
          uniqueID: id.map { POP3UniqueID($0) }
        )
      )
    }
    #expect(
      events == [
        .began(.ok()), line(1, "a"), .malformedLine, .malformedLine, .malformedLine, line(2, "c"),
        .malformedLine, line(3, nil), .malformedLine, .ended(.dot),
      ]
    )
  }

  @Test(arguments: [70, 71, 512, 513])
  func `longUniqueID: an id may be longer than 70 bytes, within a bound`(_ count: Int) throws {
    let id = String(repeating: "x", count: count)
    let listing = try #require(POP3UniqueIDListing(.ok("1 \(id)")))
    #expect(listing.uniqueID == (count <= 512 ? POP3UniqueID(id) : nil))
  }

  @Test(
    arguments: [
      ("1 120", POP3ScanListing(number: POP3MessageNumber(1), octets: 120)),
      ("1 120 extra", POP3ScanListing(number: POP3MessageNumber(1), octets: 120)),
      ("1 -1", POP3ScanListing(number: POP3MessageNumber(1), octets: nil)),
      ("1", POP3ScanListing(number: POP3MessageNumber(1), octets: nil)), ("", nil), ("x", nil),
      ("0 1", nil),
    ] as [(String, POP3ScanListing?)]
  )
  func `wrongOctetCount: a size that is none is not known`(
    _ text: String,
    _ listing: POP3ScanListing?
  ) {
    #expect(POP3ScanListing(.ok(text)) == listing)
    #expect(POP3ScanListing(.err(text)) == nil)
  }

  @Test(
    arguments: [
      ("2 320", POP3DropListing(messageCount: 2, octets: 320)),
      ("2", POP3DropListing(messageCount: 2, octets: 0)),
      ("2 320 more", POP3DropListing(messageCount: 2, octets: 320)), ("", nil), ("none", nil),
    ] as [(String, POP3DropListing?)]
  )
  func `missingOctets: only the count of messages matters`(
    _ text: String,
    _ listing: POP3DropListing?
  ) {
    #expect(POP3DropListing(.ok(text)) == listing)
  }

  @Test func `lostListingEnd: the next answer ends a listing that had no dot`() throws {
    let events = try POP3Wire.events(
      "+OK\r\nTOP\r\n+OK\r\n1 a\r\n-ERR no\r\n",
      sending: [.capabilities, .uniqueIDs, .noop]
    )
    #expect(events.filter { $0 == .ended(.nextReply) }.count == 2)
    #expect(events.last == .completed(.err("no")))
    // A listing that is the last has nothing to follow it, and so no such end.
    let last = try POP3Wire.events("+OK\r\n+OK x\r\n.\r\n", sending: [.uniqueIDs])
    #expect(last == [.began(.ok()), .malformedLine, .ended(.dot)])
  }

  @Test func `lostListingEnd: a listing as long as STAT said may end in silence`() throws {
    var session = try POP3Wire.session()
    session.send(.status)
    session.send(.uniqueIDs)
    _ = try POP3Wire.events("+OK 2 9\r\n+OK\r\n1 a\r\n", into: &session)
    #expect(session.endWithoutDot(isConnectionOver: true) == nil)
    _ = try POP3Wire.events("2 b\r\n", into: &session)
    #expect(session.isListingWhole)
    #expect(session.endWithoutDot(isConnectionOver: false) == .ended(.announcedCount))
    // The dot that comes late after all is passed over.
    session.send(.noop)
    #expect(try POP3Wire.events(".\r\n+OK\r\n", into: &session) == [.completed(.ok())])
  }

  @Test func `lostTextEnd: a message of the announced size may end with the connection`() throws {
    func end(_ text: String, announced: Int?, isOver: Bool = true) throws -> POP3Session.Event? {
      var session = try POP3Wire.session()
      session.send(.retrieve(one, announced: announced))
      _ = try POP3Wire.events("+OK\r\n\(text)", into: &session)
      return session.endWithoutDot(isConnectionOver: isOver)
    }
    #expect(try end("abc\r\n", announced: 5) == .ended(.announcedCount))
    #expect(try end("..bc\r\n", announced: 5) == .ended(.announcedCount))
    #expect(try end("abc\r\n", announced: 5, isOver: false) == nil)
    #expect(try end("abc\r\n", announced: nil) == nil)
    #expect(try end("abc\r\n", announced: 6) == nil)
    #expect(try end("abcde", announced: 5) == nil)
    #expect(try end("abc\r\n.", announced: 5) == nil)
    #expect(try end("", announced: 0) == nil)
  }
}
