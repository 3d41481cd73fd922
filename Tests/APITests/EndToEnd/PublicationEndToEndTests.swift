import Bytes
import Net
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: rules at the account's server", .tags(.database))
struct PublicationEndToEndTests {
  @Test
  func `an account names its ManageSieve server, and rules are published there and withdrawn`()
    async throws
  {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    let login = #""auth":{"username":"\#(user)","password":"\#(dovecot.password)"}"#
    let body = #"""
      {"email":"\#(dovecot.address(of: user))","incoming":{"host":"localhost","port":\#(dovecot.imapsPort),\#(login)},
      "sieve":{"port":\#(dovecot.sievePort)}}
      """#
    try await Office.with { service, api in
      let verified = try await api.expect(200, "POST", "/v1/accounts:verify", body)
      #expect(verified.json["sieve"]?["ok"]?.boolValue == true)
      let made = try await api.expect(201, "POST", "/v1/accounts", body)
      let path = "/v1/accounts/\(made.id)"
      #expect(made.json["sieve"]?["host"]?.stringValue == "localhost")
      #expect(made.json["sieve"]?["tls"]?.stringValue == "starttls")
      #expect(made.json["sieve"]?["auth"] == .null)
      try await eventually("the server says what scripts may require") {
        let shown = try await api.expect(200, "GET", path)
        let known = shown.json["capabilities"]?["sieve"]?.arrayValue ?? []
        return known.contains(.string("imap4flags")) && shown.json["firstSyncedAt"] != .null
      }
      let rule = try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"A","when":{"from":"bob"},"actions":[{"type":"move","mailbox":"Bob"}]}"#
      )
      #expect(rule.json["placement"]?.stringValue == "sieve")
      let before = try await api.expect(200, "GET", "\(path)/rules/publication")
      #expect(before.json["runBy"]?.stringValue == "service")
      try await api.expect(409, code: "conflict", "POST", "\(path)/rules:withdraw", "{}")
      try await api.expect(
        400,
        code: "invalid_request",
        "POST",
        "\(path)/rules:publish",
        #"{"force":true}"#
      )
      let published = try await api.expect(200, "POST", "\(path)/rules:publish", "{}")
      #expect(published.json["runBy"]?.stringValue == "server")
      #expect(published.json["script"]?.stringValue == "restante")
      #expect(published.json["isCurrent"]?.boolValue == true)
      #expect(published.json["lastError"] == .null)
      // That its mailbox is made, here or by the first message, makes the script no other.
      try await api.expect(201, "POST", "\(path)/mailboxes", #"{"name":"Bob"}"#)
      let still = try await api.expect(200, "GET", "\(path)/rules/publication")
      #expect(still.json["isCurrent"]?.boolValue == true)
      try await api.expect(409, code: "conflict", "PATCH", path, #"{"sieve":null}"#)
      let withdrawn = try await api.expect(200, "POST", "\(path)/rules:withdraw", "{}")
      #expect(withdrawn.json["runBy"]?.stringValue == "service")
      let cleared = try await api.expect(200, "PATCH", path, #"{"sieve":null}"#)
      #expect(cleared.json["sieve"] == .null)
      try await api.expect(409, code: "conflict", "POST", "\(path)/rules:publish", "{}")
    }
  }

  @Test func `rules come back from a script server that is gone for good`() async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    let login = #""auth":{"username":"\#(user)","password":"\#(dovecot.password)"}"#
    try await Office.with { service, api in
      let way = try TapProxy(to: dovecot.sievePort, on: service.group.loops[0])
      let body = #"""
        {"email":"\#(dovecot.address(of: user))","incoming":{"host":"localhost","port":\#(dovecot.imapsPort),\#(login)},
        "sieve":{"port":\#(way.port)}}
        """#
      let path = "/v1/accounts/\(try await api.expect(201, "POST", "/v1/accounts", body).id)"
      try await eventually("it is synced") {
        try await api.expect(200, "GET", path).json["firstSyncedAt"] != .null
      }
      let rule = #"{"name":"A","when":{"from":"bob"},"actions":[{"type":"move","mailbox":"Bob"}]}"#
      try await api.expect(201, "POST", "\(path)/rules", rule)
      try await api.expect(200, "POST", "\(path)/rules:publish", "{}")
      way.goAway()
      try await api.expect(502, "POST", "\(path)/rules:withdraw")
      try await api.expect(
        400,
        code: "invalid_request",
        "POST",
        "\(path)/rules:withdraw",
        #"{"force":1}"#
      )
      let forced = try await api.expect(200, "POST", "\(path)/rules:withdraw", #"{"force":true}"#)
      #expect(forced.json["runBy"]?.stringValue == "service")
      #expect(forced.json["lastError"] == .null)
      try await api.expect(200, "PATCH", path, #"{"sieve":null}"#)
      await way.stop()
    }
  }

  @Test func `an account that is kept here has no ManageSieve server`() async throws {
    try await Office.with { _, api in
      try await api.expect(
        422,
        code: "unprocessable",
        "POST",
        "/v1/accounts",
        #"{"email":"ada@test.invalid","incoming":{"protocol":"local"},"sieve":{}}"#
      )
    }
  }
}
