import Bytes
import HTTP
import HTTPTransport
import Model

/// The JSON body of an error (RFC 9457) and the fields that go with it.
struct Problem {
  var error: ServiceError
  /// The path of the request, without its query, which may hold what others should not see.
  var instance: String?
  var requestID: String

  /// The answer that tells the caller.
  func response() -> HTTPResponse {
    let entry = ProblemTable.entry(for: error.code)
    var fields = HTTPFields()
    fields.append("Content-Type", constant: "application/problem+json")
    fields.append("Cache-Control", constant: "no-store")
    if let seconds = retryAfter(entry) { fields.append("Retry-After", "\(seconds)") }
    if entry.status == .unauthorized {
      fields.append("WWW-Authenticate", constant: "Bearer")
    }
    return HTTPResponse(status: entry.status, fields: fields, body: .bytes(body(entry)))
  }

  /// The seconds to wait, which 503 always names.
  private func retryAfter(_ entry: ProblemTable.Entry) -> Int? {
    error.retryAfter ?? (entry.status == .serviceUnavailable ? 1 : nil)
  }

  private func body(_ entry: ProblemTable.Entry) -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.object { json in
      json.key("type")
      json.string("urn:restante:problem:\(entry.code.rawValue)")
      json.key("title")
      json.string(entry.title)
      json.key("status")
      json.int(entry.status.rawValue)
      json.key("code")
      json.string(entry.code.rawValue)
      json.key("detail")
      json.string(error.message)
      if let instance {
        json.key("instance")
        json.string(instance)
      }
      json.key("requestId")
      json.string(requestID)
      json.key("retryable")
      json.bool(error.isRetryable || entry.status == .serviceUnavailable)
      json.key("origin")
      json.string(entry.origin.rawValue)
      writeFields(&json)
      writeBackend(&json)
    }
    return json.finish()
  }

  private func writeFields(_ json: inout JSONWriter) {
    guard !error.fields.isEmpty else { return }
    json.key("errors")
    json.array { json in
      for field in error.fields {
        json.object { json in
          json.key("pointer")
          json.string(field.pointer)
          json.key("code")
          json.string(field.code)
          json.key("detail")
          json.string(field.detail)
          if let line = field.line, let column = field.column {
            json.key("line")
            json.int(line)
            json.key("column")
            json.int(column)
          }
        }
      }
    }
  }

  private func writeBackend(_ json: inout JSONWriter) {
    guard let backend = error.backend else { return }
    json.key("backend")
    json.object { json in
      json.key("protocol")
      json.string(backend.protocolName)
      json.key("host")
      json.string(backend.host)
      json.key("response")
      json.string(backend.response)
      json.key("enhancedStatus")
      json.string(backend.enhancedStatus)
    }
  }
}

extension ServiceError {
  /// What the server met before there was a request to handle.
  static func protocolError(_ status: HTTPStatus, reason: String) -> ServiceError {
    switch status.rawValue {
    case 408: ServiceError(.requestTimedOut, reason, isRetryable: true)
    case 413: ServiceError(.bodyTooLarge, reason)
    case 414: ServiceError(.targetTooLong, reason)
    case 417: ServiceError(.expectationFailed, reason)
    case 431: ServiceError(.headerTooLarge, reason)
    case 501: ServiceError(.notImplemented, reason)
    case 505: ServiceError(.httpVersionUnsupported, reason)
    case 503: ServiceError(.unavailable, reason, isRetryable: true, retryAfter: 1)
    case 500...: ServiceError(.internalError, "The request could not be answered.", cause: reason)
    default: ServiceError(.httpMalformed, reason)
    }
  }

  /// There is no such thing, or the token may not see it.
  static let notFound = ServiceError(.notFound, "There is no such resource.")
}
