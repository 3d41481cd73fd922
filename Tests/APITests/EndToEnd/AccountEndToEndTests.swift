import Bytes
import Model
import Store
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: accounts", .tags(.database))
struct AccountEndToEndTests {
  private static func body(
    _ dovecot: DovecotServer,
    _ user: String,
    password: String = "secret",
    port: UInt16? = nil
  ) -> String {
    #"""
    {"email":"\#(user)@test.invalid","incoming":{"host":"127.0.0.1","port":\#(port ?? dovecot.imapPort),
    "tls":"none","auth":{"username":"\#(user)","password":"\#(password)"}}}
    """#
  }

  @Test func `an account is added by curl's own content type, and synced`() async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    try await dovecot.deliver(SampleMail.message(1), to: user)
    try await Office.with { _, api in
      let made = try await api.expect(
        201,
        "POST",
        "/v1/accounts",
        Self.body(dovecot, user),
        type: "application/x-www-form-urlencoded"
      )
      #expect(made.json["state"]?.stringValue == "connecting")
      #expect(!made.http.text.contains("secret"))
      let path = made.http["location"] ?? ""
      try await eventually("the account is ready") {
        try await api.call("GET", path).json["state"]?.stringValue == "ready"
      }
      try await eventually("the watch shows") {
        let watching = try await api.call("GET", path).json["sync"]?["watching"]
        return watching?["by"]?.stringValue != "poll" && watching?["since"]?.stringValue != nil
      }
      let list = try await api.expect(200, "GET", "/v1/accounts?total=true&fields=id,state")
      #expect(list.json["total"]?.intValue == 1)
      #expect(list.items.first?["email"] == nil)
      // What the sync notes of it meanwhile makes it another one.
      try await eventually("it is as it was a moment ago") {
        let tag = try await api.expect(200, "GET", path).http["etag"] ?? ""
        return try await api.call("GET", path, fields: [("If-None-Match", tag)]).status == 304
      }
      try await api.expect(202, "POST", "\(path):sync")
      try await api.expect(204, "DELETE", path)
      try await api.expect(404, code: "not_found", "GET", path)
    }
  }

  @Test func `a wrong password shows in the account's state and reason`() async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    try await Office.with { _, api in
      let made = try await api.expect(
        201,
        "POST",
        "/v1/accounts",
        Self.body(dovecot, user, password: "wrong")
      )
      let path = "/v1/accounts/\(made.id)"
      try await eventually("the refusal shows") {
        try await api.call("GET", path).json["state"]?.stringValue == "authenticationFailed"
      }
      let account = try await api.expect(200, "GET", path)
      let code = account.json["lastError"]?["code"]?.stringValue
      #expect(code == "backend_authentication_failed")
    }
  }

  @Test func `verify says which step failed and saves nothing`() async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    try await Office.with { _, api in
      let good = try await api.expect(
        200,
        "POST",
        "/v1/accounts:verify",
        Self.body(dovecot, user)
      )
      #expect(good.json["ok"]?.boolValue == true)
      let refused = try await api.expect(
        200,
        "POST",
        "/v1/accounts:verify",
        Self.body(dovecot, user, password: "wrong")
      )
      #expect(refused.json["incoming"]?["failedStep"]?.stringValue == "auth")
      let closed = try await api.expect(
        200,
        "POST",
        "/v1/accounts:verify",
        Self.body(dovecot, user, port: 1)
      )
      #expect(closed.json["incoming"]?["failedStep"]?.stringValue == "tcp")
      #expect(try await api.expect(200, "GET", "/v1/accounts").items.isEmpty)
    }
  }

  @Test func `a password cannot be led to another host by way of no authentication`() async throws {
    let postfix = try await PostfixServer.start(deliveringTo: try await DovecotServer.shared)
    try await Office.withAccount(messages: 0, smtp: postfix) { service, api, path, _ in
      let account = try #require(ID<Account>(text: String(path.dropFirst("/v1/accounts/".count))))
      for side in ["incoming", "outgoing"] {
        try await api.expect(
          200,
          "PATCH",
          path,
          #"{"\#(side)":{"host":"127.0.0.2","tls":"none","auth":{"type":"none"}}}"#
        )
        try await api.expect(
          422,
          code: "secret_required",
          "PATCH",
          path,
          #"{"\#(side)":{"auth":{"type":"password","username":"ada"},"allowCleartext":true}}"#
        )
      }
      let secrets = try await service.store.secrets(of: account)
      #expect(secrets.incoming == nil && secrets.outgoing == nil)
    }
    await postfix.stop()
  }

  @Test func `a changed host needs the secret again, and a stale tag is refused`() async throws {
    try await Office.withAccount(messages: 0) { _, api, path, _ in
      try await api.expect(
        422,
        code: "secret_required",
        "PATCH",
        path,
        #"{"incoming":{"host":"localhost"}}"#
      )
      try await api.expect(
        412,
        code: "precondition_failed",
        "PATCH",
        path,
        #"{"name":"x"}"#,
        fields: [("If-Match", "\"0\"")]
      )
      let changed = try await api.expect(200, "PATCH", path, #"{"name":"Ada"}"#)
      #expect(changed.json["name"]?.stringValue == "Ada")
      try await api.expect(400, code: "invalid_request", "PATCH", path, #"{"incoming":null}"#)
    }
  }

  @Test(arguments: [
    (#"{"email":"a@b.c"}"#, "discovery_unavailable"),
    (
      #"{"email":"a@b.c","incoming":{"host":"192.0.2.1","tls":"none","auth":{"username":"a","password":"b"}}}"#,
      "cleartext_refused"
    ),
    (#"{"email":"a@b.c\r\n","incoming":{"host":"192.0.2.1"}}"#, "unprocessable"),
  ])
  func `settings that cannot be are refused`(body: String, code: String) async throws {
    try await Office.with { _, api in
      try await api.expect(422, code: code, "POST", "/v1/accounts", body)
    }
  }

  @Test(arguments: ["acc_nonsense", "acc_0000000000000", "msg_0000000000000", "1", "%00"])
  func `an id that names no account is 404 or no request`(id: String) async throws {
    try await Office.with { _, api in
      let answer = try await api.call("GET", "/v1/accounts/\(id)/messages")
      #expect(answer.status == 404 || answer.code == "http_malformed")
    }
  }
}
