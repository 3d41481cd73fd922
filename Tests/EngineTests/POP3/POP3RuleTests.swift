import Bytes
import Engine
import Foundation
import MIME
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Rules on mail of POP3 accounts", .serialized, .timeLimit(.minutes(5)))
struct POP3RuleTests {
  /// A message that was received just now.
  private static func letter(_ name: String) -> [UInt8] {
    let now = MIMEDate(seconds: Int64(Date().timeIntervalSince1970)).formatted
    return Array(
      "Received: from a by b; \(now)\r\nMessage-ID: <\(name)@x>\r\nSubject: \(name)\r\n\r\nx\r\n"
        .utf8
    )
  }

  @Test func `mail of a POP3 account is filtered once it has been downloaded before`() async throws
  {
    let server = try SmallPOP3Server()
    defer { server.stop() }
    for index in 0..<20 { server.add(Self.letter("old \(index)"), uniqueID: "o\(index)") }
    try await TestService.with { service in
      var settings = TestService.pop3(port: server.port, server.user)
      settings.leaveOnServer = nil
      let account = try await service.addAccount(
        settings,
        password: server.password,
        outgoing: RuleTests.deadEnd,
        mode: .disconnected
      )
      for rule in [
        #"{"name":"On","actions":[{"type":"redirect","to":"eve@example.net","keep":true}]}"#,
        #"{"name":"File","when":{"subject":"new"},"actions":[{"type":"move","mailbox":"Filed"},{"type":"addKeywords","keywords":["$seen"]},{"type":"addHeader","name":"X-Case","value":"1"}]}"#,
      ] {
        try await RuleTests.add(rule, to: account, service)
      }
      try await service.waitUntilReady(account)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.count(account) == 20)
      #expect(try await RuleTests.submissions(account, service).isEmpty)
      for index in 0..<3 { server.add(Self.letter("new \(index)"), uniqueID: "n\(index)") }
      try await service.look(server, account)
      try await RuleTests.waitUntilFiltered(account, service)
      #expect(try await service.count(account) == 20)
      let filed = try await service.messages(in: "Filed", of: account)
      #expect(try filed.map { try $0.keywordList } == [["$seen"], ["$seen"], ["$seen"]])
      #expect(try await RuleTests.submissions(account, service).count == 3)
      // What was seen before comes to no rule again.
      try await service.restart()
      try await service.look(server, account)
      #expect(try await service.number("select count(*) from rule_arrival") == 0)
      #expect(try await service.messages(in: "Filed", of: account).map(\.id) == filed.map(\.id))
      for message in filed {
        let raw = try await HeaderEditTests.raw(message.id, of: account, service)
        #expect(raw.hasPrefix("X-Case: 1\r\nReceived: "))
      }
      #expect(try await RuleTests.submissions(account, service).count == 3)
      #expect(try await service.health(of: account) == [])
    }
  }
}
