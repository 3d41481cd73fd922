import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: POP3 accounts", .tags(.database))
struct POP3EndToEndTests {
  private static let postfix = Task {
    try await PostfixServer.start(deliveringTo: try await DovecotServer.shared)
  }

  @Test func `a POP3 account is added, read, changed and sent from as any other`() async throws {
    let dovecot = try await DovecotServer.shared
    let postfix = try await Self.postfix.value
    let user = try dovecot.newUser()
    for index in 0..<3 { try await dovecot.deliver(SampleMail.message(index), to: user) }
    try await Office.with { _, api in
      let incoming = """
        {"protocol":"pop3","host":"127.0.0.1","port":\(dovecot.pop3Port),"tls":"none",
         "auth":{"username":"\(user)","password":"secret"}}
        """
      let body = """
        {"email":"\(dovecot.address(of: user))","incoming":\(incoming),"outgoing":
          {"host":"localhost","port":\(postfix.smtpPort),"tls":"starttls",
           "auth":{"username":"\(user)","password":"secret"}}}
        """
      let verified = try await api.expect(200, "POST", "/v1/accounts:verify", body)
      #expect(verified.json["ok"]?.boolValue == true, "\(verified.http.text)")
      let made = try await api.expect(201, "POST", "/v1/accounts", body)
      #expect(made.json["mode"]?.stringValue == "disconnected")
      #expect(made.json["incoming"]?["leaveOnServer"] == .null)
      let path = "/v1/accounts/\(made.id)"
      try await eventually("it is ready") {
        try await api.expect(200, "GET", path).json["state"]?.stringValue == "ready"
      }
      let account = try await api.expect(200, "GET", path)
      let capabilities = account.json["capabilities"]?["pop3"]?.arrayValue ?? []
      #expect(capabilities.contains(.string("PIPELINING")))
      let boxes = try await api.expect(200, "GET", "\(path)/mailboxes").items
      #expect(boxes.count == 6)
      let messages = try await api.expect(200, "GET", "\(path)/messages?mailbox=inbox").items
      #expect(messages.count == 3)
      let id = messages[0]["id"]?.stringValue ?? ""
      let seen = try await api.expect(
        200,
        "PATCH",
        "\(path)/messages/\(id)",
        #"{"keywords":{"$seen":true}}"#
      )
      #expect(seen.json["pending"]?.boolValue == false)
      try await api.expect(200, "DELETE", "\(path)/messages/\(id)")
      let threads = try await api.expect(200, "GET", "\(path)/threads").items
      #expect(!threads.isEmpty)
      try await api.expect(202, "POST", "\(path):sync")
      let sent = try await api.expect(
        202,
        "POST",
        "\(path)/submissions",
        #"{"to":[{"email":"\#(dovecot.address(of: user))"}],"subject":"to me","text":"x"}"#
      )
      try await eventually("it is sent") {
        try await api.expect(200, "GET", "\(path)/submissions/\(sent.id)")
          .json["state"]?.stringValue == "sent"
      }
      try await eventually("and comes back") {
        try await api.expect(202, "POST", "\(path):sync")
        let found = try await api.expect(200, "GET", "\(path)/messages?mailbox=inbox")
        return found.items.contains { $0["subject"]?.stringValue == "to me" }
      }
      #expect(
        try await api.expect(200, "GET", "\(path)/messages?mailbox=sent").items.count == 1
      )
      let patched = try await api.expect(
        200,
        "PATCH",
        path,
        #"{"mode":"offline","incoming":{"leaveOnServer":{"days":14}}}"#
      )
      #expect(patched.json["incoming"]?["leaveOnServer"]?["days"]?.intValue == 14)
      try await api.expect(
        422,
        code: "unprocessable",
        "PATCH",
        path,
        #"{"mode":"online"}"#
      )
      try await api.expect(204, "DELETE", path)
    }
  }
}
