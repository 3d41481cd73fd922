import Testing

@testable import MailProtocols

@Suite("IMAP session") struct SessionTests {
  private func output(_ session: inout IMAPSession) -> String { text(session.takeOutput()) }

  private func feed(_ session: inout IMAPSession, _ wire: String) throws -> [IMAPSession.Event] {
    try Wire.events(Array(wire.utf8), into: &session)
  }

  private func greeted(_ greeting: String = Wire.greeting) throws -> IMAPSession {
    var session = IMAPSession()
    _ = try feed(&session, greeting)
    return session
  }

  @Test func `greetings lead to their states`() throws {
    #expect(try greeted("* OK hi\r\n").state == .notAuthenticated)
    #expect(try greeted("* PREAUTH hi\r\n").state == .authenticated)
    #expect(try greeted("* BYE busy\r\n").state == .loggedOut)
    #expect(try greeted("* OK [CAPABILITY IDLE] hi\r\n").capabilities == IMAPCapabilities(["IDLE"]))
    #expect(try greeted("* OK\r\n").state == .notAuthenticated)
  }

  @Test(arguments: [
    "SSH-2.0-OpenSSH_9.2\r\n", "220 mail ESMTP\r\n", "* HELLO\r\n", "\r\n", "* 1 EXISTS\r\n",
  ])
  func `anything else is no greeting`(wire: String) throws {
    var session = IMAPSession()
    session.receive(Array(wire.utf8))
    #expect(throws: IMAPProtocolError.self) { try session.next() }
  }

  @Test func `pipelined commands end in any order`() throws {
    var session = try greeted()
    let first = session.send(.noop)
    let second = session.send(.noop)
    #expect(output(&session) == "A1 NOOP\r\nA2 NOOP\r\n")
    let events = try feed(&session, "A2 OK x\r\na1 no y\r\n")
    #expect(
      events == [
        .completed(second, StatusResponse(.ok, text: "x")),
        .completed(first, StatusResponse(.no, text: "y")),
      ]
    )
    #expect(!session.isBusy)
  }

  @Test func `nothing overtakes a literal that the server has not taken`() throws {
    var session = try greeted()
    _ = session.send(.login(username: "ü", password: "ö"))
    _ = session.send(.noop)
    #expect(output(&session) == "A1 LOGIN {2}\r\n")
    #expect(output(&session) == "")
    #expect(try feed(&session, "+ go on\r\n").isEmpty)
    #expect(output(&session) == "ü {2}\r\n")
    #expect(try feed(&session, "+\r\n").isEmpty)
    #expect(output(&session) == "ö\r\nA2 NOOP\r\n")
  }

  @Test func `a refused literal is not sent`() throws {
    var session = try greeted()
    let tag = session.send(.append(to: .inbox, flags: [], internalDate: nil, count: 10))
    _ = session.send(.noop)
    #expect(output(&session) == "A1 APPEND \"INBOX\" {10}\r\n")
    let events = try feed(&session, "A1 NO [TRYCREATE] x\r\n")
    let code = ResponseCode.other(name: "TRYCREATE", argument: "")
    #expect(events == [.completed(tag, StatusResponse(.no, code: code, text: "x"))])
    #expect(output(&session) == "A2 NOOP\r\n")
  }

  @Test func `a literal to stream is asked for once, and then its command goes on`() throws {
    var session = try greeted()
    _ = session.send(.append(to: .inbox, flags: [], internalDate: nil, count: 10))
    _ = output(&session)
    #expect(try feed(&session, "+ go\r\n") == [.wantsLiteral(count: 10)])
    #expect(try session.next() == nil)
    #expect(output(&session) == "")
    session.literalSent()
    #expect(output(&session) == "\r\n")
  }

  @Test func `AUTHENTICATE hands every challenge to its driver, and can be given up`() throws {
    var session = try greeted("* OK hi\r\n")
    let tag = session.send(.authenticate(.plain, initialResponse: nil))
    #expect(output(&session) == "A1 AUTHENTICATE PLAIN\r\n")
    #expect(try feed(&session, "+\r\n") == [.challenge([])])
    session.respond(Array("\0tim\0tanstaaf".utf8))
    #expect(output(&session) == "AHRpbQB0YW5zdGFhZg==\r\n")
    #expect(try feed(&session, "+ aGk=\r\n") == [.challenge(Array("hi".utf8))])
    session.respond([])
    #expect(output(&session) == "\r\n")
    #expect(try feed(&session, "+ go ahead, please\r\n") == [.challenge(nil)])
    session.respond(nil)
    #expect(output(&session) == "*\r\n")
    let status = StatusResponse(.no, text: "failed")
    #expect(try feed(&session, "A1 NO failed\r\n") == [.completed(tag, status)])
    #expect(session.state == .notAuthenticated)
    session.respond([])
    #expect(output(&session) == "")
  }

  @Test func `after login capabilities are what the server says then`() throws {
    var session = try greeted("* OK [CAPABILITY IDLE] hi\r\n")
    _ = session.send(.login(username: "a", password: "b"))
    #expect(session.capabilities == nil)
    _ = try feed(&session, "A1 OK done\r\n")
    #expect(session.capabilities == nil)
    #expect(session.state == .authenticated)
    _ = session.send(.capability)
    _ = try feed(&session, "* CAPABILITY MOVE\r\nA2 OK\r\n")
    #expect(session.capabilities == IMAPCapabilities(["MOVE"]))
    _ = session.send(.login(username: "a", password: "b"))
    _ = try feed(&session, "A3 OK [CAPABILITY UIDPLUS] done\r\n")
    #expect(session.capabilities == IMAPCapabilities(["UIDPLUS"]))
  }

  @Test func `what came before the handshake of STARTTLS is forgotten`() throws {
    var session = try greeted("* OK [CAPABILITY STARTTLS] hi\r\n")
    _ = session.send(.startTLS)
    let events = try feed(&session, "A1 OK go\r\n* CAPABILITY EVIL\r\nA2 OK injected\r\n")
    #expect(events.count == 1)
    #expect(session.capabilities == nil)
    #expect(!session.hasUnreadBytes)
    #expect(try session.next() == nil)
  }

  @Test func `SELECT selects, and its failure selects nothing`() throws {
    var session = try greeted()
    _ = session.send(.select(.inbox, readOnly: false, condStore: false))
    _ = try feed(&session, "* 3 EXISTS\r\nA1 OK [READ-WRITE] x\r\n")
    #expect(session.state == .selected(.inbox))
    _ = session.send(.select(MailboxName("x"), readOnly: false, condStore: false))
    _ = try feed(&session, "A2 NO none\r\n")
    #expect(session.state == .authenticated)
  }

  @Test func `IDLE ends by DONE`() throws {
    var session = try greeted()
    let tag = session.send(.idle)
    #expect(output(&session) == "A1 IDLE\r\n")
    #expect(try feed(&session, "+ idling\r\n* 4 EXISTS\r\n") == [.idling, .untagged(.exists(4))])
    #expect(session.isIdling)
    session.endIdle()
    #expect(output(&session) == "DONE\r\n")
    session.endIdle()
    #expect(output(&session) == "")
    #expect(try feed(&session, "A1 OK\r\n") == [.completed(tag, StatusResponse(.ok))])
  }

  @Test(arguments: ["[COPYUID 55 31 6]", "* [COPYUID 55 31 6]", "* OK [COPYUID 55 31 6]"])
  func `a response code that lacks what goes before it is read`(line: String) throws {
    var session = try greeted()
    let events = try feed(&session, line + "\r\n")
    let copyUID = CopyUID(uidValidity: 55, pairs: [.init(source: 31, destination: 6)])
    #expect(events == [.untagged(.condition(StatusResponse(.ok, code: .copyUID(copyUID))))])
  }

  @Test func `BYE ends the session`() throws {
    var session = try greeted()
    _ = try feed(&session, "* BYE shutting down\r\n")
    #expect(session.state == .loggedOut)
  }
}
