import Testing

@testable import MailProtocols

@Suite("IMAP BODYSTRUCTURE (RFC 3501 §7.4.2)") struct BodyStructureTests {
  private func structure(_ wire: String) throws -> BodyStructure {
    let message = try Wire.message("BODYSTRUCTURE \(wire) UID 3")
    #expect(message.uid == 3)
    return try #require(message.bodyStructure)
  }

  private func parts(_ body: BodyStructure) -> [String] {
    var found: [String] = []
    body.forEachPart { found.append("\($0) \($1.type)/\($1.subtype)") }
    return found
  }

  @Test func `a text has its parameters, size and lines`() throws {
    let body = try structure(
      #"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 2279 48)"#
    )
    #expect(body.type == "text")
    #expect(body.subtype == "plain")
    #expect(body.parameter("charset") == Array("US-ASCII".utf8))
    #expect(body.transferEncoding == "7bit")
    #expect(body.size == 2279)
    #expect(body.lines == 48)
    #expect(parts(body) == ["1 text/plain"])
  }

  @Test func `extension data is read`() throws {
    let body = try structure(
      """
      ("image" "png" ("name" "a \\"b\\".png") "<id@x>" "A picture" "base64" 5120 "md5==" \
      ("attachment" ("filename*0" "a" "SIZE" NIL)) ("en" "de") "http://x/" (1 "future"))
      """
    )
    #expect(body.parameter("name") == Array(#"a "b".png"#.utf8))
    #expect(body.contentID == Array("<id@x>".utf8))
    #expect(body.contentDescription == Array("A picture".utf8))
    #expect(body.disposition?.kind == "attachment")
    #expect(body.disposition?.parameters.map(\.name) == ["filename*0", "size"])
    #expect(body.languages == ["en", "de"])
    #expect(body.location == Array("http://x/".utf8))
  }

  @Test func `the parts of RFC 3501's example are numbered as FETCH numbers them`() throws {
    let text = #"("text" "plain" NIL NIL NIL "7bit" 1 1)"#
    let envelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    let image = #"("image" "gif" NIL NIL NIL "base64" 9)"#
    let inner = "(\(text)(\(image)\(text) \"alternative\") \"mixed\")"
    let body = try structure(
      """
      (\(text)\(image)("message" "rfc822" NIL NIL NIL "7bit" 99 \(envelope) \(inner) 12)\
      ("message" "rfc822" NIL NIL NIL "7bit" 99 \(envelope) \(text) 12) "mixed" ("boundary" "x"))
      """
    )
    #expect(
      parts(body) == [
        "1 text/plain", "2 image/gif", "3 message/rfc822", "3.1 text/plain", "3.2.1 image/gif",
        "3.2.2 text/plain", "4 message/rfc822", "4.1 text/plain",
      ]
    )
    #expect(body.parts[2].lines == 12)
    #expect(body.parts[2].envelope == Envelope())
  }

  @Test(arguments: [
    (#"("text" "plain")"#, "text/plain"),
    (#"("text" NIL NIL NIL NIL NIL NIL NIL)"#, "text/plain"),
    (#"(NIL NIL NIL NIL NIL NIL 0)"#, "application/octet-stream"),
    (#"("text" "html" NIL NIL NIL "8bit" -1 -1 NIL "inline" NIL)"#, "text/html"),
    (
      #"("application" "pdf" ("a") NIL NIL "base64" 3 NIL ("attachment") NIL NIL)"#,
      "application/pdf"
    ),
    (#"("message" "rfc822" NIL NIL NIL "7bit" 3 NIL ("attachment" NIL) NIL)"#, "message/rfc822"),
    (#"("message" "delivery-status" NIL NIL NIL "7bit" 3)"#, "message/delivery-status"),
    (#"(("text" "plain" NIL NIL NIL "7bit" 1 1))"#, "multipart/mixed"),
    (
      #"(("text" "plain" NIL NIL NIL "7bit" 1 1) ("a" "b" NIL NIL NIL "7bit" 1) "x")"#,
      "multipart/x"
    ),
  ]) func `what servers get wrong still has a type`(wire: String, type: String) throws {
    let body = try structure(wire)
    #expect("\(body.type)/\(body.subtype)" == type)
  }

  @Test func `what is nested too deep is skipped`() throws {
    let depth = 5000
    let wire =
      String(repeating: "(", count: depth) + #"("text" "plain" NIL NIL NIL "7bit" 1 1)"#
      + String(repeating: #" "mixed")"#, count: depth)
    let events = try Wire.events("* 7 FETCH (BODYSTRUCTURE \(wire) UID 3)\r\n")
    guard case .untagged(.fetch(let message))? = events.first else {
      Issue.record("no message")
      return
    }
    #expect(message.uid == 3)
    var depthRead = 0
    var body = message.bodyStructure
    while let inner = body?.parts.first {
      depthRead += 1
      body = inner
    }
    #expect(depthRead == IMAPLimits().nesting / 2)
  }

  @Test func `no more parts than the limit are kept`() throws {
    var limits = IMAPLimits()
    limits.parts = 4
    let part = #"("a" "b" NIL NIL NIL "7bit" 1)"#
    let wire = "(\(String(repeating: part, count: 50)) \"mixed\")"
    let message = try Wire.message("BODYSTRUCTURE \(wire) UID 3", limits: limits)
    #expect(message.uid == 3)
    #expect(message.bodyStructure?.parts.count(where: { $0.subtype == "b" }) == 3)
  }
}
