import MIME
import Testing

@Suite("Encoded words (RFC 2047)")
struct EncodedWordsTests {
  private static let fixtures: [Fixture<String>] = [
    .init("plain", "plain"),
    .init("", ""),
    .init("=?ISO-8859-1?Q?a?=", "a"),
    .init("=?ISO-8859-1?Q?a?= b", "a b"),
    .init("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
    .init("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
    .init("=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
    .init("=?ISO-8859-1?Q?a_b?=", "a b"),
    .init("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
    .init("=?US-ASCII?Q?Keith_Moore?= <m@cs.utk.edu>", "Keith Moore <m@cs.utk.edu>"),
    .init("=?iso-8859-1?q?Andr=E9?= Pirard", "André Pirard"),
    .init("=?UTF-8?B?R3LDvMOfZQ==?= aus =?utf-8?q?M=C3=BCnchen?=", "Grüße aus München"),
    .init("=?utf-8*de?Q?Gr=C3=BC?=", "Grü"),
    .init("=?UTF-8?B?R3LDvMOfZQ?=", "Grüße"),
    .init("=?UTF-8?B?ww==?= =?UTF-8?B?iQ==?=", "É"),
    .init("=?UTF-8?Q?=C3?= =?UTF-8?Q?=A9t=C3=A9?=", "été"),
    .init("=?windows-1251?B?z/Do4uXy?=", "Привет"),
    .init("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
    .init("=?gb2312?B?xOO6ww==?=", "你好"),
    .init("a=?utf-8?q?b?=c", "abc"),
    .init("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
    .init("=?utf-8?q?two words?=", "two words"),
    .init("=?utf-8?q?why?_because?=", "why? because"),
    .init("=?no-such-charset?Q?abc?=", "abc"),
    .init("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    .init("=?utf-8?q?open", "=?utf-8?q?open"),
    .init("1 =? 2 ?= 3", "1 =? 2 ?= 3"),
    .init("a = b", "a = b"),
    .init("=?utf-8?q?=ZZ=4?=", "=ZZ=4"),
    .init("=?utf-8?q??= x", " x"),
    .init("folded\r\n text", "folded text"),
    .init("raw Grüße", "raw Grüße"),
    .init("nul\0 gone", "nul gone"),
    .init("=?utf-8?q?a=0D=0ABcc:_x=00?=", "aBcc: x"),
  ]

  @Test(arguments: fixtures)
  func `a field body reads as this text`(_ fixture: Fixture<String>) {
    #expect(EncodedWords.decode(fixture.wire.span) == fixture.value)
  }

  @Test func `raw eight-bit text that is no UTF-8 is windows-1252`() {
    #expect(EncodedWords.decode(latin1("Gr\u{FC}\u{DF}e \u{80}").span) == "Grüße €")
  }

  @Test(arguments: ["=?", "=?a?q?", "=?a?q", "=?a?b?=", "?=", "=?a?q?x ?"])
  func `endless openings cost no more than their length`(_ opening: String) {
    let wire = [UInt8](String(repeating: opening, count: 20_000).utf8)
    _ = EncodedWords.decode(wire.span)
  }
}
