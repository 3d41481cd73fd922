import Testing

@testable import MailProtocols

@Suite("IMAP responses (RFC 3501 §7)") struct ResponseTests {
  struct Fixture: Sendable, CustomTestStringConvertible {
    let wire: String
    let expected: UntaggedResponse
    var testDescription: String { wire }

    init(_ wire: String, _ expected: UntaggedResponse) {
      self.wire = wire
      self.expected = expected
    }
  }

  static let fixtures: [Fixture] = [
    .init("172 EXISTS", .exists(172)),
    .init("1 RECENT", .recent(1)),
    .init("44 EXPUNGE", .expunge(44)),
    .init("44 expunge", .expunge(44)),
    .init(
      "OK [UIDVALIDITY 3857529045] UIDs valid",
      .condition(.init(.ok, code: .uidValidity(3_857_529_045), text: "UIDs valid"))
    ),
    .init(
      "OK [UIDNEXT 4392] Predicted",
      .condition(.init(.ok, code: .uidNext(4392), text: "Predicted"))
    ),
    .init(
      "OK [PERMANENTFLAGS (\\Deleted \\Seen)] Limited",
      .condition(.init(.ok, code: .permanentFlags([.deleted, .seen]), text: "Limited"))
    ),
    .init(
      "OK [HIGHESTMODSEQ 715194045007] x",
      .condition(.init(.ok, code: .highestModSeq(715_194_045_007), text: "x"))
    ),
    .init(
      "NO [ALERT] Disk full",
      .condition(.init(.no, code: .other(name: "ALERT", argument: ""), text: "Disk full"))
    ),
    .init("BYE", .condition(.init(.bye))),
    .init(
      "OK [UIDNEXT soon] x",
      .condition(.init(.ok, code: .other(name: "UIDNEXT", argument: "soon"), text: "x"))
    ),
    .init(
      "CAPABILITY IMAP4rev1 idle AUTH=PLAIN",
      .capability(IMAPCapabilities(["IMAP4REV1", "IDLE", "AUTH=PLAIN"]))
    ),
    .init("FLAGS (\\Answered $Junk)", .flags([.answered, .junk])),
    .init("SEARCH", .search(UIDSet())),
    .init("SEARCH 2 84 882", .search(UIDSet([2, 84, 882]))),
    .init("SEARCH 2 5 (MODSEQ 917162500)", .search(UIDSet([2, 5]))),
    .init("ESEARCH (TAG \"A282\") UID ALL 2,10:11 COUNT 3", .search(UIDSet([2, 10, 11]))),
    .init("ESEARCH (TAG \"A1\") UID", .search(UIDSet())),
    .init("VANISHED (EARLIER) 41,43:44", .vanished(UIDSet([41, 43, 44]), earlier: true)),
    .init("VANISHED 5", .vanished(UIDSet(5), earlier: false)),
    .init("ENABLED CONDSTORE", .enabled([.condStore])),
    .init("ID NIL", .id([:])),
    .init("ID (\"name\" \"Cyrus\" \"os\" NIL)", .id(["name": "Cyrus"])),
    .init("JUNK what ever", .other(name: "JUNK", bytes: Array("JUNK what ever".utf8))),
    .init("3 MIRACLE", .other(name: "MIRACLE", bytes: Array("3 MIRACLE".utf8))),
  ]

  @Test(arguments: fixtures) func `a response is read whichever way it is cut`(
    fixture: Fixture
  ) throws {
    #expect(try Wire.response(fixture.wire) == fixture.expected)
  }

  @Test func `a listed mailbox has its attributes in lower case, its delimiter and its name`()
    throws
  {
    var mailbox = ListedMailbox(
      name: MailboxName("Sent"),
      attributes: [.hasNoChildren, .sent],
      delimiter: 0x2F
    )
    #expect(try Wire.response(#"LIST (\HasNoChildren \Sent) "/" "Sent""#) == .list(mailbox))
    #expect(try Wire.response(#"LIST (\HasNoChildren \sent) "/" Sent"#) == .list(mailbox))
    #expect(mailbox.specialUse == .sent)
    mailbox.name = MailboxName("a (b)")
    mailbox.attributes = []
    mailbox.delimiter = nil
    #expect(try Wire.response("LIST () NIL \(Wire.literal("a (b)"))") == .list(mailbox))
    #expect(try Wire.response(#"LIST () NIL "a (b)""#) == .list(mailbox))
    mailbox.name = MailboxName(encoded: Array("Entw&APw-rfe\\".utf8))
    mailbox.delimiter = 0x5C
    #expect(try Wire.response(#"LIST () "\\" "Entw&APw-rfe\\""#) == .list(mailbox))
    #expect(mailbox.components == ["Entwürfe", ""])
  }

  @Test func `the counters of a mailbox are read, unknown ones passed over`() throws {
    var status = MailboxStatus()
    status.messages = 231
    status.uidNext = 44292
    status.uidValidity = 7
    status.unseen = 0
    status.mailboxID = "F2212ea87"
    let wire =
      "STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 X-GURU (a 3) UIDVALIDITY 7 UNSEEN 0 "
      + "MAILBOXID (F2212ea87))"
    #expect(try Wire.response(wire) == .status(MailboxName("blurdybloop"), status))
  }

  @Test func `namespaces are read with their extensions passed over`() throws {
    let wire = #"NAMESPACE (("" "/")) (("~" "/" "X-PARAM" ("FLAG1"))) NIL"#
    guard case .namespaces(let namespaces) = try Wire.response(wire) else {
      Issue.record("no namespaces")
      return
    }
    #expect(namespaces.personal == [.init(prefix: MailboxName(""), delimiter: 0x2F)])
    #expect(namespaces.others.map(\.prefix.decoded) == ["~"])
    #expect(namespaces.shared.isEmpty)
  }

  @Test func `COPYUID pairs the sets in the order written`() throws {
    let wire = "OK [COPYUID 38505 304,319:320 3958:3956] Done"
    guard case .condition(let status) = try Wire.response(wire),
      case .copyUID(let copyUID)? = status.code
    else {
      Issue.record("no COPYUID")
      return
    }
    #expect(copyUID.uidValidity == 38505)
    #expect(copyUID.pairs.map(\.source) == [304, 319, 320])
    #expect(copyUID.pairs.map(\.destination) == [3958, 3957, 3956])
    #expect(copyUID.destination(of: 320) == 3956)
  }

  @Test func `a COPYUID of unequal or endless sets is kept as text`() throws {
    for argument in ["1 1:2 5", "1 1:4294967295 1:4294967295"] {
      guard case .condition(let status) = try Wire.response("OK [COPYUID \(argument)] x") else {
        Issue.record("no condition")
        return
      }
      #expect(status.code == .other(name: "COPYUID", argument: argument))
    }
  }

  @Test(arguments: ["SEARCH 1 2 3 4", "ESEARCH UID ALL 1:4", "ESEARCH UID ALL 1:4294967294"])
  func `more results than the limit are no response`(wire: String) throws {
    var limits = IMAPLimits()
    limits.searchResults = 3
    limits.malformedResponses = 0
    var session = IMAPSession(limits: limits)
    session.receive(Array("* PREAUTH hi\r\n* \(wire)\r\n".utf8))
    _ = try session.next()
    #expect(throws: IMAPProtocolError.self) { try session.next() }
  }
}
