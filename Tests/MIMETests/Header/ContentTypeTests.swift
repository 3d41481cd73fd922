import MIME
import Testing

@Suite("Content types, dispositions and their parameters (RFC 2045 §5.1, RFC 2231)")
struct ContentTypeTests {
  private static let types: [Fixture<ContentType?>] = [
    .init("text/plain", ContentType("text", "plain")),
    .init(" TEXT/Html ; Charset=UTF-8", ContentType("text", "html", [.init("charset", "UTF-8")])),
    .init(
      "text/plain; charset=us-ascii (Plain text)",
      ContentType("text", "plain", [.init("charset", "us-ascii")])
    ),
    .init(
      "text / plain (c) ; (c) charset (c) = (c) \"a;b\"",
      ContentType("text", "plain", [.init("charset", "a;b")])
    ),
    .init(
      "multipart/mixed;boundary=\"a b\";;;x=y;",
      ContentType("multipart", "mixed", [.init("boundary", "a b"), .init("x", "y")])
    ),
    .init(
      "multipart/mixed; boundary==_a?=b/c",
      ContentType("multipart", "mixed", [.init("boundary", "=_a?=b/c")])
    ),
    .init(
      "text/plain charset=utf-8 format=flowed",
      ContentType("text", "plain", [.init("charset", "utf-8"), .init("format", "flowed")])
    ),
    .init("text", ContentType("text", "plain")),
    .init("text/", ContentType("text", "plain")),
    .init("application/vnd.ms+xml", ContentType("application", "vnd.ms+xml")),
    .init("", nil),
    .init("/plain", nil),
    .init("what", nil),
    .init("; charset=x", nil),
  ]

  @Test(arguments: types)
  func `a field body is this content type`(_ fixture: Fixture<ContentType?>) {
    #expect(ContentType(parsing: fixture.wire.span) == fixture.value)
  }

  private static let names: [Fixture<String?>] = [
    .init("attachment", nil),
    .init("attachment; filename=a.txt", "a.txt"),
    .init("attachment; filename=\"a \\\"b\\\".txt\"", "a \"b\".txt"),
    .init("attachment; filename=my report.pdf; size=3", "my report.pdf"),
    .init("attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
    .init("attachment; filename*=iso-8859-1'de'Gr%FC%DFe.txt", "Grüße.txt"),
    .init("attachment; filename=plain.txt; filename*=utf-8''b%C3%A9.txt", "bé.txt"),
    .init("attachment; filename*0=one; filename*1=\" two\"; filename*2=.txt", "one two.txt"),
    .init("attachment; filename*1=b; filename*0=a; filename*2=c", "abc"),
    .init(
      "attachment; filename*0*=utf-8''Gr%C3; filename*1*=%BC; filename*2=\"%41.txt\"",
      "Grü%41.txt"
    ),
    .init("attachment; filename*=100%", "100%"),
    .init("attachment; filename*=Gr%C3%BC", "Grü"),
    .init("attachment; filename=\"=?utf-8?Q?Gr=C3=BC=C3=9Fe.txt?=\"", "Grüße.txt"),
    .init("attachment; filename==?utf-8?B?w4kudHh0?=", "É.txt"),
    .init("attachment; filename=\"Grüße.txt\"", "Grüße.txt"),
    .init("attachment; filename=\"open", "open"),
    .init("attachment; filename=", ""),
    .init("attachment; filename=a; filename=b", "a"),
    .init("attachment; filename*=utf-8''a%00b", "ab"),
    .init("attachment filename=a", "a"),
  ]

  @Test(arguments: names)
  func `a disposition has this file name`(_ fixture: Fixture<String?>) {
    let disposition = ContentDisposition(parsing: fixture.wire.span)
    #expect(disposition?.type == "attachment")
    #expect(disposition?.filename == fixture.value)
  }

  @Test func `a disposition that is only parameters is none`() {
    let bytes = [UInt8]("filename=a.txt".utf8)
    #expect(ContentDisposition(parsing: bytes.span) == nil)
  }

  @Test func `thousands of parameters are bounded`() {
    let bytes = [UInt8](("a/b" + String(repeating: ";x*1=y", count: 10_000)).utf8)
    #expect(ContentType(parsing: bytes.span)?.parameters.count == 1)
  }
}
