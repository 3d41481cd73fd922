import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: accounts without a server", .tags(.database))
struct LocalEndToEndTests {
  /// Runs `body` with the path of a new local account.
  private func withAccount(
    _ more: String = "",
    _ body: @escaping @Sendable (APIClient, String) async throws -> Void
  ) async throws {
    try await Office.with { _, api in
      let made = try await api.expect(
        201,
        "POST",
        "/v1/accounts",
        #"{"email":"ada@test.invalid","incoming":{"protocol":"local"}\#(more)}"#
      )
      #expect(made.json["state"]?.stringValue == "ready")
      #expect(made.json["incoming"] == .object([.init(name: "protocol", value: .string("local"))]))
      try await body(api, "/v1/accounts/\(made.id)")
    }
  }

  private func add(
    _ raw: [UInt8],
    to mailbox: String = "inbox",
    _ api: APIClient,
    _ path: String
  ) async throws -> APIAnswer {
    try await api.expect(
      201,
      "POST",
      "\(path)/messages?mailbox=\(mailbox)",
      raw: raw,
      type: "message/rfc822"
    )
  }

  @Test func `the usual mailboxes are there at once, and a tree grows beside them`() async throws {
    try await withAccount { api, path in
      let boxes = try await api.expect(200, "GET", "\(path)/mailboxes").items
      let roles = boxes.compactMap { $0["role"]?.stringValue }
      #expect(Set(roles) == ["inbox", "drafts", "sent", "archive", "junk", "trash"])
      #expect(boxes.allSatisfy { $0["syncState"]?.stringValue == "synced" })
      let made = try await api.expect(201, "POST", "\(path)/mailboxes", #"{"name":"Bills"}"#)
      let child = try await api.expect(
        201,
        "POST",
        "\(path)/mailboxes",
        #"{"name":"2026","parentId":"\#(made.id)","isSubscribed":false}"#
      )
      #expect(child.json["path"]?.stringValue == "Bills/2026")
      #expect(child.json["isSubscribed"]?.boolValue == false)
      try await api.expect(200, "PATCH", "\(path)/mailboxes/\(made.id)", #"{"name":"Paid"}"#)
      let moved = try await api.expect(200, "GET", "\(path)/mailboxes/\(child.id)")
      #expect(moved.json["path"]?.stringValue == "Paid/2026")
      try await api.expect(409, code: "conflict", "POST", "\(path)/mailboxes", #"{"name":"INbox"}"#)
      try await api.expect(409, code: "conflict", "DELETE", "\(path)/mailboxes/\(made.id)")
      try await api.expect(204, "DELETE", "\(path)/mailboxes/\(child.id)")
    }
  }

  @Test func `a message is imported, read, flagged, moved, copied and deleted; nothing is pending`()
    async throws
  {
    try await withAccount { api, path in
      let state = try await api.expect(200, "GET", "\(path)/messages").json["state"]?.stringValue
      let raw = SampleMail.withAttachment(ofSize: 5000)
      let made = try await add(raw, api, path)
      let message = "\(path)/messages/\(made.id)"
      #expect(made.json["pending"]?.boolValue == false)
      let bytes = try await api.expect(200, "GET", "\(message)/raw")
      #expect(bytes.http.body == raw)
      let range = try await api.expect(
        206,
        "GET",
        "\(message)/parts/2",
        fields: [("Range", "bytes=4990-")]
      )
      #expect(range.http["content-range"] == "bytes 4990-4999/5000")
      let flagged = try await api.expect(200, "PATCH", message, #"{"keywords":{"$flagged":true}}"#)
      #expect(flagged.json["pending"]?.boolValue == false)
      let archive = try await api.expect(200, "GET", "\(path)/mailboxes/archive").id
      let both = try await api.expect(200, "PATCH", message, #"{"mailboxIds/archive":true}"#)
      #expect(both.json["mailboxIds"]?[archive] == .bool(true))
      let moved = try await api.expect(200, "PATCH", message, #"{"mailboxIds":{"archive":true}}"#)
      #expect(moved.json["mailboxIds"] == .object([.init(name: archive, value: .bool(true))]))
      let trashed = try await api.expect(200, "DELETE", message)
      let trash = try await api.expect(200, "GET", "\(path)/mailboxes/trash").id
      #expect(trashed.json["mailboxIds"]?[trash] == .bool(true))
      try await api.expect(204, "DELETE", "\(message)?permanent=true")
      try await api.expect(404, code: "not_found", "GET", "\(message)/raw")
      #expect(try await api.expect(200, "GET", "\(path)/operations").items.isEmpty)
      let changes = try await api.expect(200, "GET", "\(path)/changes?since=\(state ?? "")")
      #expect(changes.json["messages"]?["created"]?.arrayValue?.isEmpty == true)
      #expect(changes.json["operations"]?["created"]?.arrayValue?.isEmpty == true)
    }
  }

  @Test func `a draft, a thread, a search and a batch work as anywhere`() async throws {
    try await withAccount { api, path in
      let first = try await add(
        Array("Subject: Lunch\r\nMessage-ID: <a@b>\r\n\r\nSoup with zucchini\r\n".utf8),
        api,
        path
      )
      let draft = try await api.expect(
        201,
        "POST",
        "\(path)/messages",
        #"{"to":[{"email":"bob@test.invalid"}],"subject":"Re: Lunch","text":"Yes","inReplyTo":"\#(first.id)"}"#
      )
      #expect(draft.json["threadId"] == first.json["threadId"])
      #expect(draft.json["keywords"]?["$draft"] == .bool(true))
      let threads = try await api.expect(200, "GET", "\(path)/threads").items
      #expect(threads.count == 1)
      try await eventually("the text is found") {
        let found = try await api.expect(200, "GET", "\(path)/messages?q=body:zucchini")
        return found.items.map { $0["id"]?.stringValue } == [first.id]
      }
      let done = try await api.expect(
        200,
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"mailbox":"inbox"},"patch":{"keywords":{"$seen":true}}}"#
      )
      #expect(done.items.count == 1)
      let inbox = try await api.expect(200, "GET", "\(path)/mailboxes/inbox")
      #expect(inbox.json["unreadMessages"]?.intValue == 0)
    }
  }

  @Test func `a key makes an import happen once`() async throws {
    try await withAccount { api, path in
      var ids: Set<String> = []
      for _ in 1...2 {
        let made = try await api.expect(
          201,
          "POST",
          "\(path)/messages",
          raw: SampleMail.message(1),
          type: "message/rfc822",
          fields: [("Idempotency-Key", "import")]
        )
        ids.insert(made.id)
      }
      #expect(ids.count == 1)
      #expect(try await api.expect(200, "GET", "\(path)/messages").items.count == 1)
    }
  }

  @Test func `a message beyond the quota is refused, and fits when there is room`() async throws {
    let raw = SampleMail.message(1, kind: .plain)
    try await withAccount(#","quotaBytes":\#(raw.count)"#) { api, path in
      let kept = try await add(raw, api, path)
      let account = try await api.expect(200, "GET", path)
      let quota = account.json["quota"]?.arrayValue?.first
      #expect(quota?["used"]?.intValue == Int64(raw.count))
      #expect(quota?["limit"]?.intValue == Int64(raw.count))
      for mailbox in ["inbox", "archive"] {
        let refused = try await api.expect(
          507,
          code: "over_quota",
          "POST",
          "\(path)/messages?mailbox=\(mailbox)",
          raw: raw,
          type: "message/rfc822"
        )
        #expect(refused.json["origin"]?.stringValue == "client")
      }
      try await api.expect(204, "DELETE", "\(path)/messages/\(kept.id)?permanent=true")
      _ = try await add(raw, api, path)
      let patched = try await api.expect(200, "PATCH", path, #"{"quotaBytes":null}"#)
      #expect(patched.json["quotaBytes"] == .null && patched.json["quota"] == .array([]))
      _ = try await add(raw, api, path)
    }
  }

  @Test(arguments: [
    (#"{"protocol":"local","host":"a.b"}"#, 400, "/incoming/host"),
    (#"{"protocol":"local","auth":{"username":"a","password":"b"}}"#, 400, "/incoming/auth"),
    (#"{"protocol":"locale"}"#, 400, "/incoming/protocol"),
    (#"{"protocol":"nntp","host":"a.b"}"#, 422, "/incoming/protocol"),
    (#"{"protocol":"imap"}"#, 400, "/incoming/host"),
  ])
  func `settings that no account without a server has are refused`(
    incoming: String,
    status: Int,
    pointer: String
  ) async throws {
    try await Office.with { _, api in
      let body = #"{"email":"ada@test.invalid","incoming":\#(incoming)}"#
      let answer = try await api.expect(status, "POST", "/v1/accounts", body)
      #expect(answer.pointers.contains(pointer))
    }
  }

  @Test func `settings change but for the protocol, and trying them out finds nothing wrong`()
    async throws
  {
    try await withAccount { api, path in
      let renamed = try await api.expect(
        200,
        "PATCH",
        path,
        #"{"name":"Ada","incoming":{"protocol":"local"}}"#
      )
      #expect(renamed.json["state"]?.stringValue == "ready")
      let other = #"{"incoming":{"protocol":"imap","host":"127.0.0.1"}}"#
      let answer = try await api.expect(422, "PATCH", path, other)
      #expect(answer.pointers.contains("/incoming/protocol"))
      let mode = try await api.expect(422, "PATCH", path, #"{"mode":"offline"}"#)
      #expect(mode.pointers == ["/mode"])
      try await api.expect(202, "POST", "\(path):sync")
      let tried = try await api.expect(
        200,
        "POST",
        "/v1/accounts:verify",
        #"{"email":"ada@test.invalid","incoming":{"protocol":"local"}}"#
      )
      #expect(tried.json["ok"]?.boolValue == true)
      try await api.expect(204, "DELETE", path)
      try await api.expect(404, code: "not_found", "GET", "\(path)/messages")
    }
  }
}
