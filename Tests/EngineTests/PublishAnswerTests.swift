import Bytes
import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Rules
import Store
import TestSupport
import Testing

@Suite("Answers of a ManageSieve server that are lost", .serialized, .timeLimit(.minutes(5)))
struct PublishAnswerTests {
  @Test func `what was to give way still gives way where the server's answer was lost`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    var options = TestService.Options()
    options.engine.firstScriptBackoff = .milliseconds(20)
    try await TestService.with(options) { service in
      let proxy = try TapProxy(to: dovecot.sievePort, on: service.group.loops[0])
      let account = try await PublishFixture.account(service, dovecot, user, by: proxy.port)
      try await PublishFixture.add(PublishFixture.mark("alpha"), to: account, service)
      try await PublishFixture.scripts(service, dovecot, user) { client in
        try await client.putScript("theirs", Array("keep;\r\n".utf8))
        try await client.setActive("theirs")
      }
      proxy.lose("SETACTIVE \"restante\"")
      await #expect(throws: ServiceError.self) {
        _ = try await service.engine.publishRules(of: account, replaces: true)
      }
      #expect(proxy.hasLost)
      try await eventually("the rules run at the server") {
        try await PublishFixture.scripts(service, dovecot, user) { try await $0.listScripts() }
          .contains(ListedScript(name: "restante", isActive: true))
      }
      try await eventually("nothing is wrong any more") {
        let publication = try await service.engine.publication(of: account)
        return publication.lastError == nil && publication.isCurrent
      }
      // It was asked for once: whoever activates another script after that is not overruled.
      try await PublishFixture.scripts(service, dovecot, user) { try await $0.setActive("theirs") }
      _ = try await service.query("update script_server set look_at = now()")
      try service.engine.store.scriptServers.tell()
      try await eventually("the other's script is left alone") {
        try await service.engine.publication(of: account).lastError?.code == .conflict
      }
      await proxy.stop()
    }
  }

  @Test func `a key makes a script at a server once, whatever becomes of the answer`() async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      let token = try await service.query(
        "insert into token (id, digest, scopes) values (7, '\\x00', '{}') returning id"
      ).int64(0, 0)
      let claim = IdempotencyClaim(token: ID(token), key: "k")
      let store = try service.engine.store
      func begin() async throws -> IdempotencyStart {
        try await store.beginIdempotent(token: claim.token, key: "k", fingerprint: [1])
      }
      _ = try await begin()
      _ = try await service.engine.createScript(
        "one",
        Array("keep;\r\n".utf8),
        of: account,
        activates: false,
        claim: claim
      )
      // The answer is lost, as in a failure that may pass: the key is not given back.
      try await store.abandonIdempotent(token: claim.token, key: "k")
      guard case .done(_, _, nil, nil) = try await begin() else {
        Issue.record("the key was given back")
        return
      }
    }
  }
}
