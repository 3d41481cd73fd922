import Testing

@testable import MailProtocols

/// What real servers do that the grammar does not foresee; the names are those of `docs/protocols.md`.
@Suite("Odd IMAP servers") struct OddServerTests {
  private static let surprises = """
    * 3 EXISTS\r\n* 0 RECENT\r\n* 1 EXPUNGE\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* FLAGS (\\Seen)\r\n\
    * STATUS x (MESSAGES 1)\r\n* LIST () "." x\r\n* SEARCH 1\r\n* VANISHED 7\r\n* BAD what\r\n\
    * NO and how\r\n* OK [ALERT] hello\r\n* OK [HIGHESTMODSEQ 3]\r\n* 5 NONSENSE\r\n* NONSENSE\r\n
    """

  private func feed(_ session: inout IMAPSession, _ wire: String) throws -> [IMAPSession.Event] {
    try Wire.events(Array(wire.utf8), into: &session)
  }

  @Test func `unaskedResponses: every state takes every response`() throws {
    var session = IMAPSession()
    _ = try feed(&session, "* OK hi\r\n")
    #expect(try feed(&session, Self.surprises).count == 15)
    #expect(session.state == .notAuthenticated)
    _ = session.send(.login(username: "a", password: "b"))
    #expect(try feed(&session, "\(Self.surprises)A1 OK in\r\n").count == 16)
    _ = session.send(.select(.inbox, readOnly: false, condStore: false))
    #expect(try feed(&session, "\(Self.surprises)A2 OK in\r\n").count == 16)
    #expect(session.state == .selected(.inbox))
    _ = session.send(.idle)
    #expect(try feed(&session, "\(Self.surprises)+ idling\r\n\(Self.surprises)").count == 31)
    session.endIdle()
    #expect(try feed(&session, "\(Self.surprises)A3 OK\r\n").count == 16)
    #expect(session.state == .selected(.inbox))
  }

  @Test func `unaskedResponses: a continuation that nobody waits for changes nothing`() throws {
    var session = IMAPSession()
    _ = try feed(&session, "* PREAUTH hi\r\n+ what\r\n")
    _ = session.send(.noop)
    #expect(text(session.takeOutput()) == "A1 NOOP\r\n")
    #expect(try feed(&session, "+ ever\r\nA1 OK\r\n").count == 1)
    #expect(session.takeOutput().isEmpty)
  }

  @Test func `secondGreeting: it is a remark, and the state stays`() throws {
    var session = IMAPSession()
    _ = try feed(&session, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n* OK hi again\r\n")
    _ = session.send(.login(username: "a", password: "b"))
    _ = try feed(&session, "* OK ready\r\nA1 OK in\r\n* PREAUTH ready\r\n")
    #expect(session.state == .authenticated)
    #expect(!session.isBusy)
  }

  @Test func `lowercaseResponses: names are read in any case`() throws {
    var session = IMAPSession()
    _ = try feed(&session, "* preauth [capability imap4rev1 move] hi\r\n")
    #expect(session.capabilities?.contains(.move) == true)
    _ = session.send(.noop)
    let events = try feed(
      &session,
      "* 2 exists\r\n* 1 fetch (uid 4 flags (\\seen) rfc822.size 3)\r\na1 ok done\r\n"
    )
    #expect(events.count == 3)
    guard case .untagged(.fetch(let message)) = events[1] else { return #expect(Bool(false)) }
    #expect(message.uid == 4 && message.flags == [.seen] && message.size == 3)
  }

  @Test func `nilFlags, quotedCount, negativeCount: a message keeps its other items`() throws {
    let message = try Wire.message(#"FLAGS NIL RFC822.SIZE "12" UID 9"#)
    #expect(message.flags == [] && message.size == 12 && message.uid == 9)
    #expect(try Wire.message("RFC822.SIZE -1 UID 9").size == 0)
  }

  @Test(arguments: [
    "&", "&&", "a&b", "&AO", "&AOQ", "&!!!-", "&2AA-", "\u{FF}\u{FE}", "&AOQ-&", "Ü",
  ])
  func `malformedMailboxName: it is shown, and goes back as it came`(name: String) throws {
    let wire = "LIST () \".\" \(Wire.literal(name))"
    guard case .list(let mailbox) = try Wire.response(wire) else { return #expect(Bool(false)) }
    #expect(mailbox.name.encoded == Array(name.utf8))
    #expect(!mailbox.name.decoded.isEmpty)
    var session = IMAPSession()
    _ = try feed(&session, "* PREAUTH [CAPABILITY LITERAL+] hi\r\n")
    _ = session.send(.select(mailbox.name, readOnly: false, condStore: false))
    let output = session.takeOutput()
    #expect(text(output).contains(name))
  }

  @Test(arguments: [
    "ENVELOPE (NIL)", "ENVELOPE ()", "ENVELOPE NIL", #"ENVELOPE ("d" "s" ((NIL NIL)) NIL"#,
    "BODYSTRUCTURE ()", "BODYSTRUCTURE (NIL)", #"BODYSTRUCTURE ("text" "plain" (((("#,
    #"BODYSTRUCTURE (("text" "plain") "mixed" "x" "y" "z" (1 (2 (3))))"#, "INTERNALDATE NIL",
  ])
  func `malformedFetchItem: a broken message does not hide the next`(item: String) throws {
    let wire = "* 1 FETCH (UID 4 \(item))\r\n* 2 FETCH (UID 5 FLAGS ())\r\n"
    let uids = try Wire.events(wire).compactMap { event in
      if case .untagged(.fetch(let message)) = event { message.uid } else { nil }
    }
    #expect(uids == [4, 5])
  }

  @Test func `greatLiteral: 100 MB are handed on, or dropped, and never held`() throws {
    for isWanted in [true, false] {
      var session = IMAPSession()
      _ = try feed(&session, "* PREAUTH hi\r\n")
      _ = session.send(isWanted ? .fetchBody(9, .message) : .noop)
      session.receive(Array("* 1 FETCH (UID 9 BODY[] {104857600}\r\n".utf8))
      let piece = [UInt8](repeating: 0x61, count: 1 << 20)
      var count = 0
      for _ in 0..<100 {
        session.receive(piece)
        while let event = try session.next() {
          if case .literal(let bytes) = event { count += bytes.count }
        }
      }
      #expect(count == (isWanted ? 104_857_600 : 0))
      #expect(try feed(&session, ")\r\nA1 OK\r\n").count == 2)
    }
  }
}
