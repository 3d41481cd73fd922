import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: rules that cannot be taken, and filters of others", .tags(.database))
struct RuleFaultEndToEndTests {
  private let rules = RuleEndToEndTests()

  @Test(arguments: [
    (
      #"{"name":"A","actions":[{"type":"move","mailbox":"mbx_0000000000001"}]}"#,
      "/actions/0/mailbox"
    ),
    (
      #"{"name":"A","actions":[{"type":"keep"},{"type":"copy","mailbox":"all"}]}"#,
      "/actions/1/mailbox"
    ),
    (
      #"{"name":"A","actions":[],"when":{"property":"from.address","op":"inList","value":["lst_0000000000001"]}}"#,
      "/when/value"
    ),
    (
      #"{"name":"A","actions":[],"when":{"property":"from.address","op":"inList","value":"friends"}}"#,
      "/when/value"
    ),
    (#"{"name":"A","actions":[{"type":"move","mailbox":"a//b"}]}"#, "/actions/0/mailbox"),
    (#"{"name":"A","actions":[{"type":"copy","mailbox":"a/"}]}"#, "/actions/0/mailbox"),
    (#"{"name":"a\u0000","actions":[]}"#, "/name"),
    (#"{"name":"A","q":"from:\u0000","actions":[]}"#, "/q"),
    (#"{"name":"A","when":{"from":"\u0000"},"actions":[]}"#, "/when/from"),
    (
      #"{"name":"A","when":{"property":"subject","op":"is","value":["a","\u0000"]},"actions":[]}"#,
      "/when/value/1"
    ),
    (
      #"{"name":"A","actions":[{"type":"addKeywords","keywords":["k\u0000"]}]}"#,
      "/actions/0/keywords/0"
    ),
    (#"{"name":"A","actions":[{"type":"reply","text":"\u0000"}]}"#, "/actions/0/text"),
    (#"{"name":"A\n","actions":[{"type":"move","mailbox":"a\r"}]}"#, "/actions/0/mailbox"),
  ])
  func `what is well formed and cannot be done is 422, wherever a rule is taken`(
    body: String,
    pointer: String
  ) async throws {
    try await rules.withAccount { _, api, path in
      for (target, prefix, text) in [
        ("rules", "", body), ("rules:validate", "", body),
        ("rules:simulate", "/rules/0", #"{"mailbox":"inbox","rules":[\#(body)]}"#),
      ] {
        let answer = try await api.expect(
          422,
          code: "unprocessable",
          "POST",
          "\(path)/\(target)",
          text
        )
        #expect(answer.pointers == [prefix + pointer])
      }
    }
  }

  @Test func `what nobody can send is refused with its place, by rules as by scripts`() async throws
  {
    try await Office.withLocalAccount { _, api, path in
      let on =
        #"{"name":"On","actions":[{"type":"keep"},{"type":"redirect","to":"b@example.net"}]}"#
      let refused = try await api.expect(422, "POST", "\(path)/rules", on)
      #expect(refused.pointers == ["/actions/1"])
      let told = try await api.expect(200, "POST", "\(path)/rules:validate", on)
      #expect(told.json["placement"]?.stringValue == "unsupported")
      let kept = try await api.expect(201, "POST", "\(path)/rules", #"{"name":"A","actions":[]}"#)
      let patch = #"{"actions":[{"type":"reply","text":"x"}]}"#
      let changed = try await api.expect(422, "PATCH", "\(path)/rules/\(kept.id)", patch)
      #expect(changed.pointers == ["/actions/0"])
      let source = #"redirect \"b@example.net\";"#
      let script = try await api.expect(
        422,
        "POST",
        "\(path)/scripts",
        #"{"name":"x","content":"\#(source)"}"#
      )
      #expect(script.pointers == ["/content"])
      let put = try await api.expect(
        422,
        "PUT",
        "\(path)/rules/script",
        raw: Array(#"redirect "b@example.net";"#.utf8),
        type: "application/sieve"
      )
      #expect(put.pointers == ["/rules/0/actions/0"])
      let file = Array(
        "<feed xmlns:apps='a'><entry><apps:property name='from' value='bob'/><apps:property name='forwardTo' value='b@example.net'/><apps:property name='shouldStar' value='true'/></entry></feed>"
          .utf8
      )
      let imported = try await api.expect(
        201,
        "POST",
        "\(path)/rules:import?format=gmail",
        raw: file,
        type: "application/xml"
      )
      #expect(imported.items.map { $0["outcome"]?.stringValue } == ["partly"])
    }
  }

  @Test func `a fault is told once and by one status, whatever else the request lacks`()
    async throws
  {
    try await rules.withAccount { _, api, path in
      for (target, body, pointer) in [
        ("run", #"{"mailbox":"nope"}"#, "/mailbox"), ("run", #"{"q":"a\u0000b"}"#, "/q"),
        ("run", #"{"filter":{"from":"\u0000"}}"#, "/filter/from"),
        ("run", #"{"mailbox":"inbox","rules":["rul_0000000000001"]}"#, "/rules/0"),
        ("simulate", #"{"mailbox":"nope"}"#, "/mailbox"),
        ("simulate", #"{"message":"nope"}"#, "/message"),
        ("simulate", #"{"message":"msg_0000000000001"}"#, "/message"),
        ("simulate", #"{"q":"\u0000"}"#, "/q"), ("undo", #"{"job":"\u0000"}"#, "/job"),
      ] {
        let answer = try await api.expect(
          422,
          code: "unprocessable",
          "POST",
          "\(path)/rules:\(target)",
          body
        )
        #expect(Set(answer.pointers) == [pointer], "\(target) \(body)")
      }
      for target in ["run", "simulate"] {
        try await api.expect(400, "POST", "\(path)/rules:\(target)", #"{"mailbox":null}"#)
      }
      let list = try await api.expect(
        422,
        "POST",
        "\(path)/lists",
        #"{"name":"a\u0000","entries":["\u0000"]}"#
      )
      #expect(Set(list.pointers) == ["/name", "/entries/0"])
    }
  }

  @Test func `a rule that is there may be changed though its mailbox is gone`() async throws {
    try await rules.withAccount { _, api, path in
      let box = try await api.expect(201, "POST", "\(path)/mailboxes", #"{"name":"Box"}"#)
      let rule = try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"A","actions":[{"type":"move","mailbox":"\#(box.id)"}]}"#
      )
      try await api.expect(204, "DELETE", "\(path)/mailboxes/\(box.id)")
      let changed = try await api.expect(
        200,
        "PATCH",
        "\(path)/rules/\(rule.id)",
        #"{"name":"B"}"#
      )
      #expect(changed.json["hasError"] == .bool(true))
      try await api.expect(
        422,
        "PATCH",
        "\(path)/rules/\(rule.id)",
        #"{"actions":[{"type":"copy","mailbox":"\#(box.id)"}]}"#
      )
    }
  }

  @Test func `filters of other programs become rules, after a look at what they would be`()
    async throws
  {
    try await rules.withAccount { _, api, path in
      let file = """
        <feed xmlns:apps='a'><entry><apps:property name='from' value='bob'/><apps:property name='label' value='Bob'/><apps:property name='shouldArchive' value='true'/></entry>
        <entry><apps:property name='from' value='eve'/><apps:property name='label' value='all'/><apps:property name='shouldArchive' value='true'/></entry></feed>
        """
      let target = "\(path)/rules:import?format=gmail"
      func send(_ status: Int, _ target: String, _ text: String) async throws -> APIAnswer {
        try await api.expect(status, "POST", target, raw: Array(text.utf8), type: "application/xml")
      }
      let dry = try await send(200, "\(target)&dryRun=true", file)
      #expect(dry.items.map { $0["outcome"]?.stringValue } == ["converted", "left_out"])
      #expect(dry.items[1]["notes"]?.arrayValue?.count == 1)
      #expect(try await rules.names(api, path) == [])
      let made = try await send(201, target, file)
      let rule = try #require(made.items[0]["ruleId"]?.stringValue)
      #expect(made.items[1]["ruleId"] == .null && made.json["converted"]?.intValue == 1)
      try await api.expect(200, "GET", "\(path)/rules/\(rule)")
      #expect(try await rules.names(api, path) == ["from bob"])
      let wrong = try await send(422, "\(path)/rules:import?format=thunderbird", "name=\"a\"\nx")
      #expect(wrong.json["errors"]?.arrayValue?.first?["line"]?.intValue == 2)
      _ = try await send(422, target, "<!DOCTYPE a><feed/>")
      let broken = try await send(422, target, "<feed>\n<entry></feed>")
      #expect(broken.json["detail"]?.stringValue == "2:1: It is not XML.")
      for query in ["", "?format=x", "?format=gmail&dryRun=1"] {
        _ = try await send(400, "\(path)/rules:import\(query)", file)
      }
    }
  }

  @Test func `a rule by the clock says how often, and is the service's alone`() async throws {
    try await rules.withAccount { _, api, path in
      let made = try await api.expect(
        201,
        "POST",
        "\(path)/rules",
        #"{"name":"A","trigger":"schedule","schedule":{"hours":24},"when":{"from":"a"},"actions":[{"type":"archive"}]}"#
      )
      #expect(made.json["schedule"]?["hours"]?.intValue == 24)
      #expect(made.json["placement"] == .string("service"))
      #expect(made.json["hasError"] == .bool(false))
      let rule = "\(path)/rules/\(made.id)"
      let wrong = try await api.expect(400, "PATCH", rule, #"{"schedule":{"hours":0}}"#)
      #expect(wrong.pointers == ["/schedule/hours"])
      try await api.expect(400, "PATCH", rule, #"{"schedule":null}"#)
      let changed = try await api.expect(200, "PATCH", rule, #"{"trigger":"outbound"}"#)
      #expect(changed.json["schedule"] == .null)
      #expect(try await api.expect(200, "GET", rule).json["trigger"] == .string("outbound"))
    }
  }
}
