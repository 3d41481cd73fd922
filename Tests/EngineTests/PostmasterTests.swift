import Engine
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

/// The address that every domain with mail has (RFC 5321 §4.5.1).
@Suite("The postmaster", .serialized, .timeLimit(.minutes(3))) struct PostmasterTests {
  private static let message = "Subject: Hello\r\n\r\nx\r\n"

  /// Brings a message to each of `recipients`; the codes of the replies.
  private func bring(
    to recipients: String...,
    at listener: MailListenerFixture
  ) async throws -> [String] {
    var codes: [String] = []
    for recipient in recipients {
      let client = try await listener.client()
      let found = try await client.codes("MAIL FROM:<bob@foreign.example>", "RCPT TO:\(recipient)")
      codes.append(found[1])
      guard found[1].hasPrefix("2") else { continue }
      let ends = try await listener.client().bring(
        from: "bob@foreign.example",
        to: String(recipient.dropFirst().dropLast()),
        message: Self.message
      )
      #expect(ends[0].hasPrefix("250"))
    }
    return codes
  }

  @Test func `the oldest account of a domain is its postmaster, and of no other`() async throws {
    try await TestService.with { service in
      let first = try await service.addLocalAccount("alice")
      let second = try await service.addLocalAccount("bob")
      try await MailListenerFixture.with(service) { listener in
        let codes = try await bring(
          to: "<PostMaster>",
          "<POSTMASTER@test.INVALID>",
          "<postmaster@foreign.example>",
          "<postmaster@invalid>",
          "<postmaster@a.test.invalid>",
          at: listener
        )
        #expect(codes == ["250 2.1.5", "250 2.1.5", "550 5.7.1", "550 5.7.1", "550 5.7.1"])
      }
      #expect(try await service.messages(of: first).count == 2)
      #expect(try await service.messages(of: second).isEmpty)
      #expect(try await service.number("select count(*) from submission") == 0)
    }
  }

  @Test
  func
    `an account with the address goes before the one that was named, and that before the oldest`()
    async throws
  {
    try await TestService.with { service in
      let first = try await service.addLocalAccount("alice")
      let named = try await service.addLocalAccount("bob")
      for postmaster in ["BOB@test.invalid", "\(named)", "nobody@test.invalid"] {
        try await MailListenerFixture.with(service, postmaster: postmaster) { listener in
          let codes = try await bring(
            to: "<postmaster>",
            "<postmaster@test.invalid>",
            "<postmaster@foreign.example>",
            at: listener
          )
          #expect(codes == ["250 2.1.5", "250 2.1.5", "550 5.7.1"])
        }
      }
      #expect(try await service.messages(of: named).count == 4)
      #expect(try await service.messages(of: first).count == 2)
      let own = try await service.addLocalAccount("postmaster")
      try await MailListenerFixture.with(service, postmaster: "bob@test.invalid") { listener in
        let codes = try await bring(to: "<Postmaster@test.invalid>", at: listener)
        #expect(codes == ["250 2.1.5"])
      }
      try await MailListenerFixture.with(service) { listener in
        let codes = try await bring(to: "<Postmaster>", at: listener)
        #expect(codes == ["250 2.1.5"])
      }
      #expect(try await service.messages(of: own).count == 2)
    }
  }

  @Test func `where no mail is kept there is no postmaster`() async throws {
    try await TestService.with { service in
      try await MailListenerFixture.with(service) { listener in
        let codes = try await bring(to: "<Postmaster>", "<postmaster@test.invalid>", at: listener)
        #expect(codes == ["550 5.7.1", "550 5.7.1"])
      }
    }
  }

  @Test func `a sender without an outgoing server is told so from a network that may send`()
    async throws
  {
    try await TestService.with { service in
      _ = try await service.addLocalAccount("alice")
      try await MailListenerFixture.with(service, relayNetworks: ["127.0.0.0/8"]) { listener in
        let client = try await listener.client()
        try await client.say("MAIL FROM:<alice@test.invalid>")
        let reply = try await client.say("RCPT TO:<bob@foreign.example>")
        #expect(reply == "550 5.7.1 The account of the sender has no outgoing server")
        try await client.say("RSET")
        try await client.say("MAIL FROM:<mallory@foreign.example>")
        let other = try await client.say("RCPT TO:<bob@foreign.example>")
        #expect(other.hasPrefix("550 5.7.1 There is no such mailbox here"))
      }
    }
  }
}
