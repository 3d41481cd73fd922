import Testing

@testable import API

@Suite("What mail brought") struct MailContentTests {
  @Test(arguments: [
    (nil, "attachment"), ("", "attachment"), ("a.pdf", "attachment; filename=\"a.pdf\""),
    ("a\"b.pdf", "attachment; filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf"),
    ("Zoë.pdf", "attachment; filename=\"Zo_.pdf\"; filename*=UTF-8''Zo%C3%AB.pdf"),
    ("../../etc/passwd", "attachment; filename=\".._.._etc_passwd\""),
    ("a\r\nSet-Cookie: x", "attachment; filename=\"a__Set-Cookie: x\""),
  ])
  func `a file name is one name on one line`(name: String?, expected: String) {
    #expect(MailContent.disposition(isInline: false, filename: name) == expected)
  }

  @Test(arguments: [
    ("image/png", true), ("text/plain", true), ("text/html", false), ("image/svg+xml", false),
    ("application/pdf", false), ("text/css", false),
  ])
  func `only images without script and plain text are shown in place`(
    type: String,
    isHarmless: Bool
  ) {
    #expect(MailContent.isHarmless(MailContent.contentType(type, charset: nil).media) == isHarmless)
  }

  @Test(arguments: [
    ("text/plain", "utf-8", "text/plain; charset=utf-8"),
    ("text/plain", "x\r\ny", "text/plain"), ("nonsense", nil, "application/octet-stream"),
    ("text/plain\r\nX: y", nil, "application/octet-stream"), ("image/png", "utf-8", "image/png"),
    ("TEXT/Plain", nil, "text/plain"),
  ])
  func `the type that a message claims is checked`(
    claimed: String,
    charset: String?,
    expected: String
  ) {
    #expect(MailContent.contentType(claimed, charset: charset).field == expected)
  }
}
