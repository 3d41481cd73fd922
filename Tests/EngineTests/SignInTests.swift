import Engine
import Foundation
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("How an account signs in and what it learns", .serialized, .timeLimit(.minutes(6)))
struct SignInTests {
  @Test func `an access token opens the account, and a new one takes the place of an old one`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 3)
    try await TestService.with { service in
      var settings = TestService.imap(dovecot, user)
      settings.authType = .oauth2
      settings.username = dovecot.address(of: user)
      let expired = dovecot.accessToken(for: user, seconds: -60)
      let account = try await service.addAccount(settings, password: expired)
      try await eventually("the old token is refused") {
        try await service.store.account(account)?.state == .authenticationFailed
      }
      let failure = try #require(try await service.store.account(account)?.lastError)
      #expect(!"\(failure)".contains(expired))
      var patch = AccountPatch()
      patch.incoming = settings
      patch.incomingSecret = Secret(dovecot.accessToken(for: user))
      _ = try await service.engine.updateAccount(account, patch, ifVersion: nil)
      try await service.waitUntilReady(account)
      #expect(try await service.messages(of: account).count == 3)
      let sealed = try await service.query("select incoming_secret from account")
      #expect(!String(decoding: try sealed.byteArray(0, 0), as: UTF8.self).contains("eyJ"))
      patch.incoming?.host = "localhost"
      patch.incomingSecret = nil
      let theft = patch
      let elsewhere = await #expect(throws: ServiceError.self) {
        _ = try await service.engine.updateAccount(account, theft, ifVersion: nil)
      }
      #expect(elsewhere?.code == .secretRequired)
      #expect(elsewhere?.fields.first?.pointer == "/incoming/auth/accessToken")
      patch.incoming?.host = settings.host
      patch.incoming?.username = "another"
      let another = patch
      let other = await #expect(throws: ServiceError.self) {
        _ = try await service.engine.updateAccount(account, another, ifVersion: nil)
      }
      #expect(other?.code == .secretRequired)
    }
  }

  @Test func `every connection says who it is, once, and quotas are read`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await TestService.with { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port, user))
      try await service.waitUntilReady(account)
      try await eventually("the quota") {
        try service.engine.connection(of: account).quotas.contains {
          $0.resource == "storage" && $0.limit == 20 << 30
        }
      }
      try await eventually("it is watched") {
        try service.engine.connection(of: account).watching?.means != .poll
      }
      for connection in proxy.requests {
        #expect(connection.joined().components(separatedBy: " ID (").count == 2)
      }
      #expect(proxy.requests[0].joined().contains("ENABLE QRESYNC"))
      await proxy.stop()
    }
  }

  @Test func `a new mailbox goes where the server's namespace has them`() async throws {
    var own = DovecotServer.Options()
    own.prefix = "Mail/"
    let dovecot = try await MailServers.own(own)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let made = try await service.engine.createMailbox(account, name: "New", parent: nil)
      #expect(made.path == "Mail/New")
    }
    await dovecot.stop()
  }
}
