import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: scripts", .tags(.database))
struct ScriptEndToEndTests {
  @Test func `scripts are made, shown, changed, activated and deleted`() async throws {
    try await Office.withLocalAccount { _, api, path in
      let script = try await api.expect(
        201,
        "POST",
        "\(path)/scripts",
        #"{"name":"main","content":"require \"fileinto\";\nfileinto \"X\";\n"}"#
      )
      let one = "\(path)/scripts/\(script.id)"
      #expect(script.http["location"] == one)
      #expect(script.json["isActive"]?.boolValue == false && script.json["size"]?.intValue == 34)
      let tag = try #require(script.http["etag"])
      try await api.expect(304, "GET", one, fields: [("If-None-Match", tag)])
      let raw = try await api.expect(200, "GET", one, fields: [("Accept", "application/sieve")])
      #expect(raw.http.text == "require \"fileinto\";\nfileinto \"X\";\n")
      try await api.expect(
        422,
        code: "unprocessable",
        "POST",
        "\(path)/scripts",
        #"{"name":"bad","content":"fileinto;"}"#
      )
      for name in ["", String(repeating: "a", count: 129), "a\\u0007b"] {
        let body = "{\"name\":\"\(name)\",\"content\":\"keep;\"}"
        let misnamed = try await api.expect(422, "POST", "\(path)/scripts", body)
        #expect(misnamed.pointers == ["/name"])
        #expect(try await api.expect(422, "PATCH", one, body).pointers == ["/name"])
      }
      let shapeless = try await api.expect(400, "PATCH", one, "[]")
      #expect(shapeless.json["detail"]?.stringValue == "An object is wanted.")
      let found = try await api.expect(
        200,
        "POST",
        "\(path)/scripts:validate",
        raw: Array("keep;\n  shoe;\n".utf8),
        type: "application/sieve"
      )
      #expect(found.json["isValid"]?.boolValue == false)
      let error = found.json["errors"]?.arrayValue?.first
      #expect(error?["line"]?.intValue == 2 && error?["column"]?.intValue == 3)
      try await api.expect(
        412,
        "PATCH",
        one,
        #"{"name":"x"}"#,
        fields: [("If-Match", "\"99\"")]
      )
      let active = try await api.expect(200, "POST", "\(one):activate")
      #expect(active.json["isActive"]?.boolValue == true && active.http["etag"] != tag)
      try await api.expect(409, code: "conflict", "DELETE", one)
      let renamed = try await api.expect(200, "PATCH", one, #"{"name":"other"}"#)
      #expect(renamed.json["name"]?.stringValue == "other")
      try await api.expect(204, "POST", "\(path)/scripts:deactivate")
      let listed = try await api.expect(200, "GET", "\(path)/scripts")
      #expect(listed.items.map { $0["isActive"]?.boolValue } == [false])
      try await api.expect(204, "DELETE", one)
      try await api.expect(404, code: "not_found", "GET", one)
    }
  }

  @Test func `a script that rules cannot say runs in their place until it is deactivated`()
    async throws
  {
    try await Office.withLocalAccount { _, api, path in
      let type = "application/sieve"
      let source = "require [\"variables\", \"fileinto\"];\nset \"x\" \"Y\";\nfileinto \"${x}\";\n"
      try await api.expect(204, "PUT", "\(path)/rules/script", raw: Array(source.utf8), type: type)
      let scripts = try await api.expect(200, "GET", "\(path)/scripts").items
      #expect(scripts.map { $0["name"]?.stringValue } == ["rules"])
      #expect(scripts.map { $0["isActive"]?.boolValue } == [true])
      let shown = try await api.expect(200, "GET", "\(path)/rules/script")
      #expect(shown.http.text == source)
      // A script without a command is a mistake, and not the wish to have no rules.
      for empty in ["", " \r\n", "# nothing\n", "/* x */ require \"fileinto\";"] {
        try await api.expect(
          422,
          "PUT",
          "\(path)/rules/script",
          raw: Array(empty.utf8),
          type: type
        )
      }
      // One that rules can say takes its place.
      try await api.expect(
        204,
        "PUT",
        "\(path)/rules/script",
        raw: Array(
          "require \"fileinto\";\nif header :contains \"subject\" \"x\" { fileinto \"X\"; }".utf8
        ),
        type: type
      )
      let after = try await api.expect(200, "GET", "\(path)/scripts").items
      #expect(after.map { $0["isActive"]?.boolValue } == [false])
      #expect(try await api.expect(200, "GET", "\(path)/rules").items.count == 1)
    }
  }
}
