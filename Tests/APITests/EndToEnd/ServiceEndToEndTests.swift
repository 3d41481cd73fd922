import Bytes
import HTTP
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: service and tokens", .tags(.database))
struct ServiceEndToEndTests {
  @Test func `health, readiness and the contract need no token`() async throws {
    try await Office.with { _, api in
      api.token = nil
      try await api.expect(200, "GET", "/healthz")
      try await api.expect(200, "GET", "/readyz")
      let document = try await api.expect(200, "GET", "/openapi.yaml")
      #expect(document.http.body == OpenAPI.document)
      let tag = document.http["etag"] ?? ""
      try await api.expect(304, "GET", "/openapi.yaml", fields: [("If-None-Match", tag)])
      try await api.expect(401, code: "unauthenticated", "GET", "/v1/accounts")
      api.token = "rst_nonsense"
      try await api.expect(401, code: "unauthenticated", "GET", "/v1/accounts")
    }
  }

  @Test func `paths and methods that do not exist are told`() async throws {
    try await Office.with { _, api in
      try await api.expect(404, code: "not_found", "GET", "/v1/nonsense")
      try await api.expect(404, code: "not_found", "GET", "/v1/accounts/")
      for (id, reason) in [
        ("%zz", "A % is not followed by two hexadecimal digits."),
        ("%ff", "It is not UTF-8."), ("%00", "U+0000 is not allowed."),
      ] {
        let path = try await api.expect(400, code: "http_malformed", "GET", "/v1/accounts/\(id)")
        #expect(path.json["detail"]?.stringValue == "The path cannot be read. \(reason)")
      }
      let put = try await api.expect(405, code: "method_not_allowed", "PUT", "/v1/accounts")
      #expect(put.http["allow"] == "GET, HEAD, POST, OPTIONS")
      let options = try await api.expect(204, "OPTIONS", "/v1/accounts")
      #expect(options.http["allow"] == "GET, HEAD, POST, OPTIONS")
      let all = try await api.expect(204, "OPTIONS", "*")
      #expect(all.http["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
      let known = Set(Route.all.map(\.method)).union([.head, .options])
      #expect(Set(Route.methods) == known)
      _ = try await api.expect(400, "GET", "/healthz?verbose=1")
      let head = try await api.expect(200, "HEAD", "/v1/accounts")
      #expect(head.http.body.isEmpty)
      try await api.expect(200, "GET", "/v1/capabilities")
    }
  }

  @Test func `what is not asked for rightly is refused with its name`() async throws {
    try await Office.with { _, api in
      let parameter = try await api.expect(
        400,
        code: "unknown_parameter",
        "GET",
        "/v1/accounts?colour=1"
      )
      #expect(parameter.pointers == ["?colour"])
      let member = try await api.expect(
        400,
        code: "invalid_request",
        "POST",
        "/v1/accounts",
        #"{"email":"a@b.c","colour":1}"#
      )
      #expect(member.pointers == ["/colour"])
      let malformed = try await api.expect(
        400,
        code: "json_malformed",
        "POST",
        "/v1/accounts",
        #"{"email":"#
      )
      #expect(malformed.json["detail"]?.stringValue?.contains("byte 9") == true)
      try await api.expect(
        415,
        code: "unsupported_media_type",
        "POST",
        "/v1/accounts",
        "{}",
        type: "text/plain"
      )
      let large = "{\"email\":\"\(String(repeating: "x", count: 1 << 20))\"}"
      try await api.expect(413, code: "body_too_large", "POST", "/v1/accounts", large)
    }
  }

  @Test func `a token allows what it was given, until it is revoked`() async throws {
    try await Office.withAccount(messages: 1) { service, api, path, _ in
      let account = String(path.split(separator: "/")[2])
      let made = try await api.expect(
        201,
        "POST",
        "/v1/tokens",
        #"{"name":"reader","scopes":["read"],"accountIds":["\#(account)"]}"#
      )
      let blind = try await api.expect(
        201,
        "POST",
        "/v1/tokens",
        #"{"scopes":["read","write","send"],"accountIds":[]}"#
      )
      #expect(made.http["cache-control"] == "no-store")
      let admin = api.token
      api.token = made.json["token"]?.stringValue
      try await api.expect(200, "GET", path)
      try await api.expect(403, code: "forbidden", "POST", "\(path):sync")
      try await api.expect(403, code: "forbidden", "GET", "/v1/tokens")
      api.token = blind.json["token"]?.stringValue
      for suffix in ["", "/mailboxes", "/messages", "/submissions", "/changes", "/operations"] {
        try await api.expect(404, code: "not_found", "GET", path + suffix)
      }
      #expect(try await api.expect(200, "GET", "/v1/accounts").items.isEmpty)
      api.token = admin
      try await api.expect(200, "GET", "/v1/tokens/\(made.id)")
      #expect(try await api.expect(200, "GET", "/v1/tokens?total=true").items.count == 3)
      try await api.expect(204, "DELETE", "/v1/tokens/\(made.id)")
      api.token = made.json["token"]?.stringValue
      try await api.expect(401, code: "unauthenticated", "GET", path)
    }
  }

  @Test func `a secret is not replayed`() async throws {
    try await Office.with { _, api in
      let key = [("Idempotency-Key", "one")]
      let made = try await api.expect(
        201,
        "POST",
        "/v1/tokens",
        #"{"scopes":["read"]}"#,
        fields: key
      )
      let replay = try await api.expect(
        409,
        code: "idempotency_not_replayable",
        "POST",
        "/v1/tokens",
        #"{"scopes":["read"]}"#,
        fields: key
      )
      #expect(replay.json["detail"]?.stringValue?.contains(made.id) == true)
      try await api.expect(
        422,
        code: "idempotency_key_reused",
        "POST",
        "/v1/tokens",
        #"{"scopes":["write"]}"#,
        fields: key
      )
    }
  }
}

extension Tag {
  @Tag static var database: Self
}
