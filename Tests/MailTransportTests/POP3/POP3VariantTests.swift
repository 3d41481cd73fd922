import Foundation
import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("RPOP") struct RPOPTests {
  private static let mail = [Array("Subject: x\r\n\r\nx\r\n".utf8)]

  @Test(.enabled("a reserved port is root's") { getuid() == 0 })
  func `a trusted user of this machine reads by RPOP, from a reserved port`() async throws {
    let login = SmallPOP3Server.Login.rpop(trusted: ["root", "alice"])
    let server = try SmallPOP3Server(login: login, messages: Self.mail)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let nobody = SASLCredentials.password(username: "alice", password: "not looked at")
      for userID in ["root", nil] {
        let client = try await fixture.connect(server.port, variant: .rpop(userID: userID))
        try await client.authenticate(nobody)
        #expect(try await client.allBytes(try await client.messages().messages) == Self.mail)
        #expect(await client.quit() == .done)
      }
      let stranger = try await fixture.connect(server.port, variant: .rpop(userID: "mallory"))
      #expect(
        await pop3Error { () throws(POP3Error) in try await stranger.authenticate(nobody) }
          == .authenticationFailed(response: "no")
      )
    }
    #expect(
      server.commands.filter { $0.hasPrefix("RPOP") } == [
        "RPOP root", "RPOP alice", "RPOP mallory",
      ]
    )
    #expect(!server.commands.contains { $0.contains("not looked at") })
  }

  @Test func `nobody speaks RPOP who did not ask for it`() async throws {
    let server = try SmallPOP3Server(login: .rpop(trusted: ["alice"]), messages: Self.mail)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await fixture.login(server) }
          == .authenticationFailed(response: "no")
      )
    }
    #expect(!server.commands.contains { $0.hasPrefix("RPOP") })
  }
}

@Suite("KPOP") struct KPOPTests {
  private static let mail = [Array("Subject: x\r\n\r\nx\r\n".utf8)]

  private func client(
    _ fixture: POP3Fixture,
    _ port: UInt16,
    _ ticket: KerberosTicket
  ) async throws(POP3Error) -> POP3Client {
    try await fixture.connect(port, host: "localhost", variant: .kpop(ticket))
  }

  @Test func `a ticket reads by KPOP, and another user's does not`() async throws {
    let realm = try await KerberosRealm.shared
    let server = try SmallPOP3Server(login: .kpop(realm), messages: Self.mail)
    defer { server.stop() }
    let alice = KerberosTicket(
      cache: try await realm.ticket(for: "alice"),
      configurationFile: realm.configurationFile
    )
    let bob = KerberosTicket(
      cache: try await realm.ticket(for: "bob"),
      configurationFile: realm.configurationFile
    )
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await client(fixture, server.port, alice)
      try await client.authenticate(.kerberos(username: "alice"))
      #expect(try await client.allBytes(try await client.messages().messages) == Self.mail)
      #expect(await client.quit() == .done)
      let other = try await self.client(fixture, server.port, bob)
      #expect(
        await pop3Error { () throws(POP3Error) in
          try await other.authenticate(.kerberos(username: "alice"))
        } == .authenticationFailed(response: "no")
      )
    }
  }

  @Test func `the process's own ticket serves where none is named`() async throws {
    let realm = try await KerberosRealm.shared
    let server = try SmallPOP3Server(login: .kpop(realm), messages: Self.mail)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await client(fixture, server.port, KerberosTicket())
      try await client.authenticate(.kerberos(username: "alice"))
      #expect(client.isLoggedIn)
    }
  }

  @Test func `without a ticket, or with one that nobody knows, nobody gets in`() async throws {
    let realm = try await KerberosRealm.shared
    let stranger = try await KerberosRealm.start()
    let server = try SmallPOP3Server(login: .kpop(stranger), messages: Self.mail)
    defer { server.stop() }
    let none = KerberosTicket(
      cache: "FILE:/tmp/restante-no-such-cache",
      configurationFile: realm.configurationFile
    )
    let foreign = KerberosTicket(
      cache: try await realm.ticket(for: "alice"),
      configurationFile: realm.configurationFile
    )
    let fixture = try POP3Fixture()
    try await fixture.run {
      for ticket in [none, foreign] {
        let error = await pop3Error { () throws(POP3Error) in
          _ = try await self.client(fixture, server.port, ticket)
        }
        guard case .authenticationFailed(let words)? = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
        #expect(!words.isEmpty)
      }
    }
    #expect(server.commands.isEmpty)
    await stranger.stop()
  }

  @Test func `a plain POP3 server is told apart`() async throws {
    let realm = try await KerberosRealm.shared
    let server = try SmallPOP3Server(messages: Self.mail)
    defer { server.stop() }
    let ticket = KerberosTicket(
      cache: try await realm.ticket(for: "alice"),
      configurationFile: realm.configurationFile
    )
    let fixture = try POP3Fixture()
    try await fixture.run {
      #expect(
        await pop3Error { () throws(POP3Error) in
          _ = try await self.client(fixture, server.port, ticket)
        } == .broken(reason: "the server speaks POP3 at once, without Kerberos")
      )
    }
  }

  @Test func `a server that cannot prove itself is not talked to`() async throws {
    let realm = try await KerberosRealm.shared
    let server = try ScriptedServer([
      .sendBytes([0]), .skip(200), .sendBytes([0, 0, 0, 0, 0, 0, 0, 4, 0x6F, 2, 0x30, 0]),
      .send("+OK ready\r\n"), .hang,
    ])
    defer { server.stop() }
    let ticket = KerberosTicket(
      cache: try await realm.ticket(for: "alice"),
      configurationFile: realm.configurationFile
    )
    let fixture = try POP3Fixture()
    try await fixture.run {
      let error = await pop3Error { () throws(POP3Error) in
        _ = try await self.client(fixture, server.port, ticket)
      }
      guard case .authenticationFailed? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
    #expect(!server.transcripts.joined().contains("CAPA"))
  }
}
