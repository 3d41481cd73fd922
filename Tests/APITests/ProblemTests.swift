import Bytes
import HTTP
import HTTPTransport
import Model
import Testing

@testable import API

@Suite("Problems (RFC 9457)") struct ProblemTests {
  private func body(_ response: HTTPResponse) throws -> JSONValue {
    guard case .bytes(let bytes) = response.body else { return .null }
    return try JSONReader.parse(bytes.span)
  }

  @Test func `a problem says what, where and whether to try again`() throws {
    let error = ServiceError(
      .invalidRequest,
      "Two things are wrong.",
      fields: [FieldError(pointer: "/a", code: "type", detail: "A string is wanted.")]
    )
    let response = Problem(error: error, instance: "/v1/x", requestID: "r1").response()
    let json = try body(response)
    #expect(response.status == .badRequest)
    #expect(response.fields["content-type"] == "application/problem+json")
    #expect(json["type"]?.stringValue == "urn:restante:problem:invalid_request")
    #expect(json["status"]?.intValue == 400)
    #expect(json["code"]?.stringValue == "invalid_request")
    #expect(json["detail"]?.stringValue == "Two things are wrong.")
    #expect(json["instance"]?.stringValue == "/v1/x")
    #expect(json["requestId"]?.stringValue == "r1")
    #expect(json["retryable"]?.boolValue == false)
    #expect(json["origin"]?.stringValue == "client")
    #expect(json["errors"]?.arrayValue?.first?["pointer"]?.stringValue == "/a")
  }

  @Test func `a cause is for the log alone`() throws {
    let error = ServiceError(.internalError, "An internal error occurred.", cause: "secret")
    let response = Problem(error: error, instance: nil, requestID: "r").response()
    guard case .bytes(let bytes) = response.body else { Issue.record("no body"); return }
    #expect(!String(decoding: bytes, as: UTF8.self).contains("secret"))
  }

  @Test func `a database that is away is 503 with a time to come back`() throws {
    let error = ServiceError(.unavailable, "Away.", isRetryable: true)
    let response = Problem(error: error, instance: nil, requestID: "r").response()
    #expect(response.status == .serviceUnavailable)
    #expect(response.fields["retry-after"] == "1")
    #expect(try body(response)["retryable"]?.boolValue == true)
  }

  @Test func `a mail server's words stand in a member of their own`() throws {
    let error = ServiceError(
      .backendRefused,
      "Refused.",
      backend: BackendFailure(protocolName: "imap", host: "mail.example", response: "NO [CANNOT]")
    )
    let json = try body(Problem(error: error, instance: nil, requestID: "r").response())
    #expect(json["status"]?.intValue == 502)
    #expect(json["origin"]?.stringValue == "backend")
    #expect(json["backend"]?["response"]?.stringValue == "NO [CANNOT]")
    #expect(json["backend"]?["host"]?.stringValue == "mail.example")
  }

  @Test func `no token asks for one`() {
    let error = ServiceError(.unauthenticated, "None.")
    let response = Problem(error: error, instance: nil, requestID: "r").response()
    #expect(response.status == .unauthorized)
    #expect(response.fields["www-authenticate"] == "Bearer")
  }

  @Test func `a code that no row has reads as a defect`() {
    let error = ServiceError(ErrorCode(rawValue: "made_up"), "What?")
    #expect(Problem(error: error, instance: nil, requestID: "r").response().status == 500)
  }

  @Test(arguments: [
    (400, "http_malformed"), (408, "request_timed_out"), (413, "body_too_large"),
    (414, "target_too_long"), (431, "header_too_large"), (501, "not_implemented"),
    (417, "expectation_failed"), (505, "http_version_unsupported"), (503, "unavailable"),
  ])
  func `what is no request gets a problem too`(status: Int, code: String) {
    let error = ServiceError.protocolError(HTTPStatus(rawValue: status), reason: "Why.")
    #expect(error.code.rawValue == code)
    #expect(ProblemTable.entry(for: error.code).status.rawValue == status)
  }
}
