import Bytes
import MIME
import Testing

@Suite("Header fields (RFC 5322 §2.2, RFC 8621 §4.1.2)")
struct HeaderFieldsTests {
  private func fields(_ text: String) -> HeaderFields {
    HeaderFields(parsing: [UInt8](text.utf8))
  }

  private func pairs(_ text: String) -> [String] {
    let header = fields(text)
    return header.fields.map { "\(header.name(of: $0)):\(header.raw($0))" }
  }

  @Test(arguments: ["\r\n", "\n"])
  func `folded and repeated fields are kept in order`(_ end: String) {
    let text = ["A: 1", "b:2", " more", "\tand", "A:3", "", "body: no"].joined(separator: end)
    #expect(pairs(text) == ["A: 1", "b:2\(end) more\(end)\tand", "A:3"])
  }

  @Test func `lookups ignore case and a single one takes the last`() {
    let header = fields("Subject: one\nSUBJECT: two\n\n")
    #expect(header.text("subject") == "two")
    #expect(header.all("sUbject").count == 2)
    #expect(header.first("Subject").map { header.raw($0) } == " one")
    #expect(header.text("Subjec") == nil)
  }

  @Test func `blanks before a colon and a mbox line are tolerated`() {
    #expect(pairs("From ada Sun Nov 22\nSubject : x\n\n") == ["Subject: x"])
    #expect(pairs(">From ada Sun Nov 22\nSubject: x\n\n") == ["Subject: x"])
  }

  @Test func `a stray line between fields does not end the header`() {
    let message = MessageParser.parse([UInt8]("A: 1\nstray line\nB: 2\n\nbody".utf8))
    #expect(message.header.fields.count == 2)
    #expect(message.defects == [Defect(.malformedHeaderLine, part: 0)])
    #expect(message.parts[0].decodedText().text == "body")
  }

  @Test func `a forgotten empty line begins the body`() {
    let message = MessageParser.parse([UInt8]("A: 1\nHello Bob,\nhow are you?\n".utf8))
    #expect(message.header.fields.count == 1)
    #expect(message.defects == [Defect(.unterminatedHeader, part: 0)])
    #expect(message.parts[0].decodedText().text == "Hello Bob,\nhow are you?\n")
  }

  @Test func `text without any header is a body`() {
    let message = MessageParser.parse([UInt8]("just text\nand more\n".utf8))
    #expect(message.parts[0].decodedText().text == "just text\nand more\n")
  }

  @Test func `raw values drop NUL and replace what is no UTF-8`() {
    let header = HeaderFields(parsing: latin1("X: a\u{0}b\u{FC}\n\n"))
    #expect(header.fields.first.map { header.raw($0) } == " ab\u{FFFD}")
  }

  @Test func `parsed forms follow RFC 8621`() {
    let header = fields(
      """
      List-Unsubscribe: <mailto:a@b> (c), <https://x.test/\r\n y>
      Date: 1 Jan 1970 00:00:01 +0000
      Message-ID: <m@x>
      Cc: A <a@b>, G: c@d;
      Subject:   =?utf-8?q?=C3=A9?=  x

      """
    )
    #expect(
      header.first("List-Unsubscribe").flatMap { header.urls($0) } == [
        "mailto:a@b", "https://x.test/y",
      ]
    )
    #expect(header.date("date")?.seconds == 1)
    #expect(header.messageIDs("message-id") == ["m@x"])
    #expect(header.addresses("cc")?.map(\.email) == ["a@b", "c@d"])
    #expect(header.text("subject") == "é  x")
    #expect(header.first("subject").flatMap { header.urls($0) } == nil)
  }

  @Test func `limits end a header early and say so`() {
    var limits = MIMELimits()
    limits.headerFields = 3
    let message = MessageParser.parse([UInt8]("A: 1\nB: 2\nC: 3\nD: 4\n\nx".utf8), limits: limits)
    #expect(message.header.fields.count == 3)
    #expect(message.defects.contains(Defect(.headerTooLarge, part: 0)))
    #expect(message.parts[0].decodedText().text == "D: 4\n\nx")
    limits.headerBytes = 5
    #expect(HeaderFields(parsing: message.bytes, limits: limits).fields.count == 1)
  }
}
