import Engine
import MailProtocols
import Model
import Net
import Store
import TestSupport
import Testing

@Suite("Connections that are of no more use", .serialized, .timeLimit(.minutes(6)))
struct LostConnectionTests {
  /// The answers to LIST, LSUB and STATUS of an inbox without a message, and another mailbox with `count`.
  private static func list(gone count: Int?) -> [ScriptedServer.Step] {
    let names = ["INBOX"] + (count == nil ? [] : ["Gone"])
    let asked = names.flatMap { name -> [ScriptedServer.Step] in
      let exists = name == "Gone" ? count ?? 0 : 0
      let counts = "MESSAGES \(exists) UIDNEXT \(exists + 1) UIDVALIDITY 7 UNSEEN \(exists)"
      return [.expect("STATUS"), .send("* STATUS \(name) (\(counts))\r\n{tag} OK x\r\n")]
    }
    let listed = names.map { "* LIST () \"/\" \($0)\r\n" }.joined()
    return [
      .expect("LIST"), .send(listed + "{tag} OK x\r\n"), .expect("LSUB"), .send("{tag} OK x\r\n"),
    ] + asked
  }

  private static let opened: [ScriptedServer.Step] =
    ScriptedInbox.select(exists: 0, uidNext: 1) + ScriptedInbox.search(nil)
  private static let refused: [ScriptedServer.Step] = [
    .expect("SELECT"), .send("{tag} NO [NONEXISTENT] gone\r\n"),
  ]
  /// A session that opened both mailboxes, and then opens one no more that it still lists.
  private static let stale =
    ScriptedInbox.login + list(gone: 0) + opened + opened + ScriptedInbox.leave + list(gone: 1)
    + refused + [.hang]
  /// Of a connection that finds no IDLE.
  private static let watch = ScriptedInbox.login + [.hang]

  @Test func `one that lists a mailbox which is gone is made anew, which tells that it is`()
    async throws
  {
    // It is gone when two lists do not have it, and STATUS does not know it.
    let unlisted: [ScriptedServer.Step] =
      Self.list(gone: nil) + [.expect("STATUS"), .send("{tag} NO [NONEXISTENT] gone\r\n")]
    let anew = ScriptedInbox.login + unlisted + unlisted + [.hang]
    let server = try ScriptedServer(scripts: [Self.stale, Self.watch, anew, Self.watch])
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      try await service.waitUntilReady(account)
      #expect(try await service.store.mailboxes(of: account).mailboxes.count == 2)
      try await service.engine.syncNow(account)
      try await eventually("it is gone") {
        try await service.store.mailboxes(of: account).mailboxes.map(\.path) == ["INBOX"]
      }
      // It is no failure of the account's.
      let shown = try await service.store.account(account)
      #expect(shown?.state == .ready && shown?.lastError == nil)
    }
  }

  @Test func `one that a new connection does not open either is left as it is for a while`()
    async throws
  {
    let anew =
      ScriptedInbox.login + Self.list(gone: 1) + Self.refused + Self.list(gone: 1) + Self.refused
      + Self.list(gone: 1) + Self.refused + [.hang]
    let server = try ScriptedServer(scripts: [Self.stale, Self.watch, anew, Self.watch])
    defer { server.stop() }
    var options = TestService.Options()
    options.engine.firstBackoff = .seconds(600)
    try await TestService.with(options) { service in
      let account = try await service.addAccount(TestService.imap(port: server.port))
      try await service.waitUntilReady(account)
      for count in 1...3 {
        try await eventually("look \(count)") {
          if server.transcripts.count < 3 || count > 1 { try await service.engine.syncNow(account) }
          guard server.transcripts.count >= 3 else { return false }
          return server.transcripts[2].split(separator: "SELECT").count > count
        }
      }
      #expect(server.transcripts.count == 4)
    }
  }

  @Test func `a body is read though the connection that waited for it was lost`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 2)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      for _ in 0..<3 {
        for row in try await service.messages(of: account) {
          let source = try await service.engine.openRaw(row.id, of: account)
          #expect(try await Int64(source.collect(upTo: 1 << 20).bytes.count) == row.size)
        }
        // All its sessions end, the one in the pool among them.
        try await dovecot.kick("alice")
      }
    }
    await dovecot.stop()
  }

  @Test
  func `a server that answers a search no more is asked at once, and the account connects anew`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 2)
    var options = TestService.Options()
    options.engine.searchTime = .seconds(2)
    options.engine.watchAnswer = .milliseconds(500)
    try await TestService.with(options) { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port))
      try await service.waitUntilReady(account)
      try await eventually("it is watched") {
        try service.engine.connection(of: account).watching?.means == .notify
      }
      var query = MessageQuery()
      query.search = try SearchParser.parse("body:nowhere")
      _ = try await service.engine.find(query, of: account)
      let connections = proxy.requests.count
      proxy.fallSilent()
      let gaps = try await service.engine.find(query, of: account).gaps
      #expect(gaps.map(\.error.code) == [.backendTimedOut])
      // Its probe would come in five minutes.
      try await eventually("it connects anew") { proxy.requests.count >= connections + 2 }
      await proxy.stop()
    }
    await dovecot.stop()
  }
}
