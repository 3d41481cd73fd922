import MIME
import Testing

@Suite("Message IDs (RFC 5322 §3.6.4)")
struct MessageIDListTests {
  private static let fixtures: [Fixture<[String]>] = [
    .init("<a@b>", ["a@b"]),
    .init(" <a@b>\r\n <c@d>\t<e@f>", ["a@b", "c@d", "e@f"]),
    .init("<a@b><c@d>", ["a@b", "c@d"]),
    .init("<a@b>, <c@d>", ["a@b", "c@d"]),
    .init("Your message of \"Mon\" <a@b>", ["a@b"]),
    .init("<a@b> (comment) <c@d>", ["a@b", "c@d"]),
    .init("<folded\r\n id@b>", ["foldedid@b"]),
    .init("<open@b <c@d>", ["open@b", "c@d"]),
    .init("<open@b", ["open@b"]),
    .init("<>", []),
    .init("", []),
    .init("a@b c@d", ["a@b", "c@d"]),
    .init("a@b>", ["a@b"]),
    .init("lonely", ["lonely"]),
    .init("no ids in here", []),
    .init("<no-at-sign>", ["no-at-sign"]),
    .init("<a\0@b>", ["a@b"]),
    .init("<\"quoted local\"@b>", ["\"quotedlocal\"@b"]),
  ]

  @Test(arguments: fixtures)
  func `a field body gives these IDs`(_ fixture: Fixture<[String]>) {
    #expect(MessageIDList.parse(fixture.wire.span) == fixture.value)
  }
}
