import MIME
import Testing

@Suite("Previews and the text of HTML (RFC 8621 §4.1.4)")
struct PreviewTests {
  private static let html: [Fixture<String>] = [
    .init("<p>One</p><p>Two &amp; <b>three</b></p>", "One Two & three"),
    .init("<html><head><title>T</title><style>p { color: red }</style></head><body>B</body>", "B"),
    .init("<script>if (a < b) document.write('<p>x</p>')</script>Text", "Text"),
    .init("a<!-- hidden > --->b<!--- x -->c", "abc"),
    .init("<a title=\"a > b\">link</a>", "link"),
    .init("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
    .init("&lt;tag&gt; &#233;&#xE9;&eacute; &#8364;&euro;&#128;", "<tag> ééé €€€"),
    .init("&nosuch; &; &#; &#x; &#99999999;", "&nosuch; &; &#; &#x; \u{FFFD}"),
    .init("fish&nbsp;&nbsp;chips&nbsp", "fish chips"),
    .init("<td>a</td><td>b</td>", "a b"),
    .init("a<br>b<BR/>c", "a b c"),
    .init("<style>never closed", ""),
    .init("<p open tag never closed", ""),
    .init("<", "<"),
    .init("</", ""),
    .init("<div>pre\u{200B}\u{034F}\u{00AD} \u{200C} \u{200C}header</div>", "pre header"),
  ]

  @Test(arguments: html)
  func `HTML previews as its text`(_ fixture: Fixture<String>) {
    let text = String(decoding: fixture.wire, as: UTF8.self)
    // A reference to no character shows as U+FFFD in text; a preview leaves it out.
    let expected = fixture.value.replacing("\u{FFFD}", with: "").split(separator: " ")
    #expect(Preview.text(from: text, isHTML: true).split(separator: " ") == expected)
  }

  private static let plain: [Fixture<String>] = [
    .init("", ""),
    .init("  a \r\n\t b\n\nc ", "a b c"),
    .init("> quoted\nreply\n> more\n-- \nsignature", "reply"),
    .init("> only\n> quoted", "> only > quoted"),
    .init("-- \nonly a signature", "-- only a signature"),
    .init("<b>not HTML</b> &amp;", "<b>not HTML</b> &amp;"),
    .init("Hi\r\r\n-- \r\r\nsignature", "Hi"),
    .init(String(repeating: "\n", count: 70_000) + "finally", "finally"),
    .init("nul\0 and bell\u{07}", "nul and bell"),
  ]

  @Test(arguments: plain)
  func `plain text previews on one line`(_ fixture: Fixture<String>) {
    #expect(Preview.text(from: String(decoding: fixture.wire, as: UTF8.self)) == fixture.value)
  }

  @Test func `a preview has at most 256 scalars, however they combine`() {
    let letters = String(repeating: "ab ", count: 1_000)
    #expect(Preview.text(from: letters).unicodeScalars.count <= 256)
    let marks = "a" + String(repeating: "\u{301}", count: 100_000)
    #expect(Preview.text(from: marks).unicodeScalars.count == 256)
    #expect(Preview.text(from: "abcdef", limit: 3) == "abc")
  }

  private static func repeated(_ text: String, _ count: Int) -> String {
    String(repeating: text, count: count)
  }

  private static let lines = repeated("0123456789 abcdefg\r\n", 400)
  private static let shown = String(repeated("0123456789 abcdefg ", 14).prefix(256))

  /// Texts of which the first two kilobytes may be enough, and what is shown of each.
  private static let long: [(text: String, preview: String)] = [
    (lines, shown),
    ("> quoted\r\n" + lines, shown),
    (repeated("> q\r\n", 900) + "answer\r\n", "answer"),
    ("short\r\n-- \r\n" + lines, "short"),
    // One line longer than that, one that crosses its end, and none with an end.
    (repeated("a", 5000) + "\r\n", repeated("a", 256)),
    ("b\r\n" + repeated("c", 3000), "b " + repeated("c", 254)),
    // A word that just fills it, and one for which the space before leaves no room.
    (repeated("d", 256) + "\r\ne\r\n", repeated("d", 256)),
    (repeated("f", 255) + "\r\ng\r\n", repeated("f", 255)),
  ]

  @Test(arguments: ["utf-8", "UTF-8", "\"US-ASCII\"", "iso-8859-1"], 0..<long.count)
  func `the first lines of a message are enough for its preview`(
    _ charset: String,
    _ index: Int
  ) {
    expect(Self.long[index].preview, of: Self.long[index].text, charset)
  }

  @Test func `a mark of the byte order hides no quote, and no character is cut`() {
    let marked = "\u{FEFF}> quoted\r\nanswer\r\n" + Self.lines
    expect("answer " + Self.shown.prefix(249), of: marked, "utf-8")
    let word = "Grüße aus Köln, 東京 "
    let preview = String(Self.repeated(word, 30).prefix(256))
    expect(preview, of: Self.repeated(word + "\r\n", 200), "utf-8")
  }

  private func expect(_ preview: String, of text: String, _ charset: String) {
    let mail = "Content-Type: text/plain; charset=\(charset)\r\n\r\n\(text)"
    let message = MessageParser.parse(Array(mail.utf8))
    checkInvariants(of: message)
    #expect(message.preview() == preview)
  }

  @Test func `a charset is read from a meta element`() {
    let old = [UInt8]("<html><meta http-equiv=x content='text/html; charset=KOI8-R'>".utf8)
    #expect(HTMLText.declaredCharset(old.span) == "koi8-r")
    let new = [UInt8]("<META CHARSET = \"utf-8\">".utf8)
    #expect(HTMLText.declaredCharset(new.span) == "utf-8")
    let none = [UInt8]("<meta name=charset><p>charset=x".utf8)
    #expect(HTMLText.declaredCharset(none.span) == nil)
  }
}
