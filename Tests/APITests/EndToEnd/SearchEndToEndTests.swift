import Bytes
import Foundation
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: search", .tags(.database), .timeLimit(.minutes(6)))
struct SearchEndToEndTests {
  private func escaped(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
  }

  @Test func `a search finds what came from the server, in one account and over all`() async throws
  {
    try await Office.withAccount(messages: 12) { _, api, path, _ in
      let all = try await api.expect(200, "GET", "\(path)/messages?limit=12").items
      let sender = try #require(all[3]["from"]?.arrayValue?.first?["email"]?.stringValue)
      let wanted = all.filter { $0["from"]?.arrayValue?.first?["email"]?.stringValue == sender }
      let query = "q=\(self.escaped("from:\(sender)"))"
      try await eventually("the index has caught up") {
        let found = try await api.expect(200, "GET", "\(path)/messages?\(query)&total=true")
        return found.json["total"]?.intValue == Int64(wanted.count)
      }
      let found = try await api.expect(200, "GET", "\(path)/messages?\(query)").items
      #expect(found == wanted)
      let filter = self.escaped(#"{"from":"\#(sender)"}"#)
      let filtered = try await api.expect(200, "GET", "\(path)/messages?filter=\(filter)")
      #expect(filtered.items == wanted)

      var over: [JSONValue] = []
      var next: String? = "/v1/search?\(query)&limit=1"
      while let page = next {
        let answer = try await api.expect(200, "GET", page)
        over += answer.items
        next = answer.json["next"]?.stringValue.map { "/v1/search?\(query)&limit=1&cursor=\($0)" }
      }
      #expect(over.map { $0["message"] } == wanted)
      #expect(over.allSatisfy { path.hasSuffix($0["accountId"]?.stringValue ?? "?") })

      let batch = try await api.expect(
        200,
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"q":"from:\#(sender)"},"patch":{"keywords":{"$flagged":true}}}"#
      )
      #expect(batch.items.count == wanted.count)
      let flagged = try await api.expect(200, "GET", "\(path)/messages?q=is:flagged")
      #expect(flagged.items.map { $0["id"] } == wanted.map { $0["id"] })
    }
  }

  @Test func `what is not written as it should be is told with its place`() async throws {
    try await Office.withAccount(messages: 1) { _, api, path, _ in
      let fault = try await api.expect(
        400,
        code: "invalid_request",
        "GET",
        "\(path)/messages?q=\(self.escaped("ada (bob"))"
      )
      #expect(fault.pointers == ["?q"])
      #expect(fault.json["detail"]?.stringValue?.contains("byte 8") == true)
      let filter = self.escaped(#"{"colour":"x"}"#)
      let other = try await api.expect(400, "GET", "\(path)/messages?filter=\(filter)")
      #expect(other.pointers == ["?filter"])
      #expect(other.json["detail"]?.stringValue?.contains("At /colour: There is no such") == true)
      let unknown = try await api.expect(
        400,
        code: "invalid_request",
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"filter":{"colour":1}},"delete":"trash"}"#
      )
      #expect(unknown.pointers == ["/query/filter/colour"])
      #expect(unknown.json["errors"]?.arrayValue?.first?["code"]?.stringValue == "unknown")
      let member = try await api.expect(
        400,
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"filter":{"operator":"or","conditions":[{"is":"x"}]}},"delete":"trash"}"#
      )
      #expect(member.pointers == ["/query/filter/conditions/0/is"])
      let bodies = (0..<5).map { "body:x\($0)" }.joined(separator: "%20")
      let body = try await api.expect(422, "GET", "/v1/search?q=\(bodies)")
      #expect(body.pointers == ["?q"])
      for (name, value) in [("q", "!"), ("q", "x -😀"), ("filter", #"{"text":"!"}"#)] {
        let target = "\(path)/messages?\(name)=\(self.escaped(value))"
        let wordless = try await api.expect(400, "GET", target)
        #expect(wordless.pointers == ["?\(name)"])
        #expect(wordless.json["detail"]?.stringValue?.contains("a letter or a digit") == true)
      }
      let nothing = try await api.expect(400, "GET", "/v1/search")
      #expect(nothing.pointers == ["?q"])
      let elsewhere = try await api.expect(
        422,
        "GET",
        "/v1/search?q=x&account=acc_0000000000000"
      )
      #expect(elsewhere.pointers == ["?account"])
      try await api.expect(400, code: "cursor_invalid", "GET", "/v1/search?q=x&cursor=AAAA")
    }
  }

  @Test func `what is no text that can be looked for is told with its place`() async throws {
    try await Office.withLocalAccount { _, api, path in
      let filter = self.escaped(#"{"from":"\u0000"}"#)
      let faults: [(Int, String, String, String)] = [
        (422, "\(path)/messages?q=%00", "?q", "forbidden_character"),
        (422, "\(path)/messages?filter=\(filter)", "?filter", "forbidden_character"),
        (400, "\(path)/messages?cursor=%ff", "?cursor", "format"),
        (422, "\(path)/changes?since=s1-1%00", "?since", "forbidden_character"),
        (400, "\(path)/threads?mailbox=%zz", "?mailbox", "format"),
        (422, "/v1/search?q=x&account=%00", "?account", "forbidden_character"),
        (400, "/v1/events?account=%ff", "?account", "format"),
      ]
      for (status, target, pointer, code) in faults {
        let answer = try await api.expect(status, "GET", target)
        #expect(answer.pointers == [pointer])
        #expect(answer.json["errors"]?.arrayValue?.first?["code"]?.stringValue == code)
      }
      let batch = try await api.expect(
        422,
        code: "unprocessable",
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"q":"a\u0000","to":"\u0000","filter":{"from":"\u0000"}},"delete":"trash"}"#
      )
      #expect(batch.pointers == ["/query/q", "/query/to", "/query/filter/from"])
    }
  }

  @Test func `bodies are searched on the server, and what cannot be asked is told`() async throws {
    let dovecot = try await DovecotServer.start(users: ["alice"])
    for index in 0..<6 {
      let text = "Subject: m\(index)\r\n\r\n\(index % 2 == 0 ? "A zebra crosses" : "Nobody")\r\n"
      try await dovecot.deliver(Array(text.utf8), to: "alice")
    }
    try await Office.with { service, api in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let path = "/v1/accounts/\(account)"
      try await eventually("the index has caught up") {
        let found = try await api.expect(200, "GET", "\(path)/messages?q=body:zebra&total=true")
        return found.json["total"]?.intValue == 3
      }
      var subjects: [String] = []
      var next: String? = "\(path)/messages?q=body:zebra&limit=1"
      while let page = next {
        let answer = try await api.expect(200, "GET", page)
        #expect(answer.json["partial"] == nil)
        subjects += answer.items.compactMap { $0["subject"]?.stringValue }
        next = answer.json["next"]?.stringValue.map {
          "\(path)/messages?q=body:zebra&limit=1&cursor=\($0)"
        }
      }
      #expect(subjects == ["m4", "m2", "m0"])
      let flagged = try await api.expect(
        200,
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"q":"body:zebra"},"patch":{"keywords":{"$flagged":true}}}"#
      )
      #expect(flagged.items.count == 3)
      let over = try await api.expect(200, "GET", "/v1/search?q=-body:zebra")
      #expect(over.items.count == 3)
      try await service.waitUntilReplayed(account)

      await dovecot.stop()
      let away = try await api.call("GET", "\(path)/messages?q=body:zebra")
      #expect(away.code?.hasPrefix("backend_") == true, "\(away.http.text)")
      #expect(away.json["retryable"] == .bool(true))
      let partial = try await api.expect(200, "GET", "/v1/search?q=body:zebra%20OR%20subject:m1")
      #expect(partial.items.count == 1)
      let gaps = partial.json["partial"]?.arrayValue ?? []
      #expect(gaps.map { $0["accountId"]?.stringValue } == ["\(account)"])
      #expect(gaps.first?["code"]?.stringValue?.hasPrefix("backend_") == true)
    }
  }
}
