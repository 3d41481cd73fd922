import Engine
import Model
import Net
import TestSupport
import Testing

@Suite("Trying settings out", .serialized, .timeLimit(.minutes(6)))
struct VerifyTests {
  private static func draft(
    _ incoming: BackendSettings,
    outgoing: BackendSettings? = nil
  ) -> AccountDraft {
    AccountDraft(
      name: nil,
      email: "alice@test.invalid",
      mode: .online,
      incoming: incoming,
      incomingSecret: Secret("secret"),
      outgoing: outgoing,
      outgoingSecret: outgoing == nil ? nil : Secret("secret"),
      identities: []
    )
  }

  @Test func `once it is logged in it keeps nobody else from logging in`() async throws {
    let server = try ScriptedServer(scripts: [
      ScriptedInbox.login + [.expect("LIST"), .hang], ScriptedInbox.login + [.hang],
    ])
    defer { server.stop() }
    var options = TestService.Options()
    options.engine.connections.loginsAtOnce = 1
    try await TestService.with(options) { service in
      let engine = try service.engine
      let verifying = Task(executorPreference: service.group.loops[1]) {
        try await engine.verify(Self.draft(TestService.imap(port: server.port)))
      }
      try await eventually("it lists") { server.transcripts.first?.contains("LIST") == true }
      _ = try await service.addAccount(TestService.imap(port: server.port))
      try await eventually("the account logs in") {
        server.transcripts.count >= 2 && server.transcripts[1].contains("AUTHENTICATE")
      }
      server.stop()
      #expect(try await verifying.value.last?.succeeded == false)
    }
  }

  @Test func `a server whose connections are all in use is told as that`() async throws {
    let dovecot = try await MailServers.dovecot
    var options = TestService.Options()
    options.engine.connections.perHost = 0
    options.engine.connectTimeout = .milliseconds(100)
    try await TestService.with(options) { service in
      let outgoing = BackendSettings(
        kind: .smtp,
        host: "127.0.0.1",
        port: 1,
        security: .none,
        authType: .none,
        username: nil,
        allowCleartext: true
      )
      let steps = try await service.engine.verify(
        Self.draft(TestService.imap(dovecot, "alice"), outgoing: outgoing)
      )
      for backend in ["incoming", "outgoing"] {
        #expect(steps.last { $0.backend == backend }?.code == .backendLimited)
      }
    }
  }
}
