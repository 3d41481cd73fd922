import MIME
import Testing

@Suite("Charsets")
struct CharsetTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let charset: String?
    let bytes: [UInt8]
    let text: String
    let problem: Defect.Kind?

    init(_ charset: String?, _ bytes: [UInt8], _ text: String, _ problem: Defect.Kind? = nil) {
      self.charset = charset
      self.bytes = bytes
      self.text = text
      self.problem = problem
    }

    var testDescription: String { "\(charset ?? "none"): \(text)" }
  }

  private static let cases: [Case] = [
    Case("utf-8", [0x61, 0xC3, 0xA9], "aé"),
    Case("UTF8", [0xEF, 0xBB, 0xBF, 0x61], "a"),
    Case("utf-8", [0x61, 0xE9, 0x62], "a\u{FFFD}b", .malformedText),
    Case("us-ascii", [0x61], "a"),
    Case("us-ascii", [0xC3, 0xA9], "é", .malformedText),
    Case(nil, [0xE9], "é", .malformedText),
    Case("iso-8859-1", [0xE9, 0x80], "é€"),
    Case("\"Latin1\"", [0xE9], "é"),
    Case("windows-1252", [0x93, 0x94, 0x81], "“”\u{81}"),
    Case("iso-8859-15", [0xA4], "€"),
    Case("iso-8859-2", [0xB1], "ą"),
    Case("windows-1251", [0xCF, 0xF0, 0xE8], "При"),
    Case("win-1251", [0xCF], "П"),
    Case("koi8-r", [0xF0], "П"),
    Case("Shift_JIS", [0x93, 0xFA, 0x96, 0x7B], "日本"),
    Case("iso-2022-jp", [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x1B, 0x28, 0x42], "日"),
    Case("gb2312", [0xC4, 0xE3], "你"),
    Case("ks_c_5601-1987", [0xC7, 0xD1], "한"),
    Case("big5", [0xA4, 0xA4], "中"),
    Case("utf-7", [UInt8]("+AOk-".utf8), "é"),
    Case("utf-16le", [0x61, 0x00], "a"),
    Case("utf-16be", [0x00, 0x61], "a"),
    Case("euc-jp", [0xFF, 0x61], "\u{FFFD}a", .malformedText),
    Case("utf-16le", [0x61, 0x00, 0x62], "a\u{FFFD}", .malformedText),
    Case("no-such-charset", [0x61], "a", .unknownCharset),
    Case("utf-8//TRANSLIT", [0x61], "a", .unknownCharset),
    Case("../../etc", [0xE9], "é", .unknownCharset),
  ]

  @Test(arguments: cases)
  func `bytes read as this text`(_ fixture: Case) {
    let decoded = Charset.decode(fixture.bytes.span, charset: fixture.charset)
    #expect(decoded.text == fixture.text)
    #expect(decoded.problem == fixture.problem)
  }

  @Test(arguments: ["gb2312", "iso-2022-jp", "utf-7", "utf-16le", "big5", "koi8-r"])
  func `any bytes are read in any charset`(_ charset: String) {
    let bytes = (0..<2_000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 3) }
    #expect(!Charset.decode(bytes.span, charset: charset).text.isEmpty)
  }
}
