import Bytes
import Engine
import MIME
import Model
import Testing

@testable import API

@Suite("What to send") struct SubmissionDecodingTests {
  private func decode(_ text: String) throws -> SubmissionDraft {
    try SubmissionDecoding.json(
      try JSONReader.parse(Array(text.utf8).span),
      limits: APILimits()
    ).draft
  }

  private func error(_ text: String) throws -> ServiceError? {
    let value = try JSONReader.parse(Array(text.utf8).span)
    do throws(ServiceError) {
      _ = try SubmissionDecoding.json(value, limits: APILimits())
      return nil
    } catch {
      return error
    }
  }

  @Test func `a short message`() throws {
    let draft = try decode(#"{"to":[{"email":"bob@example.org"}],"subject":"hi","text":"…"}"#)
    guard case .composed(let message) = draft.content else { Issue.record("content"); return }
    #expect(message.to.map(\.email) == ["bob@example.org"])
    #expect(message.subject == "hi")
    #expect(message.text == "…")
  }

  @Test(arguments: [
    (#"{"to":[{"email":"b@x.y\r\nRCPT TO:<z@x.y>"}]}"#, "/to/0/email"),
    (#"{"to":[{"email":"b@x.y\n"}]}"#, "/to/0/email"),
    (#"{"to":[{"email":"b@x.y\u0000"}]}"#, "/to/0/email"),
    (#"{"to":[{"email":"b@x.y","name":"a\nb"}]}"#, "/to/0/name"),
    (#"{"cc":[{"email":"a@x.y"},{"email":"b@x.y\r"}]}"#, "/cc/1/email"),
    (#"{"bcc":[{"email":"b\n@x.y"}]}"#, "/bcc/0/email"),
    (#"{"from":{"email":"b\n@x.y"},"to":[{"email":"a@x.y"}]}"#, "/from/email"),
    (#"{"replyTo":[{"email":"b\n@x.y"}],"to":[{"email":"a@x.y"}]}"#, "/replyTo/0/email"),
    (#"{"subject":"a\r\nBcc: z@x.y","to":[{"email":"a@x.y"}]}"#, "/subject"),
    (
      #"{"headers":[{"name":"X-A\r\nB","value":"c"}],"to":[{"email":"a@x.y"}]}"#,
      "/headers/0/name"
    ),
    (
      #"{"headers":[{"name":"X-A","value":"c\nBcc: z@x.y"}],"to":[{"email":"a@x.y"}]}"#,
      "/headers/0/value"
    ),
    (#"{"envelope":{"mailFrom":"a@x.y>\r\n"},"to":[{"email":"a@x.y"}]}"#, "/envelope/mailFrom"),
    (#"{"envelope":{"rcptTo":["a@x.y\r\nDATA"]},"to":[{"email":"a@x.y"}]}"#, "/envelope/rcptTo/0"),
    (
      #"{"attachments":[{"name":"a\nb","content":""}],"to":[{"email":"a@x.y"}]}"#,
      "/attachments/0/name"
    ),
  ])
  func `CR, LF and NUL are refused with the pointer`(text: String, pointer: String) throws {
    let error = try error(text)
    #expect(error?.code == .unprocessable)
    #expect(error?.fields.map(\.pointer) == [pointer])
    #expect(error?.fields.map(\.code) == ["forbidden_character"])
  }

  @Test(arguments: [
    (#"{}"#, "/to", "unprocessable"), (#"{"subject":"x"}"#, "/to", "unprocessable"),
    (#"{"to":[{"email":"nobody"}]}"#, "/to/0/email", "unprocessable"),
    (#"{"to":[{"email":"a@x.y, b@x.y"}]}"#, "/to/0/email", "unprocessable"),
    (#"{"to":[{"email":"<a@x.y>"}]}"#, "/to/0/email", "unprocessable"),
    (#"{"to":"a@x.y"}"#, "/to", "invalid_request"),
    (#"{"to":[{}]}"#, "/to/0/email", "invalid_request"),
    (#"{"to":[{"email":"a@x.y","x":1}]}"#, "/to/0/x", "invalid_request"),
    (#"{"draftId":"nonsense"}"#, "/draftId", "unprocessable"),
    (#"{"draftId":"msg_0000000000000","subject":"x"}"#, "/draftId", "invalid_request"),
    (
      #"{"to":[{"email":"a@x.y"}],"headers":[{"name":"Bcc","value":"z@x.y"}]}"#,
      "/headers/0/name", "unprocessable"
    ),
    (
      #"{"to":[{"email":"a@x.y"}],"attachments":[{"content":"%"}]}"#, "/attachments/0/content",
      "invalid_request"
    ),
    (
      #"{"to":[{"email":"a@x.y"}],"attachments":[{"content":"","type":"multipart/mixed"}]}"#,
      "/attachments/0/type", "unprocessable"
    ),
    (#"{"to":[{"email":"a@x.y"}],"references":["a b"]}"#, "/references/0", "unprocessable"),
  ])
  func `what cannot be sent is named by its pointer`(
    text: String,
    pointer: String,
    code: String
  ) throws {
    let error = try error(text)
    #expect(error?.code.rawValue == code)
    #expect(error?.fields.map(\.pointer) == [pointer])
  }

  @Test(arguments: [
    "a@x.y", "a+b@x.y", "\"a b\"@x.y", "zoë@exämple.org", "a@[192.0.2.1]", "a.b-c_d@x",
  ])
  func `addresses that mail can be sent to pass`(address: String) {
    let faults = Faults()
    TextRules.checkAddress(address, at: "", faults: faults)
    #expect(faults.isEmpty)
  }

  @Test func `a draft is named by its id`() throws {
    let draft = try decode(#"{"draftId":"msg_0000000000000"}"#)
    guard case .draft(let id) = draft.content else { Issue.record("content"); return }
    #expect(id.description == "msg_0000000000000")
  }

  @Test func `a reply names the message it answers by id or by message ID`() throws {
    let by = try decode(#"{"to":[{"email":"a@x.y"}],"inReplyTo":"msg_0000000000000"}"#)
    #expect(by.inReplyToMessage != nil)
    let named = try decode(#"{"to":[{"email":"a@x.y"}],"inReplyTo":"1@x.y"}"#)
    guard case .composed(let message) = named.content else { Issue.record("content"); return }
    #expect(message.inReplyTo == ["1@x.y"])
  }
}
