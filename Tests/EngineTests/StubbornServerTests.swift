import Engine
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Servers that refuse an intent", .serialized, .timeLimit(.minutes(6)))
struct StubbornServerTests {
  /// An inbox with one message, synced for the first time.
  private static let firstSync =
    ScriptedInbox.login + ScriptedInbox.list(exists: 1, uidNext: 2)
    + ScriptedInbox.select(exists: 1, uidNext: 2) + ScriptedInbox.search("1")
    + ScriptedInbox.fetch(1)

  /// Flags the message of a server that follows `scripts`; the intent when `isOver` of it holds.
  private func flag(
    _ scripts: [[ScriptedServer.Step]],
    until isOver: @escaping @Sendable (OperationRecord?) -> Bool
  ) async throws -> (operation: OperationRecord?, keywords: [String]) {
    let server = try ScriptedServer(scripts: scripts)
    defer { server.stop() }
    var options = TestService.Options()
    options.engine.operationAttempts = 3
    options.engine.firstBackoff = .milliseconds(10)
    options.engine.longestBackoff = .milliseconds(20)
    return try await TestService.with(options) { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      try await service.waitUntilReady(account)
      let id = try await service.messages(of: account)[0].id
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([id], of: account, patch)
      try await eventually("the intent is over") {
        isOver(try await service.store.operations(of: account, limit: 1).first?.message)
      }
      let operation = try await service.store.operations(of: account, limit: 1).first?.message
      return (operation, try await service.messages(of: account)[0].keywordList)
    }
  }

  @Test func `a keyword beyond the server's limit is refused at once`() async throws {
    let script =
      Self.firstSync + [
        .expect("STORE"), .send("{tag} NO [LIMIT] Too many flags\r\n"), .hang,
      ]
    let (operation, keywords) = try await flag([script, [.hang]]) { $0?.state == "refused" }
    #expect(operation?.lastError == "Too many flags")
    #expect(keywords == [])
  }

  @Test func `an intent at which the server hangs up is given up`() async throws {
    let hangsUp =
      ScriptedInbox.login + ScriptedInbox.select(exists: 1, uidNext: 2) + [
        .expect("STORE"), .close,
      ]
    let scripts = [
      Self.firstSync + [.expect("STORE"), .close], ScriptedInbox.login + [.hang], hangsUp,
    ]
    let (operation, keywords) = try await flag(scripts) { $0?.state == "refused" }
    #expect(operation?.attempts == 3)
    #expect(operation?.lastError?.hasPrefix("Tried 3 times.") == true)
    #expect(keywords == [])
  }

  @Test func `what the server puts off is tried again, and the sync goes on meanwhile`()
    async throws
  {
    let script =
      Self.firstSync + [.expect("STORE"), .send("{tag} NO [INUSE] Later\r\n")]
      + ScriptedInbox.select(exists: 1, uidNext: 2)
      + ScriptedInbox.flags + [.expect("STORE"), .send("{tag} OK done\r\n"), .hang]
    let (operation, keywords) = try await flag([script, [.hang]]) { $0 == nil }
    #expect(operation == nil)
    #expect(keywords == ["$flagged"])
  }
}
