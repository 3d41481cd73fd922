import Bytes
import HTTP
import HTTPTransport
import Model

extension HTTPResponse {
  /// A JSON answer.
  static func json(
    _ body: [UInt8],
    status: HTTPStatus = .ok,
    tag: ETag? = nil,
    location: String? = nil
  ) -> HTTPResponse {
    var fields = HTTPFields()
    fields.append("Content-Type", constant: "application/json")
    fields.append("Cache-Control", constant: "private, no-cache")
    if let tag { fields.append("ETag", tag.field) }
    if let location { fields.append("Location", location) }
    return HTTPResponse(status: status, fields: fields, body: .bytes(body))
  }

  /// A JSON answer that `write` writes.
  static func json(
    status: HTTPStatus = .ok,
    tag: ETag? = nil,
    location: String? = nil,
    capacity: Int = 2048,
    _ write: (inout JSONWriter) -> Void
  ) -> HTTPResponse {
    var json = JSONWriter(capacity: capacity)
    write(&json)
    return .json(json.finish(), status: status, tag: tag, location: location)
  }

  /// The same answer with the fields that every answer has.
  func identified(by requestID: String) -> HTTPResponse {
    var response = self
    response.fields.append("Request-Id", requestID)
    response.fields.append("X-Content-Type-Options", constant: "nosniff")
    return response
  }

  /// Done, and nothing to say about it.
  static let noContent = HTTPResponse(status: .noContent)

  /// The caller has this version already.
  static func notModified(_ tag: ETag) -> HTTPResponse {
    var fields = HTTPFields()
    fields.append("ETag", tag.field)
    fields.append("Cache-Control", constant: "private, no-cache")
    return HTTPResponse(status: .notModified, fields: fields)
  }
}

/// The frame of a list's answer: `items`, `next`, `state`, `total`, and the `Link` field.
struct Page {
  /// The cursor of the next page; nil on the last.
  var next: String?
  /// The state of the feed, where the list has one.
  var state: String?
  var total: Int64?
  /// What a search could not look into; the answer names it where there is any.
  var partial: [SearchGap] = []

  /// The answer to `call` with the items that `writeItems` writes into the array.
  func response(
    to call: Call,
    capacity: Int = 4096,
    _ writeItems: (inout JSONWriter) -> Void
  ) -> HTTPResponse {
    var response = HTTPResponse.json(capacity: capacity) { json in
      json.beginObject()
      json.key("items")
      json.beginArray()
      writeItems(&json)
      json.endArray()
      json.key("next")
      json.string(next)
      json.key("state")
      json.string(state)
      if let total {
        json.key("total")
        json.int(total)
      }
      writePartial(&json)
      json.endObject()
    }
    if let next { response.fields.append("Link", link(next, call)) }
    return response
  }

  private func writePartial(_ json: inout JSONWriter) {
    guard !partial.isEmpty else { return }
    json.key("partial")
    json.array { json in
      for gap in partial {
        json.object { json in
          json.member("accountId") { $0.id(gap.account) }
          if let mailbox = gap.mailbox { json.member("mailboxId") { $0.id(mailbox) } }
          json.member("code") { $0.string(gap.error.code.rawValue) }
          json.member("detail") { $0.string(gap.error.message) }
          json.member("retryable") { $0.bool(gap.error.isRetryable) }
        }
      }
    }
  }

  /// The target of the request with the cursor in the place of its own (RFC 8288).
  private func link(_ next: String, _ call: Call) -> String {
    let target = String(decoding: call.request.target, as: UTF8.self)
    let parts = target.split(separator: "?", maxSplits: 1)
    let kept = parts.dropFirst().first.map { query in
      query.split(separator: "&").filter { !$0.hasPrefix("cursor=") }.joined(separator: "&") + "&"
    }
    let query = kept.map { $0 == "&" ? "" : $0 } ?? ""
    return "<\(parts.first ?? "")?\(query)cursor=\(next)>; rel=\"next\""
  }
}
