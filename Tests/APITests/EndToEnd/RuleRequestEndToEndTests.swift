import Bytes
import TestSupport
import Testing

@testable import API

@Suite(
  "The API over HTTP: scripts that become rules, and what is told of requests",
  .tags(.database)
)
struct RuleRequestEndToEndTests {
  private let rules = RuleEndToEndTests()
  private let type = "application/sieve"

  @Test func `a script with variables is kept as it is, and its parts are not imported`()
    async throws
  {
    try await rules.withAccount { _, api, path in
      let source =
        #"require ["fileinto","variables"]; if header :matches "subject" "*[*]*" { fileinto "Lists/${2}"; }"#
      let bytes = Array(source.utf8)
      let target = "\(path)/rules:import?format=sieve"
      let made = try await api.expect(200, "POST", target, raw: bytes, type: type)
      #expect(made.items.map { $0["outcome"]?.stringValue } == ["left_out"])
      let notes = try #require(made.items[0]["notes"]?.arrayValue)
      #expect(notes.first?["reason"]?.stringValue?.contains("RFC 5229") == true)
      try await api.expect(204, "PUT", "\(path)/rules/script", raw: bytes, type: type)
      #expect(try await rules.names(api, path) == [])
      let scripts = try await api.expect(200, "GET", "\(path)/scripts").items
      #expect(scripts.map { $0["isActive"]?.boolValue } == [true])
    }
  }

  @Test func `what stands behind a rule that is left out is imported switched off`() async throws {
    try await rules.withAccount { _, api, path in
      let target = "\(path)/rules:import"
      for (format, file) in [
        (
          "sieve",
          #"if header :comparator "i;octet" :contains "subject" "Boss" { keep; stop; } discard;"#
        ),
        // Rules can say it, but the account cannot have the mailbox.
        (
          "sieve",
          #"require "fileinto"; if header "subject" "Boss" { fileinto "a//b"; stop; } discard;"#
        ),
        (
          "thunderbird",
          "name=\"a\"\ntype=\"17\"\naction=\"Stop execution\"\ncondition=\"AND (from,is in ab,x)\"\nname=\"b\"\nenabled=\"yes\"\ntype=\"17\"\naction=\"Delete\"\ncondition=\"ALL\"\n"
        ),
      ] {
        let made = try await api.expect(
          201,
          "POST",
          "\(target)?format=\(format)",
          raw: Array(file.utf8),
          type: "text/plain"
        )
        #expect(made.items.map { $0["outcome"]?.stringValue } == ["left_out", "partly"])
        #expect(made.items[1]["rule"]?["enabled"]?.boolValue == false)
        let note = made.items[1]["notes"]?.arrayValue?.last?["reason"]?.stringValue
        #expect(note?.hasPrefix("It is switched off") == true)
      }
      let listed = try await api.expect(200, "GET", "\(path)/rules").items
      #expect(listed.map { $0["enabled"]?.boolValue } == [false, false, false])
    }
  }

  @Test func `a script of ours says that there are no rules`() async throws {
    try await rules.withAccount { _, api, path in
      let none = try await api.expect(200, "GET", "\(path)/rules/script").http.body
      try await api.expect(201, "POST", "\(path)/rules", #"{"name":"A","actions":[]}"#)
      let target = "\(path)/rules/script"
      let comment = Array("# nothing\n".utf8)
      let refused = try await api.expect(422, "PUT", target, raw: comment, type: type)
      #expect(refused.json["detail"]?.stringValue?.contains("DELETE") == true)
      #expect(try await rules.names(api, path) == ["A"])
      try await api.expect(204, "PUT", target, raw: none, type: type)
      #expect(try await rules.names(api, path) == [])
    }
  }

  @Test func `a trial of one message takes no search`() async throws {
    try await rules.withAccount { _, api, path in
      let raw = Array("From: a@b.example\r\nSubject: x\r\n\r\nx\r\n".utf8)
      let made = try await api.expect(
        201,
        "POST",
        "\(path)/messages",
        raw: raw,
        type: "message/rfc822"
      )
      for (member, name) in [
        (#""q":"from:nobody""#, "q"), (#""filter":{"from":"x"}"#, "filter"),
        (#""mailbox":"inbox""#, "mailbox"),
      ] {
        let refused = try await api.expect(
          400,
          "POST",
          "\(path)/rules:simulate",
          #"{"message":"\#(made.id)",\#(member)}"#
        )
        #expect(refused.pointers == ["/\(name)"])
        let code = refused.json["errors"]?.arrayValue?.first?["code"]?.stringValue
        #expect(code == "conflict")
      }
    }
  }

  @Test func `a fault of a script's name is told alike in both places`() async throws {
    try await rules.withAccount { _, api, path in
      for name in ["", "a\\u0007", String(repeating: "a", count: 129)] {
        let refused = try await api.expect(
          422,
          "POST",
          "\(path)/scripts",
          #"{"name":"\#(name)","content":"keep;"}"#
        )
        let detail = refused.json["errors"]?.arrayValue?.first?["detail"]?.stringValue
        #expect(detail == "1 to 128 characters and no control character are wanted.")
        #expect(refused.json["detail"]?.stringValue == "/name: \(detail ?? "")")
      }
    }
  }

  @Test func `a position of another type is told as that`() async throws {
    try await rules.withAccount { _, api, path in
      for (position, code) in [("\"1\"", "type"), ("-1", "range")] {
        let body = #"{"name":"A","actions":[],"position":\#(position)}"#
        let refused = try await api.expect(400, "POST", "\(path)/rules", body)
        let faults = refused.json["errors"]?.arrayValue ?? []
        #expect(faults.map { $0["code"]?.stringValue } == [code])
      }
    }
  }

  @Test func `the service tells how much rules and scripts may be`() async throws {
    try await Office.with { _, api in
      let limits = try await api.expect(200, "GET", "/v1/capabilities").json["limits"]
      for (name, value) in [
        ("rules", 500), ("ruleActions", 20), ("lists", 100), ("listEntries", 10_000),
        ("scripts", 100), ("scriptBytes", 262_144), ("importFilters", 1_000), ("searchTerms", 64),
      ] {
        #expect(limits?[name]?.intValue == Int64(value), "\(name)")
      }
    }
  }
}
