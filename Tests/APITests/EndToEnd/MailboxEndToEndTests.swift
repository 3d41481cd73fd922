import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: mailboxes", .tags(.database))
struct MailboxEndToEndTests {
  @Test func `the tree is made, renamed, moved and deleted`() async throws {
    try await Office.withAccount(messages: 1) { _, api, path, _ in
      let boxes = "\(path)/mailboxes"
      let made = try await api.expect(201, "POST", boxes, #"{"name":"Rêceipts"}"#)
      #expect(made.json["path"]?.stringValue == "Rêceipts")
      let child = try await api.expect(
        201,
        "POST",
        boxes,
        #"{"name":"2026","parentId":"\#(made.id)"}"#
      )
      #expect(child.json["parentId"]?.stringValue == made.id)
      let renamed = try await api.expect(200, "PATCH", "\(boxes)/\(made.id)", #"{"name":"Bills"}"#)
      #expect(renamed.id == made.id)
      let moved = try await api.expect(
        200,
        "PATCH",
        "\(boxes)/\(child.id)",
        #"{"parentId":null,"isSubscribed":false}"#
      )
      #expect(moved.json["path"]?.stringValue == "2026")
      #expect(moved.json["isSubscribed"]?.boolValue == false)
      try await api.expect(204, "DELETE", "\(boxes)/\(child.id)")
      try await api.expect(404, code: "not_found", "GET", "\(boxes)/\(child.id)")
    }
  }

  @Test func `a mailbox is found by its role, and pages go through all`() async throws {
    try await Office.withAccount(messages: 1) { _, api, path, _ in
      let inbox = try await api.expect(200, "GET", "\(path)/mailboxes/inbox")
      #expect(inbox.json["totalMessages"]?.intValue == 1)
      let all = try await api.expect(200, "GET", "\(path)/mailboxes").items
      var seen: [JSONValue] = []
      var cursor = ""
      while true {
        let page = try await api.expect(200, "GET", "\(path)/mailboxes?limit=2\(cursor)")
        seen += page.items
        guard let next = page.json["next"]?.stringValue else { break }
        cursor = "&cursor=\(next)"
      }
      #expect(seen.map { $0["id"] } == all.map { $0["id"] })
    }
  }

  @Test func `a mailbox that holds a message not yet synced is not deleted by the way`()
    async throws
  {
    let dovecot = try await DovecotServer.shared
    try await Office.withAccount(messages: 0) { _, api, path, user in
      let made = try await api.expect(201, "POST", "\(path)/mailboxes", #"{"name":"Late"}"#)
      let box = "\(path)/mailboxes/\(made.id)"
      // Nobody watches this mailbox, and there is no poll: only the server knows.
      try await dovecot.deliver(SampleMail.message(1), to: user, mailbox: "Late")
      #expect(try await api.expect(200, "GET", box).json["totalMessages"]?.intValue == 0)
      try await api.expect(409, code: "conflict", "DELETE", box)
      #expect(try await dovecot.messageCount(user: user, mailbox: "Late") == 1)
      try await api.expect(204, "DELETE", "\(box)?permanent=true")
    }
  }

  @Test func `what cannot be done is refused`() async throws {
    try await Office.withAccount(messages: 1) { _, api, path, _ in
      let boxes = "\(path)/mailboxes"
      try await api.expect(422, code: "unprocessable", "POST", boxes, #"{"name":"a\r\nb"}"#)
      try await api.expect(400, code: "invalid_request", "POST", boxes, #"{"name":""}"#)
      let unknown = #"{"name":"x","parentId":"mbx_0000000000000"}"#
      try await api.expect(422, code: "unprocessable", "POST", boxes, unknown)
      try await api.expect(409, code: "conflict", "DELETE", "\(boxes)/inbox")
      // Dovecot keeps its mailboxes in directories, and says NO [CANNOT].
      let made = try await api.expect(201, "POST", boxes, #"{"name":"Made"}"#)
      for (method, target) in [("POST", boxes), ("PATCH", "\(boxes)/\(made.id)")] {
        let odd = try await api.expect(
          422,
          code: "unprocessable",
          method,
          target,
          #"{"name":".."}"#
        )
        #expect(odd.pointers == ["/name"])
        #expect(odd.json["origin"]?.stringValue == "client")
        #expect(odd.json["backend"]?["response"]?.stringValue?.isEmpty == false)
      }
      try await api.expect(404, code: "not_found", "GET", "\(boxes)/mbx_0000000000000")
    }
  }
}
