import MIME
import Testing

@Suite("Body views (RFC 8621 §4.1.4)")
struct BodyViewsTests {
  private func part(_ id: String, _ type: String, _ disposition: String? = nil, name: String? = nil)
    -> BodyPart
  {
    BodyPart(partID: id, type: type, name: name, disposition: disposition)
  }

  private func multipart(_ subtype: String, _ parts: [BodyPart]) -> BodyPart {
    BodyPart(partID: nil, type: "multipart/\(subtype)", subParts: parts)
  }

  private func ids(_ parts: [BodyPart]) -> String { parts.compactMap(\.partID).joined() }

  private func check(
    _ structure: BodyPart,
    text: String,
    html: String,
    attachments: String,
    at location: SourceLocation = #_sourceLocation
  ) {
    let views = BodyViews(of: structure)
    #expect(ids(views.textBody) == text, sourceLocation: location)
    #expect(ids(views.htmlBody) == html, sourceLocation: location)
    #expect(ids(views.attachments) == attachments, sourceLocation: location)
  }

  @Test func `the example of the RFC comes out as it says`() {
    let structure = multipart(
      "mixed",
      [
        part("A", "text/plain", "inline"),
        multipart(
          "mixed",
          [
            multipart(
              "alternative",
              [
                multipart(
                  "mixed",
                  [
                    part("B", "text/plain", "inline"), part("C", "image/jpeg", "inline"),
                    part("D", "text/plain", "inline"),
                  ]
                ),
                multipart("related", [part("E", "text/html"), part("F", "image/jpeg")]),
              ]
            ),
            part("G", "image/jpeg", "attachment"), part("H", "application/x-excel"),
            part("J", "message/rfc822"),
          ]
        ),
        part("K", "text/plain", "inline"),
      ]
    )
    check(structure, text: "ABCDK", html: "AEK", attachments: "CFGHJ")
    #expect(BodyViews(of: structure).hasAttachment)
  }

  @Test func `a lone part is both bodies`() {
    check(part("1", "text/plain"), text: "1", html: "1", attachments: "")
    check(part("1", "text/html"), text: "1", html: "1", attachments: "")
    check(part("1", "application/pdf"), text: "", html: "", attachments: "1")
  }

  @Test func `an alternative with one kind only serves both`() {
    check(
      multipart("alternative", [part("1", "text/html")]),
      text: "1",
      html: "1",
      attachments: ""
    )
    check(
      multipart("alternative", [part("1", "text/plain"), part("2", "text/calendar")]),
      text: "1",
      html: "1",
      attachments: "2"
    )
  }

  @Test func `text with a name behind the first part is an attachment`() {
    check(
      multipart("mixed", [part("1", "text/plain"), part("2", "text/plain", name: "log.txt")]),
      text: "1",
      html: "1",
      attachments: "2"
    )
  }

  @Test func `pictures of HTML do not count as attachments when inline`() {
    let structure = multipart(
      "related",
      [part("1", "text/html"), part("2", "image/png", "inline")]
    )
    check(structure, text: "1", html: "1", attachments: "2")
    #expect(!BodyViews(of: structure).hasAttachment)
  }
}
