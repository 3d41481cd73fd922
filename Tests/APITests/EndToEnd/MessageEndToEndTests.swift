import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: messages", .tags(.database))
struct MessageEndToEndTests {
  @Test(arguments: ["-receivedAt", "receivedAt", "-sentAt", "size", "subject", "-from"])
  func `pages go through every message once, in any order`(sort: String) async throws {
    try await Office.withAccount(messages: 12) { _, api, path, _ in
      var seen: [String] = []
      var cursor = ""
      while seen.count < 100 {
        let page = try await api.expect(
          200,
          "GET",
          "\(path)/messages?mailbox=inbox&limit=5&total=true&sort=\(sort)\(cursor)"
        )
        #expect(page.json["total"]?.intValue == 12)
        seen += page.items.compactMap { $0["id"]?.stringValue }
        guard let next = page.json["next"]?.stringValue else { break }
        #expect(page.http["link"]?.contains("cursor=\(next)>; rel=\"next\"") == true)
        cursor = "&cursor=\(next)"
      }
      #expect(seen.count == 12)
      #expect(Set(seen).count == 12)
    }
  }

  @Test func `a message that another client expunged is not found, whatever is asked of it`()
    async throws
  {
    let dovecot = try await DovecotServer.shared
    try await Office.withAccount(messages: 0) { _, api, path, user in
      // Not the inbox, which is watched: the service must not know of the expunge.
      try await dovecot.fill(user: user, mailbox: "Archive", count: 1)
      try await api.expect(202, "POST", "\(path):sync")
      let id = try await eventuallyFind("the message") {
        try await api.call("GET", "\(path)/messages").items.first?["id"]?.stringValue
      }
      let message = "\(path)/messages/\(id)"
      try await dovecot.doveadm([
        "expunge", "-u", dovecot.address(of: user), "mailbox", "Archive", "ALL",
      ])
      for fields in [[], [("Range", "bytes=0-3")], [("Accept", "message/rfc822")]] {
        try await api.expect(404, code: "not_found", "GET", "\(message)/raw", fields: fields)
      }
    }
  }

  @Test func `a mailbox that there is not is told, and no empty list`() async throws {
    try await Office.withAccount(messages: 0) { _, api, path, _ in
      let list = try await api.expect(
        422,
        code: "unprocessable",
        "GET",
        "\(path)/messages?mailbox=mbx_0000000000000"
      )
      #expect(list.pointers == ["?mailbox"])
      let batch = try await api.expect(
        422,
        code: "unprocessable",
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"mailbox":"mbx_0000000000000"},"delete":"trash"}"#
      )
      #expect(batch.pointers == ["/query/mailbox"])
    }
  }

  @Test func `a cursor of another list is refused`() async throws {
    try await Office.withAccount(messages: 3) { _, api, path, _ in
      let page = try await api.expect(200, "GET", "\(path)/messages?mailbox=inbox&limit=1")
      let next = page.json["next"]?.stringValue ?? ""
      for query in ["mailbox=inbox&unread=true", "mailbox=inbox&sort=size", "limit=1"] {
        try await api.expect(
          400,
          code: "cursor_invalid",
          "GET",
          "\(path)/messages?\(query)&cursor=\(next)"
        )
      }
      try await api.expect(400, code: "cursor_invalid", "GET", "\(path)/messages?cursor=x")
    }
  }

  @Test func `a message, its bytes and its parts are read, whole or in part`() async throws {
    let raw = SampleMail.withAttachment(ofSize: 5000)
    let dovecot = try await DovecotServer.shared
    try await Office.withAccount(messages: 0) { service, api, path, user in
      try await dovecot.deliver(raw, to: user)
      try await api.expect(202, "POST", "\(path):sync")
      let item = try await eventuallyFind("the message") {
        try await api.call("GET", "\(path)/messages?hasAttachment=true").items.first
      }
      let message = "\(path)/messages/\(item["id"]?.stringValue ?? "")"
      let full = try await api.expect(200, "GET", "\(message)?include=body,headers")
      #expect(full.json["bodyValues"] != nil)
      #expect(full.json["headers"]?.arrayValue?.isEmpty == false)
      let bytes = try await api.expect(200, "GET", "\(message)/raw")
      #expect(bytes.http.body.count == raw.count || bytes.http.body.count > 5000)
      #expect(bytes.http["content-security-policy"] == "sandbox; default-src 'none'")
      #expect(bytes.http["x-content-type-options"] == "nosniff")
      let same = try await api.expect(200, "GET", message, fields: [("Accept", "message/rfc822")])
      #expect(same.http.body == bytes.http.body)
      try await api.expect(
        406,
        code: "not_acceptable",
        "GET",
        message,
        fields: [("Accept", "text/html")]
      )
      let part = full.json["attachments"]?.arrayValue?.first?["partId"]?.stringValue ?? ""
      let content = try await api.expect(200, "GET", "\(message)/parts/\(part)")
      #expect(content.http.body.count == 5000)
      #expect(content.http["content-disposition"]?.hasPrefix("attachment") == true)
      let range = try await api.expect(
        206,
        "GET",
        "\(message)/parts/\(part)",
        fields: [("Range", "bytes=4990-")]
      )
      #expect(range.http.body == Array(content.http.body[4990...]))
      #expect(range.http["content-range"] == "bytes 4990-4999/5000")
      let beyond = try await api.expect(
        416,
        code: "range_not_satisfiable",
        "GET",
        "\(message)/parts/\(part)",
        fields: [("Range", "bytes=5000-")]
      )
      #expect(beyond.http["content-range"] == "bytes */5000")
      let tag = content.http["etag"] ?? ""
      try await api.expect(
        304,
        "GET",
        "\(message)/parts/\(part)",
        fields: [("If-None-Match", tag)]
      )
      try await api.expect(404, code: "not_found", "GET", "\(message)/parts/9.9")
    }
  }

  @Test func `bytes that cannot be fetched are told by a status, not by a broken body`()
    async throws
  {
    let dovecot = try await DovecotServer.start(users: ["alice"])
    try await dovecot.deliver(SampleMail.message(1), to: "alice")
    try await Office.with { service, api in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let path = "/v1/accounts/\(account)/messages"
      let id = try await api.expect(200, "GET", path).items.first?["id"]?.stringValue ?? ""
      await dovecot.stop()
      let failed = try await api.expect(502, "GET", "\(path)/\(id)/raw")
      #expect(failed.json["origin"]?.stringValue == "backend")
      // The connection is in order, and what is stored is still there.
      try await api.expect(200, "GET", "\(path)/\(id)")
    }
  }

  @Test func `keywords and mailboxes change at once, and on the server soon`() async throws {
    let dovecot = try await DovecotServer.shared
    try await Office.withAccount(messages: 2) { _, api, path, user in
      try await api.expect(201, "POST", "\(path)/mailboxes", #"{"name":"Kept"}"#)
      let boxes = try await api.expect(200, "GET", "\(path)/mailboxes").items
      let kept = boxes.first { $0["name"]?.stringValue == "Kept" }?["id"]?.stringValue ?? ""
      let list = try await api.expect(200, "GET", "\(path)/messages?mailbox=inbox&limit=1")
      let id = list.items.first?["id"]?.stringValue ?? ""
      let message = "\(path)/messages/\(id)"
      let state = list.json["state"]?.stringValue ?? ""
      let flagged = try await api.expect(
        200,
        "PATCH",
        message,
        #"{"keywords":{"$flagged":true,"$seen":false,"work":true}}"#
      )
      #expect(flagged.json["keywords"]?["$flagged"] == .bool(true))
      #expect(flagged.json["pending"]?.boolValue == true)
      let moved = try await api.expect(200, "PATCH", message, #"{"mailboxIds":{"\#(kept)":true}}"#)
      #expect(moved.id == id)
      #expect(moved.json["mailboxIds"]?[kept] == .bool(true))
      try await eventually("the server agrees") {
        try await api.call("GET", message).json["pending"]?.boolValue == false
      }
      #expect(try await dovecot.messageCount(user: user, mailbox: "Kept") == 1)
      let changes = try await api.expect(200, "GET", "\(path)/changes?since=\(state)")
      #expect(changes.json["messages"]?["updated"]?.arrayValue?.contains(.string(id)) == true)
      try await api.expect(
        412,
        code: "precondition_failed",
        "PATCH",
        message,
        #"{"keywords":{"x":true}}"#,
        fields: [("If-Match", "\"0\"")]
      )
    }
  }

  @Test(arguments: [
    (#"{"keywords":{"$seen":1}}"#, 400, "/keywords/$seen"),
    (#"{"keywords":{"a b":true}}"#, 422, "/keywords/a b"),
    (#"{"subject":"x"}"#, 400, "/subject"), (#"{"mailboxIds":{}}"#, 422, "/mailboxIds"),
    (#"{"mailboxIds":{"mbx_0000000000000":true}}"#, 422, "/mailboxIds/mbx_0000000000000"),
    (#"{"mailboxIds/inbox":false}"#, 400, "/mailboxIds~1inbox"),
    (#"{"mailboxIds/inbox":true,"mailboxIds":{"inbox":true}}"#, 400, "/mailboxIds"),
  ])
  func `a patch that cannot be is refused with its pointer`(
    patch: String,
    status: Int,
    pointer: String
  ) async throws {
    try await Office.withAccount(messages: 1) { _, api, path, _ in
      let id = try await api.call("GET", "\(path)/messages").items.first?["id"]?.stringValue ?? ""
      let answer = try await api.expect(status, "PATCH", "\(path)/messages/\(id)", patch)
      #expect(answer.pointers == [pointer])
    }
  }

  @Test func `a list with bodies is bounded, and shows what is gone from the server without`()
    async throws
  {
    let dovecot = try await DovecotServer.shared
    try await Office.withAccount(messages: 0) { _, api, path, user in
      let made = try await api.expect(201, "POST", "\(path)/mailboxes", #"{"name":"Read"}"#)
      for index in 0..<2 {
        try await dovecot.deliver(SampleMail.message(index), to: user, mailbox: "Read")
      }
      try await api.expect(202, "POST", "\(path):sync")
      let list = "\(path)/messages?mailbox=\(made.id)"
      try await eventually("both are listed") { try await api.call("GET", list).items.count == 2 }
      // No poll, and nobody watches this mailbox: the service does not hear of it.
      try await dovecot.doveadm([
        "expunge", "-u", dovecot.address(of: user), "mailbox", "Read", "uid", "1",
      ])
      let items = try await api.expect(200, "GET", "\(list)&include=body").items
      #expect(items.count == 2)
      #expect(items.count { $0["bodyValues"] != nil } == 1)
      try await api.expect(
        400,
        code: "invalid_request",
        "GET",
        "\(list)&include=body&limit=51"
      )
    }
  }

  @Test func `a message goes to the trash, stays there, and is deleted for good on demand`()
    async throws
  {
    try await Office.withAccount(messages: 2) { _, api, path, _ in
      let items = try await api.call("GET", "\(path)/messages").items
      let first = "\(path)/messages/\(items[0]["id"]?.stringValue ?? "")"
      let second = "\(path)/messages/\(items[1]["id"]?.stringValue ?? "")"
      let trash = try await api.call("GET", "\(path)/mailboxes/trash")
      if trash.status == 200 {
        let moved = try await api.expect(200, "DELETE", first)
        #expect(moved.json["mailboxIds"]?[trash.id] == .bool(true))
        // The answer was lost, say, and the caller asks again.
        let again = try await api.expect(200, "DELETE", first)
        #expect(again.json["mailboxIds"]?[trash.id] == .bool(true))
      } else {
        try await api.expect(409, code: "conflict", "DELETE", first)
      }
      try await api.expect(204, "DELETE", "\(first)?permanent=true")
      try await api.expect(404, code: "not_found", "GET", first)
      try await api.expect(204, "DELETE", "\(second)?permanent=true")
      try await api.expect(404, code: "not_found", "GET", second)
    }
  }

  @Test func `messages are imported raw`() async throws {
    let dovecot = try await DovecotServer.shared
    try await Office.withAccount(messages: 0) { _, api, path, user in
      let raw = SampleMail.message(5)
      let made = try await api.expect(
        201,
        "POST",
        "\(path)/messages?mailbox=inbox&keyword=%24seen",
        raw: raw,
        type: "message/rfc822"
      )
      #expect(made.json["keywords"]?["$seen"] == .bool(true))
      try await eventually("the server has it") {
        try await dovecot.messageCount(user: user) == 1
      }
      let nowhere = try await api.expect(
        422,
        code: "unprocessable",
        "POST",
        "\(path)/messages?mailbox=nope",
        raw: raw,
        type: "message/rfc822"
      )
      #expect(nowhere.pointers == ["?mailbox"])
      try await api.expect(
        415,
        code: "unsupported_media_type",
        "POST",
        "\(path)/messages",
        raw: raw,
        type: "text/plain"
      )
    }
  }

  @Test func `a batch answers for each message`() async throws {
    try await Office.withAccount(messages: 4) { _, api, path, _ in
      let ids = try await api.call("GET", "\(path)/messages").items.compactMap {
        $0["id"]?.stringValue
      }
      let list = (ids + ["msg_0000000000000", "x"]).map { "\"\($0)\"" }.joined(separator: ",")
      let done = try await api.expect(
        200,
        "POST",
        "\(path)/messages:batch",
        #"{"ids":[\#(list)],"patch":{"keywords":{"$seen":true}}}"#
      )
      #expect(done.items.map { $0["status"]?.intValue } == [200, 200, 200, 200, 404, 404])
      let query = try await api.expect(
        200,
        "POST",
        "\(path)/messages:batch",
        #"{"query":{"mailbox":"inbox"},"patch":{"keywords":{"$flagged":true}}}"#
      )
      #expect(query.items.count == 4)
      let flagged = try await api.expect(200, "GET", "\(path)/messages?flagged=true&unread=false")
      #expect(flagged.items.count == 4)
    }
  }

  @Test func `a batch that is wrong is told what is wrong with it, and no more`() async throws {
    try await Office.withAccount(messages: 0) { _, api, path, _ in
      let many = Array(repeating: #""msg_0000000000000""#, count: 1001).joined(separator: ",")
      for (body, pointer) in [
        (#"{"ids":[],"patch":{}}"#, "/ids"), (#"{"ids":[\#(many)],"patch":{}}"#, "/ids"),
        (#"{"ids":5,"delete":"trash"}"#, "/ids"), (#"{"query":5,"delete":"trash"}"#, "/query"),
        (#"{"ids":["x"],"delete":"shred"}"#, "/delete"), (#"{"ids":["x"],"patch":5}"#, "/patch"),
        (#"{"ids":null,"delete":"trash"}"#, ""), (#"{"ids":["x"]}"#, ""),
        (#"{"ids":["x"],"query":{},"delete":"trash"}"#, ""),
      ] {
        let answer = try await api.expect(
          400,
          code: "invalid_request",
          "POST",
          "\(path)/messages:batch",
          body
        )
        #expect(answer.pointers == [pointer], "\(body.prefix(40))")
      }
    }
  }
}
