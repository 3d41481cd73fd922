import Testing

@testable import MailProtocols

@Suite("POP3 session (RFC 1939 §3)") struct POP3SessionTests {
  @Test func `the example of RFC 1939 goes as it stands there`() throws {
    var session = POP3Session()
    #expect(
      try POP3Wire.events(POP3Wire.greeting, into: &session)
        == [.greeting(.ok("ready <1896.697170952@dbc.mtview.ca.us>"))]
    )
    #expect(session.state == .authorization)
    let timestamp = try #require(session.timestamp)
    session.send(try .apop("mrose", password: "tanstaaf", timestamp: timestamp))
    #expect(
      session.takeOutput() == Array("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n".utf8)
    )
    _ = try POP3Wire.events("+OK mrose's maildrop has 2 messages (320 octets)\r\n", into: &session)
    #expect(session.state == .transaction)
    session.send(.status)
    _ = try POP3Wire.events("+OK 2 320\r\n", into: &session)
    #expect(session.messageCount == 2)
    session.send(.list)
    #expect(
      try POP3Wire.events("+OK 2 messages\r\n1 120\r\n2 200\r\n.\r\n", into: &session)
        == [
          .began(.ok("2 messages")),
          .scanListing(POP3ScanListing(number: POP3MessageNumber(1), octets: 120)),
          .scanListing(POP3ScanListing(number: POP3MessageNumber(2), octets: 200)), .ended(.dot),
        ]
    )
    session.send(.quit)
    #expect(try POP3Wire.events("+OK bye\r\n", into: &session) == [.completed(.ok("bye"))])
    #expect(session.state == .closed)
  }

  @Test func `answers come in the order of the commands, however they are cut`() throws {
    let one = POP3MessageNumber(1)
    let wire =
      "+OK 3 9\r\n+OK\r\n1 a\r\n2 b c\r\n3\r\n.\r\n-ERR no\r\n+OK\r\nX\r\n..\r\n.\r\n+OK\r\n.\r\n"
    let events = try POP3Wire.events(
      wire,
      sending: [.status, .uniqueIDs, .retrieve(one), .retrieve(one), .top(one, lines: 0)]
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
        .completed(.ok("3 9")), .began(.ok()), line(1, "a"), line(2, "b c"), line(3, nil),
        .ended(.dot), .completed(.err("no")), .began(.ok()), .text("X\r\n.\r\n"), .ended(.dot),
        .began(.ok()), .ended(.dot),
      ]
    )
  }

  @Test func `what the server can do is known after CAPA, and forgotten after STLS`() throws {
    var session = try POP3Wire.session(loggedIn: false)
    session.send(.capabilities)
    #expect(session.capabilities == nil)
    _ = try POP3Wire.events("+OK\r\nSTLS\r\nSASL PLAIN\r\n.\r\n", into: &session)
    #expect(session.capabilities?.mechanisms == ["PLAIN"])
    session.send(.startTLS)
    // Whoever cannot break TLS could still have put an answer before it.
    #expect(
      try POP3Wire.events("+OK go\r\n+OK\r\nSASL EXTERNAL\r\n.\r\n", into: &session)
        == [.handshake]
    )
    session.secured()
    #expect(!session.hasUnreadBytes && session.capabilities == nil)
    session.send(.capabilities)
    _ = try POP3Wire.events("-ERR\r\n", into: &session)
    #expect(session.capabilities == nil && session.commandsUnderWay == 0)
  }

  @Test func `a refused STLS changes nothing`() throws {
    var session = try POP3Wire.session(loggedIn: false)
    session.send(.startTLS)
    #expect(try POP3Wire.events("-ERR no\r\n", into: &session) == [.completed(.err("no"))])
    #expect(session.state == .authorization)
  }

  @Test func `AUTH goes through its challenges, and shows no secret in a refusal`() throws {
    var session = try POP3Wire.session(loggedIn: false)
    session.send(
      POP3Command.authenticate(.cramMD5, initialResponse: nil, secrets: ["hunter2"]).command
    )
    #expect(
      try POP3Wire.events("+ PDFAeD4=\r\n", into: &session) == [.challenge(Array("<1@x>".utf8))]
    )
    session.respond(Array("alice proof".utf8))
    #expect(session.takeOutput() == Array("AUTH CRAM-MD5\r\nYWxpY2UgcHJvb2Y=\r\n".utf8))
    #expect(
      try POP3Wire.events("-ERR YWxpY2UgcHJvb2Y= of hunter2\r\n", into: &session)
        == [.completed(.err("[redacted] of [redacted]"))]
    )
    #expect(session.state == .authorization)
    session.send(POP3Command.authenticate(.plain, initialResponse: nil, secrets: []).command)
    #expect(try POP3Wire.events("+\r\n", into: &session) == [.challenge([])])
    session.respond(nil)
    #expect(session.takeOutput() == Array("AUTH PLAIN\r\n*\r\n".utf8))
    #expect(try POP3Wire.events("+ go ahead!\r\n", into: &session) == [.challenge(nil)])
  }

  @Test(arguments: [
    ("* OK IMAP4rev1 ready\r\n", "* OK IMAP4rev1 ready"), ("220 mail ESMTP\r\n", "220 mail ESMTP"),
    ("+ what\r\n", "+ what"),
  ])
  func `another server than POP3 is told by its greeting`(_ greeting: String, _ start: String) {
    var session = POP3Session()
    #expect(throws: POP3SyntaxError.noGreeting(start: start)) {
      try POP3Wire.events(greeting, into: &session)
    }
  }

  @Test func `a greeting may refuse us`() throws {
    var session = POP3Session()
    #expect(
      try POP3Wire.events("-ERR too many connections\r\n", into: &session)
        == [.greeting(.err("too many connections"))]
    )
    #expect(session.state == .closed)
  }

  @Test func `what is no answer, or one to nothing, is an error`() throws {
    var session = try POP3Wire.session()
    session.send(.noop)
    #expect(throws: POP3SyntaxError.noStatus(start: "huh")) {
      try POP3Wire.events("huh\r\n", into: &session)
    }
    session = try POP3Wire.session()
    session.send(.noop)
    #expect(throws: POP3SyntaxError.noStatus(start: "+ x")) {
      try POP3Wire.events("+ x\r\n", into: &session)
    }
    session = try POP3Wire.session()
    #expect(throws: POP3SyntaxError.unasked) { try POP3Wire.events("+OK\r\n", into: &session) }
  }

  @Test func `every amount has its limit`() throws {
    var limits = POP3Limits()
    limits.lineBytes = 60
    limits.listedMessages = 2
    limits.messageBytes = 10
    limits.strayLines = 3
    for (wire, command) in [
      ("+OK " + String(repeating: "x", count: 60), POP3Command.noop),
      ("+OK\r\n1 1\r\n2 1\r\n3 1\r\n", .list), ("+OK\r\n12345678901", .retrieve(.init(1))),
      ("\r\n\r\n.\r\n\r\n", .noop), ("+OK\r\nA\r\nB\r\nC\r\n", .capabilities),
    ] {
      var session = try POP3Wire.session(limits: limits)
      session.send(command)
      let error = #expect(throws: POP3SyntaxError.self) {
        try POP3Wire.events(wire, into: &session)
      }
      guard case .tooLong? = error else {
        Issue.record("\(wire.debugDescription): \(String(describing: error))")
        continue
      }
    }
  }

  @Test func `UTF-8 mode and languages (RFC 6856)`() throws {
    var session = try POP3Wire.session(loggedIn: false)
    session.send(.utf8)
    _ = try POP3Wire.events("-ERR\r\n", into: &session)
    #expect(!session.isUTF8)
    session.send(.utf8)
    _ = try POP3Wire.events("+OK\r\n", into: &session)
    #expect(session.isUTF8)
    session.send(.languages)
    #expect(
      try POP3Wire.events("+OK\r\nen English\r\nes\r\n.\r\n", into: &session) == [
        .began(.ok()), .language(POP3Language(tag: "en", name: "English")),
        .language(POP3Language(tag: "es", name: "")), .ended(.dot),
      ]
    )
  }
}
