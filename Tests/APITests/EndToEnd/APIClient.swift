import Bytes
import Net
import TestSupport
import Testing

@testable import API

/// An answer of the API.
struct APIAnswer {
  var status: Int
  var http: TestHTTPResponse
  var json: JSONValue

  /// The code of a problem.
  var code: String? { json["code"]?.stringValue }
  var id: String { json["id"]?.stringValue ?? "" }
  var items: [JSONValue] { json["items"]?.arrayValue ?? [] }
  /// The pointers of a problem's faults.
  var pointers: [String] {
    json["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? []
  }
}

/// Calls the API of a service and holds every answer against `openapi.yaml`.
final class APIClient {
  private let service: TestService
  private let client: TestHTTPClient
  var token: String?

  init(_ service: TestService) async throws {
    self.service = service
    client = try await TestHTTPClient(connectingTo: service.address, group: service.group)
    token = service.adminToken
  }

  func call(
    _ method: String,
    _ path: String,
    _ json: String? = nil,
    raw: [UInt8] = [],
    type: String? = nil,
    fields: [(String, String)] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> APIAnswer {
    var fields = fields
    if let token { fields.append(("Authorization", "Bearer \(token)")) }
    if let type = type ?? (json == nil ? nil : "application/json") {
      fields.append(("Content-Type", type))
    }
    let body = json.map { Array($0.utf8) } ?? raw
    let http = try await client.send(method, path, fields, body: body)
    let faults = Contract.shared.faults(
      method,
      path,
      status: http.status,
      type: http["content-type"],
      body: http.body,
      selectsFields: path.contains("fields=")
    )
    #expect(faults == [], "\(method) \(path) \(http.text)", sourceLocation: sourceLocation)
    #expect(http["request-id"] != nil, sourceLocation: sourceLocation)
    let isJSON = http["content-type"]?.contains("json") ?? false
    let value = isJSON && method != "HEAD" ? try JSONReader.parse(http.body.span) : .null
    return APIAnswer(status: http.status, http: http, json: value)
  }

  /// Expects this status, and code where one is given.
  @discardableResult
  func expect(
    _ status: Int,
    code: String? = nil,
    _ method: String,
    _ path: String,
    _ json: String? = nil,
    raw: [UInt8] = [],
    type: String? = nil,
    fields: [(String, String)] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> APIAnswer {
    let answer = try await call(
      method,
      path,
      json,
      raw: raw,
      type: type,
      fields: fields,
      sourceLocation: sourceLocation
    )
    #expect(answer.status == status, "\(answer.http.text)", sourceLocation: sourceLocation)
    if let code { #expect(answer.code == code, sourceLocation: sourceLocation) }
    return answer
  }
}

/// A service with its API before real mail servers.
enum Office {
  /// Runs `body` with a client, on a service that serves HTTP.
  static func with(
    _ body: @escaping @Sendable (TestService, APIClient) async throws -> Void
  ) async throws {
    var options = TestService.Options()
    options.servesHTTP = true
    try await TestService.with(options) { service in
      try await body(service, try await APIClient(service))
    }
  }

  /// Runs `body` with the path of an account whose mail is kept here alone.
  static func withLocalAccount(
    _ body: @escaping @Sendable (TestService, APIClient, _ path: String) async throws -> Void
  ) async throws {
    try await with { service, client in
      let made = try await client.expect(
        201,
        "POST",
        "/v1/accounts",
        #"{"email":"ada@test.invalid","incoming":{"protocol":"local"}}"#
      )
      try await body(service, client, "/v1/accounts/\(made.id)")
    }
  }

  /// Runs `body` with the path of an account whose inbox holds `count` sample messages, all synced.
  static func withAccount(
    messages count: Int = 12,
    smtp postfix: PostfixServer? = nil,
    _ body:
      @escaping @Sendable (TestService, APIClient, _ path: String, _ user: String) async throws
      -> Void
  ) async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    for index in 0..<count {
      try await dovecot.deliver(SampleMail.message(index), to: user)
    }
    try await with { service, client in
      let account = try await service.addSyncedAccount(dovecot, user, smtp: postfix)
      try await body(service, client, "/v1/accounts/\(account)", user)
    }
  }
}
