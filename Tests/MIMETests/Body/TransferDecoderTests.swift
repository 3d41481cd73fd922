import MIME
import Testing

@Suite("Transfer decoding (RFC 2045 §6)")
struct TransferDecoderTests {
  /// Encoded text, what it decodes to, and whether a defect is reported.
  struct Case: Sendable, CustomTestStringConvertible {
    let encoding: TransferEncoding
    let text: String
    let content: String
    let defect: Defect.Kind?

    init(
      _ encoding: TransferEncoding,
      _ text: String,
      _ content: String,
      _ defect: Defect.Kind? = nil
    ) {
      self.encoding = encoding
      self.text = text
      self.content = content
      self.defect = defect
    }

    var testDescription: String { "\(encoding.name): \(text.debugDescription)" }
  }

  private static let base64: [Case] = [
    Case(.base64, "", ""),
    Case(.base64, "Zm9vYmFy", "foobar"),
    Case(.base64, "Zm9v\r\nYmE=\r\n", "fooba"),
    Case(.base64, "Zm9vYg==", "foob"),
    Case(.base64, "Z m\t9v", "foo"),
    Case(.base64, "Zm9v!YmFy", "foobar", .malformedBase64),
    Case(.base64, "Zm9vYg", "foob", .malformedBase64),
    Case(.base64, "Zm9vYmE", "fooba", .malformedBase64),
    Case(.base64, "Zm9vY", "foo", .malformedBase64),
    Case(.base64, "Zm9vYg=", "foob", .malformedBase64),
    Case(.base64, "Zm8=Zm8=", "fofo"),
    Case(.base64, "====", "", .malformedBase64),
  ]

  private static let quotedPrintable: [Case] = [
    Case(.quotedPrintable, "", ""),
    Case(.quotedPrintable, "a=3Db", "a=b"),
    Case(.quotedPrintable, "a=3db=C3=A9", "a=bé"),
    Case(.quotedPrintable, "soft=\r\nbreak", "softbreak"),
    Case(.quotedPrintable, "soft=\nbreak", "softbreak"),
    Case(.quotedPrintable, "soft= \t\r\nbreak", "softbreak"),
    Case(.quotedPrintable, "blanks \t\r\nend", "blanks\r\nend"),
    Case(.quotedPrintable, "in  side\n", "in  side\n"),
    Case(.quotedPrintable, "end=", "end"),
    Case(.quotedPrintable, "a=ZZ", "a=ZZ", .malformedQuotedPrintable),
    Case(.quotedPrintable, "a=4", "a=4", .malformedQuotedPrintable),
    Case(.quotedPrintable, "a=4Z", "a=4Z", .malformedQuotedPrintable),
    Case(.quotedPrintable, "a==3D", "a==", .malformedQuotedPrintable),
    Case(.quotedPrintable, "a\rb", "a\rb"),
    Case(.quotedPrintable, "a\r\rb", "a\r\rb"),
    Case(.quotedPrintable, "a= b", "a= b", .malformedQuotedPrintable),
  ]

  private static let others: [Case] = [
    Case(.sevenBit, "a=3D\r\n", "a=3D\r\n"),
    Case(.unknown("x-rot"), "nop", "nop"),
    Case(.uuencode, "begin 644 cat.txt\n#0V%T\n`\nend\n", "Cat"),
    Case(.uuencode, "text before\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nafter", "Cat"),
    Case(.uuencode, "begin 644 cat.txt\n#0V%T\n", "Cat", .malformedUUEncode),
    Case(.uuencode, "no uuencode at all", "", .malformedUUEncode),
  ]

  @Test(arguments: base64 + quotedPrintable + others)
  func `text decodes to this content`(_ fixture: Case) {
    let bytes = [UInt8](fixture.text.utf8)
    let (content, defect) = TransferDecoder.decode(bytes.span, from: fixture.encoding)
    #expect(String(decoding: content, as: UTF8.self) == fixture.content)
    if fixture.encoding == .base64 {
      #expect(Base64Decoder.decodedSize(of: bytes.span) == content.count)
    }
    #expect(defect == fixture.defect)
  }

  @Test(arguments: base64 + quotedPrintable + others)
  func `where it is cut makes no difference`(_ fixture: Case) {
    let bytes = [UInt8](fixture.text.utf8)
    for cut in 0...bytes.count {
      var decoder = TransferDecoder(fixture.encoding)
      var content: [UInt8] = []
      decoder.receive(bytes.span.extracting(0..<cut), into: &content)
      decoder.receive(bytes.span.extracting(cut..<bytes.count), into: &content)
      decoder.finish(into: &content)
      #expect(String(decoding: content, as: UTF8.self) == fixture.content)
      #expect(decoder.defect == fixture.defect)
    }
  }

  @Test func `endless blanks are not held back`() {
    let bytes = [UInt8](repeating: 0x20, count: 100_000) + [0x78]
    let (content, _) = TransferDecoder.decode(bytes.span, from: .quotedPrintable)
    #expect(content == bytes)
  }

  @Test(arguments: [
    ("7bit", TransferEncoding.sevenBit), ("BASE64", .base64),
    ("Quoted-Printable", .quotedPrintable),
    ("8Bit", .eightBit), ("binary", .binary), ("x-uuencode", .uuencode),
    ("rot13", .unknown("rot13")),
  ])
  func `names are known in any case`(_ name: String, _ encoding: TransferEncoding) {
    #expect(TransferEncoding(name: name) == encoding)
  }
}
