import Bytes
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: threads", .tags(.database), .timeLimit(.minutes(6)))
struct ThreadEndToEndTests {
  private func mail(_ id: String, _ subject: String, naming references: String? = nil) -> [UInt8] {
    let field = references.map { "References: \($0)\r\n" } ?? ""
    return Array(
      """
      From: Ada <ada@example.org>\r
      To: bob@example.org\r
      Subject: \(subject)\r
      Message-ID: <\(id)@example.org>\r
      \(field)Date: Tue, 24 Nov 2026 10:00:00 +0000\r
      \r
      Hello.\r

      """.utf8
    )
  }

  @Test func `answers from the server and an imported one are one thread`() async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    try await dovecot.deliver(mail("a", "Lunch"), to: user)
    try await dovecot.deliver(mail("b", "Re: Lunch", naming: "<a@example.org>"), to: user)
    try await dovecot.deliver(mail("c", "Re: [team] lunch (fwd)"), to: user)
    try await dovecot.deliver(mail("x", "Other"), to: user)
    try await Office.with { service, api in
      let account = try await service.addSyncedAccount(dovecot, user)
      let path = "/v1/accounts/\(account)"
      let list = try await api.expect(200, "GET", "\(path)/threads?total=true")
      #expect(list.json["total"]?.intValue == 2)
      #expect(list.items.map { $0["totalMessages"]?.intValue } == [1, 3])
      let lunch = try #require(list.items.last)
      #expect(lunch["subject"]?.stringValue == "Lunch")
      let id = try #require(lunch["id"]?.stringValue)
      let messages = try await api.expect(200, "GET", "\(path)/messages?thread=\(id)")
      #expect(messages.items.count == 3)
      #expect(messages.items.allSatisfy { $0["threadId"]?.stringValue == id })
      let one = try await api.expect(200, "GET", "\(path)/threads/\(id)")
      #expect(one.json == lunch)
      let tag = [("If-None-Match", one.http["etag"] ?? "")]
      try await api.expect(304, "GET", "\(path)/threads/\(id)", fields: tag)

      let made = try await api.expect(
        201,
        "POST",
        "\(path)/messages?mailbox=inbox&receivedAt=2038-01-01T00:00:00Z",
        raw: mail("d", "Re: Lunch", naming: "<z@example.org> <b@example.org>"),
        type: "message/rfc822"
      )
      #expect(made.json["threadId"]?.stringValue == id)
      let grown = try await api.expect(200, "GET", "\(path)/threads?mailbox=inbox&limit=1")
      #expect(grown.items.first?["id"]?.stringValue == id)
      #expect(grown.items.first?["totalMessages"]?.intValue == 4)
      let next = try #require(grown.json["next"]?.stringValue)
      let rest = try await api.expect(
        200,
        "GET",
        "\(path)/threads?mailbox=inbox&limit=1&cursor=\(next)"
      )
      #expect(rest.items.map { $0["subject"]?.stringValue } == ["Other"])
      try await api.expect(404, code: "not_found", "GET", "\(path)/threads/thr_0000000000000")
      try await api.expect(422, code: "unprocessable", "GET", "\(path)/threads?mailbox=nonsense")
    }
  }
}
