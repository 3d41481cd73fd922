import Bytes
import Testing

@testable import MIME

@Suite("Bodies for transport (RFC 2045 §6)")
struct BodyEncodingTests {
  @Test(arguments: [
    ("plain\n", TransferEncoding.sevenBit), ("Gr\u{FC}\u{DF}e aus Berlin\n", .quotedPrintable),
    ("\u{65E5}\u{672C}\u{8A9E}\u{65E5}\u{672C}\u{8A9E}\u{65E5}\u{672C}\u{8A9E}", .base64),
    (String(repeating: "x", count: 998), .sevenBit),
    (String(repeating: "x", count: 999), .quotedPrintable),
    ("nul\0 in a longer line", .quotedPrintable), ("", .sevenBit),
  ])
  func `the encoding is chosen by the content`(_ text: String, _ encoding: TransferEncoding) {
    #expect(BodyText(text).encoding == encoding)
  }

  @Test func `line ends of any kind become CRLF`() {
    #expect(BodyText("a\rb\nc\r\nd\n\re").bytes == Array("a\r\nb\r\nc\r\nd\r\n\r\ne".utf8))
  }

  @Test(arguments: [
    ("a=b\r\n", "a=3Db\r\n"), ("a \r\nb\t", "a=20\r\nb=09"), (".\r\n.a", "=2E\r\n=2Ea"),
    ("From me\r\nFor", "=46rom me\r\n=46or"), ("\u{E9}", "=C3=A9"), ("a b", "a b"),
    (String(repeating: "x", count: 76), String(repeating: "x", count: 76)),
    (
      String(repeating: "x", count: 77), String(repeating: "x", count: 75) + "=\r\nxx"
    ),
    (
      String(repeating: "x", count: 74) + "\u{E9}",
      String(repeating: "x", count: 74) + "=\r\n=C3=A9"
    ),
  ])
  func `quoted-printable escapes what would not survive`(_ text: String, _ wire: String) {
    #expect(
      String(decoding: QuotedPrintableText.encode(Array(text.utf8)), as: UTF8.self) == wire
    )
  }

  @Test func `quoted-printable lines are short and come back`() {
    var state: UInt32 = 7
    for length in 0..<300 {
      let text = (0..<length).map { _ -> UInt8 in
        state = state &* 1_664_525 &+ 1_013_904_223
        let byte = UInt8(truncatingIfNeeded: state >> 24)
        return byte == 0x0D || byte == 0x0A ? 0x20 : byte
      }
      let wire = QuotedPrintableText.encode(text)
      #expect(lines(wire).allSatisfy { $0.count <= 76 })
      var builder = MessageBuilder.sample
      builder.text = "x"
      let header = Array("Content-Transfer-Encoding: quoted-printable\r\n\r\n".utf8)
      let message = MessageParser.parse(header + wire)
      #expect(message.parts[0].decodedContent().content == text)
    }
  }

  @Test(arguments: [1, 2, 56, 57, 58, 114, 1000])
  func `base64 lines are the same however the content is cut`(_ size: Int) throws {
    let content = (0..<500).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var encoder = Base64LineEncoder()
    var wire: [UInt8] = []
    for start in stride(from: 0, to: content.count, by: size) {
      encoder.encode(Array(content[start..<min(start + size, content.count)]).span, into: &wire)
    }
    encoder.finish(into: &wire)
    #expect(lines(wire).allSatisfy { $0.count <= 76 })
    #expect(wire.suffix(2) == [0x0D, 0x0A])
    let joined = Array(lines(wire).joined())
    #expect(Base64.standard.decode(joined.span) == content)
  }
}
