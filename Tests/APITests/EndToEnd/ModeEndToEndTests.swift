import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: modes of IMAP accounts", .tags(.database))
struct ModeEndToEndTests {
  @Test func `an account is disconnected, works with its server away, and is made offline`()
    async throws
  {
    let dovecot = try await DovecotServer.start(users: ["alice"])
    for index in 0..<3 { try await dovecot.deliver(SampleMail.message(index), to: "alice") }
    try await Office.with { _, api in
      let made = try await api.expect(
        201,
        "POST",
        "/v1/accounts",
        """
        {"email":"alice@test.invalid","mode":"disconnected","incoming":
          {"protocol":"imap","host":"127.0.0.1","port":\(dovecot.imapPort),"tls":"none",
           "auth":{"username":"alice","password":"secret"}}}
        """
      )
      #expect(made.json["mode"]?.stringValue == "disconnected")
      let path = "/v1/accounts/\(made.id)"
      try await eventually("all is copied") {
        let account = try await api.expect(200, "GET", path).json
        return account["state"]?.stringValue == "ready"
          && account["sync"]?["copy"]?["kept"]?.intValue == 3
      }
      await dovecot.stop()
      let messages = try await api.expect(200, "GET", "\(path)/messages?mailbox=inbox").items
      let ids = messages.compactMap { $0["id"]?.stringValue }
      #expect(ids.count == 3)
      for id in ids {
        try await api.expect(200, "GET", "\(path)/messages/\(id)?include=body,headers")
      }
      let seen = try await api.expect(
        200,
        "PATCH",
        "\(path)/messages/\(ids[0])",
        #"{"keywords":{"$flagged":true}}"#
      )
      #expect(seen.json["pending"]?.boolValue == true)
      try await api.expect(204, "DELETE", "\(path)/messages/\(ids[1])?permanent=true")
      let queued = try await api.expect(200, "GET", "\(path)/operations").items
      #expect(queued.compactMap { $0["kind"]?.stringValue } == ["keywords", "delete"])
      #expect(queued.allSatisfy { $0["serverKeywords"] == .null })
      let boxes = "\(path)/mailboxes"
      let box = try await api.expect(201, "POST", boxes, #"{"name":"Made"}"#)
      #expect(box.json["pending"]?.boolValue == true && box.json["backend"]?["name"] == .null)
      let renamed = try await api.expect(
        200,
        "PATCH",
        "\(boxes)/\(box.id)",
        #"{"name":"Made well"}"#
      )
      #expect(renamed.json["path"]?.stringValue == "Made well")
      let other = try await api.expect(201, "POST", boxes, #"{"name":"Other"}"#)
      try await api.expect(204, "DELETE", "\(boxes)/\(other.id)")
      try await api.expect(404, "GET", "\(boxes)/\(other.id)")
      try await api.expect(
        200,
        "PATCH",
        "\(path)/messages/\(ids[2])",
        #"{"mailboxIds":{"\#(box.id)":true}}"#
      )
      let changes = try await api.expect(200, "GET", "\(path)/operations").items
        .filter { $0["messageId"] == .null }
      #expect(
        changes.compactMap { $0["kind"]?.stringValue } == [
          "createMailbox", "renameMailbox", "createMailbox", "deleteMailbox",
        ]
      )
      #expect(
        changes.compactMap { $0["mailboxName"]?.stringValue } == [
          "Made", "Made well", "Other", "Other",
        ]
      )
      try await dovecot.start()
      try await eventually("what was done is on the server") {
        try await api.expect(202, "POST", "\(path):sync")
        return try await api.expect(200, "GET", "\(path)/operations").items.isEmpty
      }
      #expect(try await dovecot.messageCount(user: "alice") == 1)
      #expect(try await dovecot.messageCount(user: "alice", mailbox: "Made well") == 1)
      let there = try await api.expect(200, "GET", "\(boxes)/\(box.id)")
      #expect(there.json["backend"]?["name"]?.stringValue == "Made well")
      #expect(there.json["pending"]?.boolValue == false)
      let patched = try await api.expect(
        200,
        "PATCH",
        path,
        #"{"mode":"offline","incoming":{"leaveOnServer":{"days":14}}}"#
      )
      #expect(patched.json["incoming"]?["leaveOnServer"]?["days"]?.intValue == 14)
      try await api.expect(200, "PATCH", path, #"{"incoming":{"leaveOnServer":false}}"#)
      try await eventually("the server is empty") {
        try await dovecot.messageCount(user: "alice") == 0
      }
      let left = try await api.expect(200, "GET", "\(path)/messages?sort=-subject").items
      #expect(Set(left.compactMap { $0["id"]?.stringValue }) == [ids[0], ids[2]])
      try await api.expect(
        422,
        code: "unprocessable",
        "PATCH",
        path,
        #"{"mode":"online","incoming":{"leaveOnServer":{"days":3}}}"#
      )
    }
    await dovecot.stop()
  }
}
