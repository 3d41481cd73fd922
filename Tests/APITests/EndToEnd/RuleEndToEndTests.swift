import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: rules", .tags(.database))
struct RuleEndToEndTests {
  /// Runs `body` with the path of a new local account.
  func withAccount(
    _ body: @escaping @Sendable (TestService, APIClient, String) async throws -> Void
  ) async throws {
    try await Office.with { service, api in
      let made = try await api.expect(
        201,
        "POST",
        "/v1/accounts",
        #"{"email":"ada@test.invalid","incoming":{"protocol":"local"},"outgoing":{"protocol":"smtp","host":"127.0.0.1","port":9,"tls":"none","auth":{"type":"none"}}}"#
      )
      try await body(service, api, "/v1/accounts/\(made.id)")
    }
  }

  func names(_ api: APIClient, _ path: String) async throws -> [String] {
    try await api.expect(200, "GET", "\(path)/rules").items.compactMap { $0["name"]?.stringValue }
  }

  @Test func `changes of rules without a condition are all made, however close they come`()
    async throws
  {
    try await withAccount { service, api, path in
      var rules: [String] = []
      for name in ["A", "B", "C", "D"] {
        let rule = #"{"name":"\#(name)","when":{"from":"bob"},"actions":[{"type":"keep"}]}"#
        rules.append("\(path)/rules/\(try await api.expect(201, "POST", "\(path)/rules", rule).id)")
      }
      let changes = (0..<12).map { (rules[$0 % 4], #"{"position":\#(($0 + $0 / 4) % 4)}"#) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (rule, change) in changes {
          group.addTask {
            _ = try await APIClient(service).expect(200, "PATCH", rule, change)
          }
        }
        try await group.waitForAll()
      }
      let listed = try await api.expect(200, "GET", "\(path)/rules").items
      #expect(listed.compactMap { $0["position"]?.intValue } == [0, 1, 2, 3])
    }
  }

  @Test func `rules are made, ordered, changed and deleted, and the feed tells`() async throws {
    try await withAccount { _, api, path in
      let state = try await api.expect(200, "GET", "\(path)/rules").json["state"]?.stringValue
      let first = try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"A","when":{"from":"bob"},"actions":[{"type":"archive"}],"stop":true}"#
      )
      #expect(first.json["placement"]?.stringValue == "sieve")
      #expect(first.json["hasError"]?.boolValue == false)
      #expect(first.http["location"] == "\(path)/rules/\(first.id)")
      try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"B","q":"subject:x OR has:attachment","actions":[],"position":0}"#
      )
      #expect(try await names(api, path) == ["B", "A"])
      let rule = "\(path)/rules/\(first.id)"
      let shown = try await api.expect(200, "GET", rule)
      #expect(shown.json["position"]?.intValue == 1)
      let tag = try #require(shown.http["etag"])
      try await api.expect(304, "GET", rule, fields: [("If-None-Match", tag)])
      try await api.expect(
        412,
        "PATCH",
        rule,
        #"{"name":"C"}"#,
        fields: [("If-Match", "\"99\"")]
      )
      let changed = try await api.expect(
        200,
        "PATCH",
        rule,
        #"{"name":"C","position":0,"enabled":false,"when":null}"#,
        fields: [("If-Match", tag)]
      )
      #expect(changed.json["when"] == .null && changed.json["position"]?.intValue == 0)
      #expect(try await names(api, path) == ["C", "B"])
      try await api.expect(204, "DELETE", rule)
      try await api.expect(404, code: "not_found", "GET", rule)
      #expect(try await names(api, path) == ["B"])
      let changes = try await api.expect(200, "GET", "\(path)/changes?since=\(state ?? "")")
      #expect(changes.json["rules"]?["created"]?.arrayValue?.count == 1)
    }
  }

  @Test(arguments: [
    (#"{"name":"A","actions":[{"type":"fly"}]}"#, "/actions/0/type"),
    (
      #"{"name":"A","actions":[],"when":{"operator":"or","conditions":[{"from":"a"},{"property":"shoe"}]}}"#,
      "/when/conditions/1/property"
    ),
    (#"{"name":"A","actions":[],"position":-1}"#, "/position"),
    (#"{"name":"A","actions":[],"shoe":1}"#, "/shoe"),
  ])
  func `a fault is named by its pointer, and by :validate as well`(
    body: String,
    pointer: String
  ) async throws {
    try await withAccount { _, api, path in
      for target in ["rules", "rules:validate"] {
        let answer = try await api.expect(
          400,
          code: "invalid_request",
          "POST",
          "\(path)/\(target)",
          body
        )
        #expect(answer.pointers == [pointer])
      }
    }
  }

  @Test func `a rule is told clause by clause who carries it out`() async throws {
    try await withAccount { _, api, path in
      let told = try await api.expect(
        200,
        "POST",
        "\(path)/rules:validate",
        #"{"name":"A","when":{"from":"a","has":"attachment"},"actions":[{"type":"archive"},{"type":"redirect","to":"b@example.net"}]}"#
      )
      #expect(told.json["placement"]?.stringValue == "service")
      let clauses = told.json["clauses"]?.arrayValue ?? []
      #expect(
        clauses.compactMap { $0["placement"]?.stringValue }
          == ["sieve", "service", "sieve", "sieve"]
      )
      #expect(clauses[1]["pointer"]?.stringValue == "/when/has")
      #expect(clauses[1]["reason"]?.stringValue?.isEmpty == false)
      #expect(told.json["script"] == .null)
      // Its rules run when the message was taken, whatever scripts can say.
      let refusing = try await api.expect(
        200,
        "POST",
        "\(path)/rules:validate",
        #"{"name":"B","when":{"from":"a"},"actions":[{"type":"reject","text":"No."}]}"#
      )
      #expect(refusing.json["placement"]?.stringValue == "unsupported")
      #expect(try await names(api, path) == [])
    }
  }

  @Test func `a key makes a rule once; a token that may not send makes none that sends`()
    async throws
  {
    try await withAccount { _, api, path in
      for _ in 1...2 {
        try await api.expect(
          201,
          "POST",
          "\(path)/rules",
          #"{"name":"A","actions":[]}"#,
          fields: [("Idempotency-Key", "rule")]
        )
      }
      #expect(try await names(api, path) == ["A"])
      let token = try await api.expect(
        201,
        "POST",
        "/v1/tokens",
        #"{"name":"w","scopes":["read","write"]}"#
      )
      api.token = token.json["token"]?.stringValue
      try await api.expect(
        403,
        code: "forbidden",
        "POST",
        "\(path)/rules",
        #"{"name":"B","actions":[{"type":"reply","text":"x"}]}"#
      )
      try await api.expect(201, "POST", "\(path)/rules", #"{"name":"B","actions":[]}"#)
    }
  }

  @Test func `rules go out as a script and come back from it`() async throws {
    try await withAccount { _, api, path in
      try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"A","when":{"property":"subject","op":"begins","value":"Hi"},"actions":[{"type":"junk"}]}"#
      )
      let script = try await api.expect(200, "GET", "\(path)/rules/script")
      #expect(script.http["content-type"]?.hasPrefix("application/sieve") == true)
      #expect(script.http.text.contains("header :matches \"subject\" \"Hi*\""))
      let same = try await api.expect(
        200,
        "GET",
        "\(path)/rules",
        fields: [("Accept", "application/sieve")]
      )
      #expect(same.http.body == script.http.body)
      try await api.expect(201, "POST", "\(path)/rules", #"{"name":"B","actions":[]}"#)
      try await api.expect(
        204,
        "PUT",
        "\(path)/rules/script",
        raw: script.http.body,
        type: "application/sieve"
      )
      #expect(try await names(api, path) == ["A"])
      try await api.expect(
        204,
        "PUT",
        "\(path)/rules/script",
        raw: Array(
          "require \"fileinto\";\n# rule:[Mine]\nif size :over 1M { fileinto \"Big\"; }".utf8
        ),
        type: "application/sieve"
      )
      #expect(try await names(api, path) == ["Mine"])
      for text in ["if {", "require \"variables\"; set \"a\";"] {
        try await api.expect(
          422,
          code: "unprocessable",
          "PUT",
          "\(path)/rules/script",
          raw: Array(text.utf8),
          type: "application/sieve"
        )
      }
      let wrong = try await api.expect(
        422,
        "PUT",
        "\(path)/rules/script",
        raw: Array("keep;\n\n  fly;\n".utf8),
        type: "application/sieve"
      )
      let fault = try #require(wrong.json["errors"]?.arrayValue?.first)
      #expect(fault["line"]?.intValue == 3 && fault["column"]?.intValue == 3)
      try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"C","when":{"has":"attachment"},"actions":[]}"#
      )
      let refused = try await api.expect(409, code: "conflict", "GET", "\(path)/rules/script")
      #expect(refused.pointers.count == 1)
    }
  }

  @Test func `lists are resources that conditions name`() async throws {
    try await withAccount { _, api, path in
      let list = try await api.expect(
        201,
        "POST",
        "\(path)/lists",
        #"{"name":"Friends","entries":["bob@example.net","@friends.example"]}"#
      )
      try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"A","when":{"property":"from.address","op":"inList","value":"\#(list.id)"},"actions":[{"type":"keep"}]}"#
      )
      let script = try await api.expect(200, "GET", "\(path)/rules/script").http.text
      #expect(script.contains("address :domain :is \"from\" \"friends.example\""))
      let one = "\(path)/lists/\(list.id)"
      let changed = try await api.expect(200, "PATCH", one, #"{"entries":[]}"#)
      #expect(changed.json["name"]?.stringValue == "Friends")
      #expect(changed.json["entries"] == .array([]))
      try await api.expect(412, "DELETE", one, fields: [("If-Match", "\"1\"")])
      try await api.expect(200, "GET", one)
      #expect(try await api.expect(200, "GET", "\(path)/lists").items.count == 1)
      try await api.expect(400, "POST", "\(path)/lists", #"{"name":"","entries":[1]}"#)
      try await api.expect(204, "DELETE", one)
      try await api.expect(404, "GET", one)
    }
  }

  @Test func `rules are tried before they do anything, clause by clause`() async throws {
    try await withAccount { _, api, path in
      for (name, rest) in [
        (
          "First",
          #""when":{"from":"bob","subject":"alpha"},"actions":[{"type":"addKeywords","keywords":["k"]}]"#
        ),
        (
          "Second",
          #""when":{"property":"keyword","op":"is","value":"k"},"actions":[{"type":"move","mailbox":"New"}],"stop":true"#
        ),
        ("Third", #""actions":[{"type":"discard"}]"#),
      ] {
        try await api.expect(201, "POST", "\(path)/rules", "{\"name\":\"\(name)\",\(rest)}")
      }
      let raw = Array("From: bob@b.example\r\nSubject: alpha\r\n\r\nx\r\n".utf8)
      let tried = try await api.expect(
        200,
        "POST",
        "\(path)/rules:simulate",
        raw: raw,
        type: "message/rfc822"
      )
      let first = try #require(tried.items.first)
      #expect(
        first["rules"]?.arrayValue?.map { $0["matched"] } == [.bool(true), .bool(true), .null]
      )
      #expect(first["result"]?["mailboxes"] == .array([.string("New")]))
      let other = Array("From: bob@b.example\r\nSubject: beta\r\n\r\nx\r\n".utf8)
      let kept = try await api.expect(
        201,
        "POST",
        "\(path)/messages",
        raw: other,
        type: "message/rfc822"
      )
      let one = try await api.expect(
        200,
        "POST",
        "\(path)/rules:simulate",
        "{\"message\":\"\(kept.id)\"}"
      )
      let rules = one.items.first?["rules"]?.arrayValue ?? []
      #expect(rules.first?["deciding"] == .array([.string("/when/subject")]))
      #expect(one.items.first?["result"]?["discarded"] == .bool(true))
      let many = try await api.expect(
        200,
        "POST",
        "\(path)/rules:simulate",
        #"{"mailbox":"inbox","rules":[{"name":"x","actions":[{"type":"archive"}]}]}"#
      )
      #expect(many.json["summary"]?["moved"]?.intValue == 1)
      let own = try await api.expect(
        200,
        "POST",
        "\(path)/rules:simulate",
        #"{"mailbox":"inbox","rules":[{"name":"x","actions":[{"type":"redirect","to":"ada@test.invalid"}]}]}"#
      )
      let refusals = own.items.first?["rules"]?.arrayValue?.first?["refused"]?.arrayValue
      #expect(refusals?.first?["code"] == .string("own_address"))
      #expect(own.items.first?["result"]?["kept"] == .bool(true))
      try await api.expect(400, "POST", "\(path)/rules:simulate", "{}")
      let log = try await api.expect(200, "GET", "\(path)/messages/\(kept.id)/rules")
      #expect(log.items.isEmpty)
      #expect(try await api.expect(200, "GET", "\(path)/messages").items.count == 1)
    }
  }

  @Test func `a run over stored mail does what was foretold, and is undone`() async throws {
    try await withAccount { _, api, path in
      for index in 0..<12 {
        let from = index % 3 == 0 ? "bob@b.example" : "carol@c.example"
        try await api.expect(
          201,
          "POST",
          "\(path)/messages",
          raw: Array("From: \(from)\r\nSubject: s\(index)\r\n\r\nx\r\n".utf8),
          type: "message/rfc822"
        )
      }
      for rule in [
        #"{"name":"A","when":{"from":"bob"},"actions":[{"type":"move","mailbox":"Bob"},{"type":"redirect","to":"e@e.example","keep":true}],"stop":true}"#,
        #"{"name":"B","when":{"subject":"s1"},"actions":[{"type":"addKeywords","keywords":["k"]},{"type":"copy","mailbox":"archive"}]}"#,
        // Not for stored mail, unless they are named.
        #"{"name":"C","trigger":"outbound","actions":[{"type":"trash"}]}"#,
        #"{"name":"D","trigger":"schedule","schedule":{"hours":24},"actions":[{"type":"trash"}]}"#,
      ] {
        try await api.expect(201, "POST", "\(path)/rules", rule)
      }
      let foretold = try await api.expect(
        200,
        "POST",
        "\(path)/rules:simulate",
        #"{"mailbox":"inbox","limit":500}"#
      )
      let summary = try #require(foretold.json["summary"])
      #expect(summary["moved"]?.intValue == 4 && summary["copied"]?.intValue == 3)
      #expect(summary["sent"]?.intValue == 0)
      #expect(foretold.items.allSatisfy { $0["rules"]?.arrayValue?.count == 2 })
      let run = try await api.expect(202, "POST", "\(path)/rules:run", #"{"mailbox":"inbox"}"#)
      try await eventually("the run is done") {
        try await api.expect(200, "GET", "/v1/jobs/\(run.id)").json["state"] == .string("done")
      }
      let done = try await api.expect(200, "GET", "/v1/jobs/\(run.id)")
      #expect(done.json["result"] == summary)
      #expect(try await total("Bob", api, path) == 4)
      #expect(try await total("Archive", api, path) == 3)
      #expect(try await total("INBOX", api, path) == 8)
      #expect(try await api.expect(200, "GET", "\(path)/submissions").items.isEmpty)
      let undo = try await api.expect(
        202,
        "POST",
        "\(path)/rules:undo",
        "{\"job\":\"\(run.id)\"}"
      )
      try await eventually("it is undone") {
        try await api.expect(200, "GET", "/v1/jobs/\(undo.id)").json["state"] == .string("done")
      }
      #expect(try await total("Bob", api, path) == 0)
      #expect(try await total("Archive", api, path) == 0)
      #expect(try await total("INBOX", api, path) == 12)
      let marked = try await api.expect(200, "GET", "\(path)/messages?keyword=k")
      #expect(marked.items.isEmpty)
      try await api.expect(409, "POST", "\(path)/rules:undo", "{\"job\":\"\(run.id)\"}")
      try await api.expect(400, "POST", "\(path)/rules:run", "{}")
    }
  }

  private func total(_ mailbox: String, _ api: APIClient, _ path: String) async throws -> Int64 {
    let all = try await api.expect(200, "GET", "\(path)/mailboxes").items
    return all.first { $0["path"]?.stringValue == mailbox }?["totalMessages"]?.intValue ?? -1
  }
}
