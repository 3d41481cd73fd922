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

@Suite(
  "Rules and the scripts of others at a ManageSieve server",
  .serialized,
  .timeLimit(.minutes(5))
)
struct PublishConflictTests {
  @Test func `a script of somebody else's gives way only where that is said`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      try await PublishFixture.add(PublishFixture.copy("alpha", to: "Filed"), to: account, service)
      try await PublishFixture.scripts(service, dovecot, user) { client in
        try await client.putScript("mine", Array("keep;\r\n".utf8))
        try await client.setActive("mine")
      }
      func refusal() async throws -> ServiceError? {
        do {
          _ = try await service.engine.publishRules(of: account, replaces: false)
          return nil
        } catch let error as ServiceError {
          return error
        }
      }
      let active = try await refusal()
      #expect(active?.code == .conflict && active?.message.contains("\"mine\"") == true)
      #expect(try await service.engine.publication(of: account).script == nil)
      #expect(
        try await PublishFixture.scripts(service, dovecot, user) { try await $0.listScripts() }
          == [ListedScript(name: "mine", isActive: true)]
      )
      // Nor one of our name that somebody wrote.
      try await PublishFixture.scripts(service, dovecot, user) { client in
        try await client.setActive(nil)
        try await client.putScript("restante", Array("discard;\r\n".utf8))
      }
      #expect(try await refusal()?.code == .conflict)
      _ = try await service.engine.publishRules(of: account, replaces: true)
      #expect(try await service.engine.publication(of: account).isCurrent)
      // Changed at the server since: the next change of the rules is not published over it.
      let others = Array("# by hand\r\nkeep;\r\n".utf8)
      try await PublishFixture.scripts(service, dovecot, user) {
        _ = try await $0.putScript("restante", others)
      }
      try await PublishFixture.add(PublishFixture.copy("beta", to: "Filed"), to: account, service)
      try await eventually("the conflict is told") {
        try await service.engine.publication(of: account).lastError?.code == .conflict
      }
      #expect(
        try await PublishFixture.scripts(service, dovecot, user) { try await $0.script("restante") }
          == others
      )
      let forced = try await service.engine.publishRules(of: account, replaces: true)
      #expect(forced.isCurrent && forced.lastError == nil)
      // Withdrawn, the other's script is as it was.
      _ = try await service.engine.withdrawRules(of: account)
      #expect(
        try await PublishFixture.scripts(service, dovecot, user) { try await $0.listScripts() }
          == [ListedScript(name: "mine", isActive: false)]
      )
    }
  }

  @Test
  func
    `a script that another client has run instead is told, and ours comes back when that is gone`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    var options = TestService.Options()
    options.engine.scriptLook = .milliseconds(200)
    options.engine.firstScriptBackoff = .milliseconds(200)
    try await TestService.with(options) { service in
      let account = try await PublishFixture.account(service, dovecot, user)
      try await PublishFixture.add(PublishFixture.copy("alpha", to: "Filed"), to: account, service)
      _ = try await service.engine.publishRules(of: account, replaces: false)
      try await PublishFixture.scripts(service, dovecot, user) { client in
        try await client.putScript("mine", Array("keep;\r\n".utf8))
        try await client.setActive("mine")
      }
      try await eventually("the other script is told") {
        try await service.engine.publication(of: account).lastError?.message.contains("mine")
          == true
      }
      try await PublishFixture.scripts(service, dovecot, user) { try await $0.setActive(nil) }
      try await eventually("ours is active again") {
        try await PublishFixture.scripts(service, dovecot, user) { try await $0.listScripts() }
          .contains(ListedScript(name: "restante", isActive: true))
      }
      try await eventually("nothing is wrong any more") {
        try await service.engine.publication(of: account).lastError == nil
      }
    }
  }
}
