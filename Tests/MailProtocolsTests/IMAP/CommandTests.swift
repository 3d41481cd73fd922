import Testing

@testable import MailProtocols

@Suite("IMAP commands (RFC 3501 §6)") struct CommandTests {
  struct Fixture: Sendable, CustomTestStringConvertible {
    let command: IMAPCommand
    let wire: String
    var testDescription: String { wire }

    init(_ command: IMAPCommand, _ wire: String) {
      self.command = command
      self.wire = wire
    }
  }

  static let sent = MailboxName("Sent")
  static let fixtures: [Fixture] = [
    .init(.noop, "NOOP"),
    .init(.login(username: "a b", password: #"p"\w"#), #"LOGIN "a b" "p\"\\w""#),
    .init(
      .authenticate(.plain, initialResponse: Array("\0tim\0tanstaaf".utf8)),
      "AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZg=="
    ),
    .init(.authenticate(.gssapi, initialResponse: []), "AUTHENTICATE GSSAPI ="),
    .init(.authenticate(.cramMD5, initialResponse: nil), "AUTHENTICATE CRAM-MD5"),
    .init(.id([]), "ID NIL"),
    .init(.id([("name", "x"), ("version", "1")]), #"ID ("name" "x" "version" "1")"#),
    .init(.enable([.condStore, .utf8Accept]), "ENABLE CONDSTORE UTF8=ACCEPT"),
    .init(.list(reference: "", pattern: "*"), #"LIST "" "*""#),
    .init(
      .list(
        reference: "",
        pattern: "%",
        returning: ["SPECIAL-USE"],
        status: [.messages, .uidNext]
      ),
      #"LIST "" "%" RETURN (SPECIAL-USE STATUS (MESSAGES UIDNEXT))"#
    ),
    .init(.status(sent, [.unseen]), #"STATUS "Sent" (UNSEEN)"#),
    .init(
      .select(MailboxName("Entwürfe"), readOnly: false, condStore: true),
      #"SELECT "Entw&APw-rfe" (CONDSTORE)"#
    ),
    .init(.select(.inbox, readOnly: true, condStore: false), #"EXAMINE "INBOX""#),
    .init(.rename(sent, to: MailboxName("Old")), #"RENAME "Sent" "Old""#),
    .init(.fetch(UIDSet([1, 2, 3, 7]), "UID FLAGS"), "UID FETCH 1:3,7 (UID FLAGS)"),
    .init(
      .fetchBody(9, .part(PartPath([1, 2])).bytes(from: 0, count: 100)),
      "UID FETCH 9 (UID BODY.PEEK[1.2]<0.100>)"
    ),
    .init(
      .store(UIDSet(4), .add, [.seen, .junk], silent: true),
      #"UID STORE 4 +FLAGS.SILENT (\Seen $Junk)"#
    ),
    .init(.move(UIDSet(from: 4), to: sent), #"UID MOVE 4:* "Sent""#),
    .init(.expunge(UIDSet(4)), "UID EXPUNGE 4"),
    .init(.search(.all, extended: true), "UID SEARCH RETURN (ALL) ALL"),
    .init(
      .search(
        .and([.flag(.deleted), .not(.uids(UIDSet(5))), .or(.withoutFlag(.junk), .subject("a"))]),
        extended: false
      ),
      #"UID SEARCH DELETED NOT UID 5 OR UNKEYWORD $Junk SUBJECT "a""#
    ),
    .init(
      .search(.not(.and([.flag(.seen), .largerThan(9)])), extended: false),
      "UID SEARCH NOT (SEEN LARGER 9)"
    ),
    .init(
      .search(.since(InternalDate(secondsSince1970: 837_596_665)), extended: false),
      "UID SEARCH SINCE 17-Jul-1996"
    ),
  ]

  @Test(arguments: fixtures) func `a command has one wire form`(fixture: Fixture) throws {
    #expect(try Wire.output(fixture.command) == "A1 \(fixture.wire)\r\n")
  }

  @Test func `what cannot be quoted waits for the server to take a literal`() throws {
    let command = IMAPCommand.login(username: "ü", password: "p")
    #expect(try Wire.output(command) == "A1 LOGIN {2}\r\n")
    #expect(
      try Wire.output(command, capabilities: "IMAP4rev1 LITERAL+")
        == "A1 LOGIN {2+}\r\nü \"p\"\r\n"
    )
    #expect(
      try Wire.output(command, capabilities: "IMAP4rev1 LITERAL-")
        == "A1 LOGIN {2+}\r\nü \"p\"\r\n"
    )
  }

  @Test func `line ends and NUL are never written into a line`() throws {
    for bad in ["a\r\nA2 DELETE x", "a\nb", "a\rb", "a\0b"] {
      let output = try Wire.output(.search(.subject(bad), extended: false))
      #expect(output == "A1 UID SEARCH SUBJECT {\(bad.utf8.count)}\r\n")
      let mailbox = try Wire.output(.create(MailboxName(bad)))
      #expect(!mailbox.dropLast().utf8.contains(0))
      #expect(mailbox.utf8.count { $0 == 0x0A } == 1)
    }
  }

  @Test func `a search for other than ASCII names its charset`() throws {
    let output = try Wire.output(.search(.subject("ü"), extended: false))
    #expect(output == "A1 UID SEARCH CHARSET UTF-8 SUBJECT {2}\r\n")
  }

  @Test func `APPEND writes flags and date before its literal`() throws {
    let command = IMAPCommand.append(
      to: Self.sent,
      flags: [.seen],
      internalDate: InternalDate(secondsSince1970: 0),
      count: 310
    )
    let head = #"A1 APPEND "Sent" (\Seen) " 1-Jan-1970 00:00:00 +0000" "#
    #expect(try Wire.output(command) == head + "{310}\r\n")
    #expect(try Wire.output(command, capabilities: "LITERAL+") == head + "{310+}\r\n")
    let great = IMAPCommand.append(to: Self.sent, flags: [], internalDate: nil, count: 5000)
    #expect(try Wire.output(great, capabilities: "LITERAL-") == "A1 APPEND \"Sent\" {5000}\r\n")
  }
}
