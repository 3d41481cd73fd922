import Bytes
import MIME
import TestSupport
import Testing

@Suite("Messages and their parts (RFC 2045, RFC 2046)")
struct MessageParserTests {
  private func parse(_ text: String, limits: MIMELimits = MIMELimits()) -> ParsedMessage {
    let message = MessageParser.parse([UInt8](text.utf8), limits: limits)
    checkInvariants(of: message)
    return message
  }

  private func text(_ message: ParsedMessage, _ path: String) -> String? {
    message.part(at: path)?.decodedText().text
  }

  @Test func `a message without parts has section 1`() {
    let message = parse("Subject: x\r\n\r\nHello\r\n")
    #expect(message.parts.map(\.path) == ["1"])
    #expect(text(message, "1") == "Hello\n")
    #expect(message.bodyStructure.charset == "us-ascii")
    #expect(message.bodyStructure.size == 7)
    #expect(message.defects == [])
  }

  @Test func `sections are numbered as IMAP numbers them`() {
    let message = parse(
      """
      Content-Type: multipart/mixed; boundary=o

      preamble
      --o

      one
      --o
      Content-Type: multipart/alternative; boundary=i

      --i

      two-one
      --i
      Content-Type: text/html

      two-two
      --i--
      --o
      Content-Type: message/rfc822

      Subject: inner

      three-one
      --o
      Content-Type: message/rfc822

      Content-Type: multipart/mixed; boundary=x

      --x

      four-one
      --x--
      --o--
      epilogue
      """
    )
    #expect(message.parts.map(\.path) == ["", "1", "2", "2.1", "2.2", "3", "3.1", "4", "4", "4.1"])
    for (path, wanted) in [
      ("1", "one"), ("2.1", "two-one"), ("2.2", "two-two"), ("3.1", "three-one"),
      ("4.1", "four-one"),
    ] {
      #expect(text(message, path) == wanted)
    }
    #expect(message.part(at: "4")?.contentType.mediaType == "message/rfc822")
    #expect(message.bodyStructure.subParts?.map(\.partID) == ["1", nil, "3", "4"])
    #expect(message.bodyStructure.subParts?[3].subParts == nil)
    #expect(message.defects == [])
  }

  @Test func `offsets point into the message`() throws {
    let raw =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: 1\r\n\r\nbody\r\n--b--\r\n"
    let message = parse(raw)
    let part = try #require(message.part(at: "1"))
    #expect(String(decoding: message.bytes[part.headerRange], as: UTF8.self) == "A: 1\r\n\r\n")
    #expect(String(decoding: message.bytes[part.bodyRange], as: UTF8.self) == "body")
  }

  @Test func `parts of a digest are messages`() {
    let message = parse(
      "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\ntext\n--b--\n"
    )
    #expect(
      message.parts.map(\.contentType.mediaType) == [
        "multipart/digest", "message/rfc822", "text/plain",
      ]
    )
    #expect(message.parts[2].header.text("subject") == "s")
  }

  @Test func `an encoded embedded message is taken apart in a copy`() throws {
    let inner = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ndeep\n--b--\n"
    let bytes = [UInt8](inner.utf8)
    let encoded = String(decoding: Base64.standard.encode(bytes.span), as: UTF8.self)
    let message = parse(
      "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\(encoded)\n"
    )
    let part = try #require(message.part(at: "1.1"))
    #expect(part.isInDecodedCopy)
    #expect(part.decodedText().text == "deep")
    #expect(message.parts[0].decodedContent().content == bytes)
  }

  @Test func `attachments carry their names, sizes and content`() throws {
    let message = parse(
      """
      Content-Type: multipart/mixed; boundary=b

      --b
      Content-Type: text/plain; charset=iso-8859-1
      Content-Transfer-Encoding: quoted-printable

      Gr=FC=DFe
      --b
      Content-Type: application/pdf; name=old.pdf
      Content-Disposition: attachment; filename*=utf-8''B%C3%A9.pdf
      Content-Transfer-Encoding: base64
      Content-ID: <c@x>
      Content-Language: de, en
      Content-Location: http://x.test/a

      AAECAw==
      --b--
      """
    )
    #expect(text(message, "1") == "Grüße")
    let body = try #require(BodyViews(of: message.bodyStructure).attachments.first)
    #expect(body.partID == "2" && body.name == "Bé.pdf" && body.size == 4)
    #expect(body.contentID == "c@x" && body.language == ["de", "en"])
    #expect(body.location == "http://x.test/a" && body.charset == nil)
    #expect(message.part(at: "2")?.decodedContent().content == [0, 1, 2, 3])
    #expect(message.preview() == "Grüße")
  }

  /// A broken message, the defects that are reported, and how many parts are found.
  struct Broken: Sendable, CustomTestStringConvertible {
    let text: String
    let defects: [Defect.Kind]
    let parts: Int
    var testDescription: String { text.debugDescription }

    init(_ text: String, _ defects: [Defect.Kind], parts: Int) {
      self.text = text
      self.defects = defects
      self.parts = parts
    }
  }

  private static let multipart = "Content-Type: multipart/mixed; boundary=b\n"

  private static let broken: [Broken] = [
    Broken("", [.unterminatedHeader], parts: 1),
    Broken("\n", [], parts: 1),
    Broken("\0\0\0", [.unterminatedHeader], parts: 1),
    Broken("A: 1", [.unterminatedHeader], parts: 1),
    Broken(
      "Content-Type: multipart/mixed\n\n--b\n\nx\n--b--",
      [.missingBoundaryParameter],
      parts: 1
    ),
    Broken(multipart + "\nno boundary here", [.missingStartBoundary], parts: 1),
    Broken(multipart + "\n--b\n\nx\n", [.missingEndBoundary], parts: 2),
    Broken(multipart + "\n--b\nA: 1\n--b--\n", [.unterminatedHeader], parts: 2),
    Broken(multipart + "\n--b--\n", [], parts: 1),
    Broken(multipart + "\n--b\n--b\n\nx\n--b--\n", [], parts: 2),
    Broken(multipart + "\n--bb\n--b\n\nx\n--bx\n--b--\n", [], parts: 2),
    Broken(multipart + "\n--b \t\n\nx\n--b-- \n", [], parts: 2),
    Broken(
      multipart + "Content-Transfer-Encoding: base64\n\n--b\n\nx\n--b--",
      [.encodedMultipart],
      parts: 2
    ),
    Broken("Content-Type: nonsense\n\nx", [.malformedContentType], parts: 1),
    Broken("Content-Transfer-Encoding: rot13\n\nx", [.unknownTransferEncoding], parts: 1),
  ]

  @Test(arguments: broken)
  func `defects are reported, not thrown`(_ fixture: Broken) {
    let message = parse(fixture.text)
    #expect(message.defects.map(\.kind) == fixture.defects)
    #expect(message.parts.count == fixture.parts)
  }

  @Test func `an inner part that forgets its end is ended by the outer one`() {
    let message = parse(
      Self.multipart
        + "\n--b\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nin\n--b\n\nout\n--b--\n"
    )
    #expect(text(message, "1.1") == "in")
    #expect(text(message, "2") == "out")
    #expect(message.defects == [Defect(.missingEndBoundary, part: 1)])
  }

  @Test func `a multipart that is none is shown as text`() {
    let structure = parse(Self.multipart + "\nstill readable").bodyStructure
    #expect(structure.type == "text/plain" && structure.partID == "1")
    #expect(BodyViews(of: structure).textBody.count == 1)
  }

  @Test(arguments: 0..<SampleMail.Kind.allCases.count)
  func `sample messages have no defect`(_ index: Int) {
    let message = MessageParser.parse(SampleMail.message(index))
    checkInvariants(of: message)
    #expect(message.defects == [])
    #expect(message.header.messageIDs("message-id") == [SampleMail.messageID(index)])
    #expect(message.header.date("date")?.seconds == Int64(SampleMail.date(index)))
    if let subject = SampleMail.subject(index) {
      #expect(message.header.text("subject") == subject)
    }
  }
}
