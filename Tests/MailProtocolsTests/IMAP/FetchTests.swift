import Testing

@testable import MailProtocols

@Suite("IMAP FETCH (RFC 3501 §7.4.2)") struct FetchTests {
  @Test func `the items of the sync fetch are read`() throws {
    let header = "References: <a@b>\r\n\r\n"
    let message = try Wire.message(
      """
      UID 40 FLAGS (\\Seen $Forwarded) INTERNALDATE "17-Jul-1996 02:44:25 -0700" \
      RFC822.SIZE 4286 MODSEQ (65402) EMAILID (M1) THREADID NIL \
      BODY[HEADER.FIELDS (REFERENCES LIST-ID)] \(Wire.literal(header))
      """
    )
    #expect(message.sequenceNumber == 7)
    #expect(message.uid == 40)
    #expect(message.flags == [.seen, .forwarded])
    #expect(
      message.internalDate == InternalDate(secondsSince1970: 837_596_665, offsetMinutes: -420)
    )
    #expect(message.size == 4286)
    #expect(message.modSeq == 65402)
    #expect(message.emailID == "M1")
    #expect(message.threadID == nil)
    #expect(message.section("HEADER.FIELDS") == Array(header.utf8))
    #expect(message.malformedItems.isEmpty)
  }

  @Test func `the envelope of RFC 3501's example is read`() throws {
    let message = try Wire.message(
      """
      ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG \\"mtg\\"" \
      (("Terry Gray" NIL "gray" "cac.washington.edu")) \
      (("Terry Gray" NIL "gray" "cac.washington.edu")) \
      (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) \
      ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL \
      "<B27397-0100000@cac.washington.edu>")
      """
    )
    let envelope = try #require(message.envelope)
    #expect(envelope.subject.map(text) == #"IMAP4rev1 WG "mtg""#)
    #expect(envelope.from.map { $0.host.map(text) } == ["cac.washington.edu"])
    #expect(envelope.sender == envelope.from)
    #expect(envelope.replyTo == envelope.from)
    #expect(envelope.to.map { $0.mailbox.map(text) } == ["imap"])
    #expect(envelope.cc.map { $0.name.map(text) } == [nil, "John Klensin"])
    #expect(envelope.bcc.isEmpty)
    #expect(envelope.inReplyTo == nil)
    #expect(envelope.messageID.map(text) == "<B27397-0100000@cac.washington.edu>")
  }

  @Test(arguments: [
    #"ENVELOPE NIL"#,
    #"ENVELOPE ()"#,
    #"ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"#,
    #"ENVELOPE (NIL NIL)"#,
    #"ENVELOPE (NIL  NIL () NIL (NIL) NIL NIL NIL NIL NIL NIL (1 "x"))"#,
  ]) func `an envelope with less or more than its fields is an empty one`(wire: String) throws {
    let message = try Wire.message(wire)
    #expect(message.envelope == Envelope())
    #expect(message.malformedItems.isEmpty)
  }

  @Test func `an envelope that does not parse is skipped, and what follows is kept`() throws {
    let message = try Wire.message(#"UID 5 ENVELOPE ("x" (("a" "b")) "y") RFC822.SIZE 12"#)
    #expect(message.uid == 5)
    #expect(message.envelope == nil)
    #expect(message.malformedItems == [.envelope])
    #expect(message.size == 12)
  }

  @Test func `a response that breaks off keeps what stood before`() throws {
    let message = try Wire.message(#"UID 5 FLAGS (\Seen) ENVELOPE ("x" (("#)
    #expect(message.uid == 5)
    #expect(message.flags == [.seen])
    #expect(message.malformedItems.contains(.rest))
  }

  @Test func `a group's start and end are entries without a host`() throws {
    let message = try Wire.message(
      #"ENVELOPE (NIL NIL NIL NIL NIL ((NIL NIL "team" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)))"#
    )
    #expect(message.envelope?.to.map(\.host) == [nil, Array("b".utf8), nil])
  }

  @Test func `sections differ by name, origin and kind`() throws {
    let message = try Wire.message(
      "BODY[1.2]<100> \(Wire.literal("ab)\r\nc")) BINARY[2] ~\(Wire.literal("\0x")) "
        + "BINARY.SIZE[2] 2 body[text] NIL BODY[] \"\""
    )
    #expect(message.sections.map(\.name) == ["1.2", "2", "TEXT", ""])
    #expect(message.sections.map(\.origin) == [100, nil, nil, nil])
    #expect(message.sections.map(\.isBinary) == [false, true, false, false])
    #expect(
      message.sections.map(\.content) == [
        .bytes(Array("ab)\r\nc".utf8)), .bytes([0, 0x78]), .absent, .bytes([]),
      ]
    )
  }

  @Test func `a section's quoted field names may hold a bracket`() throws {
    let message = try Wire.message(#"BODY[HEADER.FIELDS ("A]B" SUBJECT)] "x" UID 3"#)
    #expect(message.section("HEADER.FIELDS") == [0x78])
    #expect(message.uid == 3)
  }

  @Test(arguments: ["RFC822.SIZE -1", "RFC822.SIZE NIL", "RFC822.SIZE \"0\""])
  func `a size that the server does not know is 0`(wire: String) throws {
    #expect(try Wire.message(wire).size == 0)
  }

  @Test(arguments: ["INTERNALDATE \"yesterday\"", "INTERNALDATE NIL"])
  func `an internal date that does not parse is named as such`(wire: String) throws {
    let message = try Wire.message("\(wire) UID 3")
    #expect(message.internalDate == nil)
    #expect(message.malformedItems == [.internalDate])
    #expect(message.uid == 3)
  }

  @Test func `items of Gmail and unknown ones are read or passed over`() throws {
    let message = try Wire.message(
      #"X-GM-MSGID 1278455344230334865 X-GM-LABELS ("\\Sent" a) X-GM-THRID 12 UID 3 FOO (1 (2))"#
    )
    #expect(message.emailID == "1278455344230334865")
    #expect(message.threadID == "12")
    #expect(message.uid == 3)
  }

  @Test func `extra spaces do not matter`() throws {
    let message = try Wire.message(#" UID  3  FLAGS  ( \Seen  a )  RFC822.SIZE  4 "#)
    #expect(message.uid == 3)
    #expect(message.flags?.map(\.name) == ["\\Seen", "a"])
    #expect(message.size == 4)
  }

  @Test func `equal envelopes alone have equal identities`() {
    var first = Envelope()
    first.subject = [0x61]
    var second = Envelope()
    second.date = [0x61]
    #expect(identity(first) == identity(first))
    #expect(identity(first) != identity(second))
    #expect(identity(first) != identity(Envelope()))
  }

  private func identity(_ envelope: Envelope) -> [UInt8] {
    var output: [UInt8] = []
    envelope.writeIdentity(to: &output)
    return output
  }
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
