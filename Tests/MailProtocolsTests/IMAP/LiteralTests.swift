import Testing

@testable import MailProtocols

@Suite("IMAP literals, framed and streamed") struct LiteralTests {
  private var small: IMAPLimits {
    var limits = IMAPLimits()
    limits.literalInMemory = 8
    return limits
  }

  private func joined(_ events: [IMAPSession.Event]) -> String {
    text(
      events.flatMap { event -> [UInt8] in
        guard case .literal(let piece) = event else { return [] }
        return piece
      }
    )
  }

  @Test(arguments: 1...70) func `a great literal comes in pieces, its response after it`(
    size: Int
  ) throws {
    let body = "line 1\r\n)A1 OK\r\n* 3 EXISTS\r\n{5}\r\n"
    let wire = "* 7 FETCH (BODY[] \(Wire.literal(body)) UID 9)\r\nA1 OK\r\n"
    let events = try Wire.events(
      wire,
      pieces: size,
      limits: small,
      sending: [.fetchBody(9, .message)]
    )
    #expect(joined(events) == body)
    let rest = events.filter { if case .literal = $0 { false } else { true } }
    #expect(rest.count == 2)
    guard case .untagged(.fetch(let message))? = rest.first else {
      Issue.record("no message")
      return
    }
    #expect(message.uid == 9)
    #expect(message.sections.map(\.content) == [.streamed(count: body.utf8.count)])
  }

  @Test(arguments: 1...60) func `a great literal that nobody asked for is dropped`(
    size: Int
  ) throws {
    let wire =
      "* 7 FETCH (UID 9 BODY[HEADER] \(Wire.literal("0123456789")) RFC822.SIZE 3)\r\n* 1 EXISTS\r\n"
    let events = try Wire.events(wire, pieces: size, limits: small)
    guard case .untagged(.fetch(let message))? = events.first else {
      Issue.record("no message")
      return
    }
    #expect(events.count == 2)
    #expect(message.size == 3)
    #expect(message.sections.map(\.content) == [.streamed(count: 10)])
  }

  @Test func `two great literals in one response both come out`() throws {
    let wire =
      "* 7 FETCH (UID 9 BODY[1] \(Wire.literal("0123456789")) BODY[2] \(Wire.literal("abcdefghij")))\r\n"
    for size in 1...wire.utf8.count {
      let events = try Wire.events(
        wire,
        pieces: size,
        limits: small,
        sending: [.fetchBody(9, .message)]
      )
      #expect(joined(events) == "0123456789abcdefghij")
    }
  }

  @Test func `a status text that ends like a literal is none`() throws {
    let events = try Wire.events("* OK see {12}\r\nA1 NO really {3}\r\n", sending: [.noop])
    #expect(events.count == 2)
  }

  @Test func `lines that end without CR are lines`() throws {
    let events = try Wire.events("* 3 EXISTS\n* 4 FETCH (UID 2 BODY[] {3}\nabc)\n")
    #expect(events.count == 2)
  }

  @Test func `more small literals than one response may hold are dropped`() throws {
    var limits = IMAPLimits()
    limits.response = 2000
    let items = (0..<300).map { "X\($0) \(Wire.literal("12345678"))" }.joined(separator: " ")
    #expect(throws: IMAPProtocolError.framing(.tooLong(limit: 2000))) {
      _ = try Wire.events("* 7 FETCH (UID 9 \(items)", limits: limits)
    }
  }
}

@Suite("IMAP hostile input") struct HostileInputTests {
  @Test func `a line without end is refused at the limit`() throws {
    var limits = IMAPLimits()
    limits.response = 1000
    #expect(throws: IMAPProtocolError.framing(.tooLong(limit: 1000))) {
      _ = try Wire.events(
        "* " + String(repeating: "x", count: 2000),
        pieces: 100,
        limits: limits
      )
    }
  }

  @Test(arguments: ["99999999999", "18446744073709551615", "99999999999999999999999"])
  func `a literal without bound is refused before it is read`(count: String) {
    let limit = IMAPLimits().literal
    #expect(throws: IMAPProtocolError.framing(.literalTooLong(limit: limit))) {
      _ = try Wire.events("* 1 FETCH (BODY[] {\(count)}\r\n")
    }
  }

  @Test func `a mark of a streamed literal from the server makes no bytes`() throws {
    let events = try Wire.events("* 1 FETCH (UID 3 BODY[] {5!\r\n")
    guard case .untagged(.fetch(let message))? = events.first else { return }
    #expect(message.sections.allSatisfy { if case .bytes = $0.content { false } else { true } })
  }

  @Test(arguments: [
    "A9 OK unknown tag\r\n", "HELLO\r\n", "A1\r\n", "A1 MAYBE\r\n", "250 OK\r\n", "A OK\r\n",
  ])
  func `a line that is no response ends it all`(wire: String) {
    #expect(throws: IMAPProtocolError.self) { _ = try Wire.events(wire, sending: [.noop]) }
  }

  @Test func `malformed responses are passed over until there are too many`() throws {
    let bad = "* 3 FETCH nonsense\r\n"
    let events = try Wire.events(bad + "* LIST\r\n\r\n* 4 EXISTS\r\n")
    #expect(events == [.untagged(.exists(4))])
    #expect(throws: IMAPProtocolError.self) {
      _ = try Wire.events(String(repeating: bad, count: IMAPLimits().malformedResponses + 1))
    }
  }

  @Test func `deep lists in any item are skipped without recursion`() throws {
    let deep = String(repeating: "(", count: 100_000) + String(repeating: ")", count: 100_000)
    for item in ["X", "ENVELOPE", "BODYSTRUCTURE", "FLAGS", "X-GM-LABELS"] {
      let events = try Wire.events("* 7 FETCH (UID 3 \(item) \(deep))\r\n* 1 EXISTS\r\n")
      #expect(events.last == .untagged(.exists(1)))
    }
  }

  @Test(arguments: 0..<64) func `random bytes never trap`(seed: UInt64) {
    var generator = SplitMix(state: seed)
    let alphabet = Array("*+A1 FETCHBODY[](){}\"\\<>.0123456789\r\n~!NIL:,".utf8)
    var bytes = Array("* 1 FETCH (UID 1 ".utf8)
    for _ in 0..<2000 {
      let word = generator.next()
      bytes.append(
        word % 7 == 0
          ? UInt8(truncatingIfNeeded: word >> 8) : alphabet[Int(word % UInt64(alphabet.count))]
      )
    }
    var session = IMAPSession()
    session.receive(Array(Wire.greeting.utf8))
    // Any error will do: the test is that nothing traps and nothing loops.
    _ = try? session.next()
    _ = session.send(.fetchBody(1, .message))
    _ = try? Wire.events(bytes, pieces: Int(seed % 17) + 1, into: &session)
  }

  @Test func `damaged responses never trap`() throws {
    let good = Array(
      """
      * 7 FETCH (UID 4 FLAGS (\\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" ENVELOPE ("d" "s" \
      (("n" NIL "m" "h")) NIL NIL NIL NIL NIL NIL "<i>") BODYSTRUCTURE (("text" "plain" ("charset" \
      "utf-8") NIL NIL "7bit" 12 1 NIL ("inline" ("a" "b")) "en" NIL)("message" "rfc822" NIL NIL \
      NIL "7bit" 1 (NIL) ("a" "b" NIL NIL NIL "7bit" 1) 3) "mixed") BODY[HEADER] {3}\r\nabc)\r\n
      """.utf8
    )
    for index in good.indices {
      for replacement in [0x00, 0x20, 0x22, 0x28, 0x29, 0x5B, 0x5D, 0x7B, 0x7D, 0xFF] as [UInt8] {
        var bad = good
        bad[index] = replacement
        var session = IMAPSession()
        session.receive(Array(Wire.greeting.utf8))
        _ = try session.next()
        _ = try? Wire.events(bad, into: &session)  // Errors are fine; traps are not.
      }
    }
  }
}

/// A generator whose numbers are the same in every run.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
