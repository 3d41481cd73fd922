import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("Mail coming in", .serialized, .timeLimit(.minutes(5))) struct MailReceiverTests {
  private static let message = "From: <bob@foreign.example>\r\nSubject: Hello\r\n\r\nGrüße\r\n"

  @Test func `mail for an account comes into its inbox, with its trace before it`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount("alice")
      try await MailListenerFixture.with(service) { listener in
        let client = try await listener.client()
        let ends = try await client.bring(
          from: "bob@foreign.example",
          to: "ALICE@test.invalid",
          message: Self.message
        )
        #expect(ends[0].hasPrefix("250 2.0.0 Kept as msg_"))
        let rows = try await service.messages(of: account)
        #expect(rows.map(\.subjectText) == ["Hello"])
        let source = try await service.engine.openRaw(rows[0].id, of: account)
        let text = String(decoding: try await source.collect(upTo: 10_000).bytes, as: UTF8.self)
        #expect(
          text.hasPrefix("Return-Path: <bob@foreign.example>\r\nReceived: from client.example (")
        )
        #expect(text.contains("by mail.example with ESMTP\r\n\tfor <ALICE@test.invalid>;\r\n"))
        #expect(text.hasSuffix(Self.message))
      }
      #expect(try await service.wrongCounters(of: account) == [])
      #expect(try await service.feedIsWhole(of: account))
    }
  }

  private static let tricks = [
    "<user@foreign.example>", "<user%foreign.example@test.invalid>",
    "<user%foreign.example@[127.0.0.1]>", "<foreign.example!user>",
    "<foreign.example!user@test.invalid>", "<\"user@foreign.example\">",
    "<\"user@foreign.example\"@test.invalid>", "<\"user%foreign.example\"@test.invalid>",
    "<@test.invalid:user@foreign.example>", "<user@foreign.example@test.invalid>",
    "<alice@test.invalid@foreign.example>", "user@foreign.example", "<user@[192.0.2.1]>",
    "<alice@test.invalid,user@foreign.example>", "<\"alice@test.invalid user@foreign.example\"@x>",
    "<nobody@test.invalid>",
  ]

  @Test(arguments: tricks) func `a relay trick is refused`(recipient: String) async throws {
    try await TestService.with { service in
      _ = try await service.addLocalAccount("alice")
      try await MailListenerFixture.with(service) { listener in
        for sender in ["", "alice@test.invalid"] {
          let client = try await listener.client("EHLO test.invalid")
          let codes = try await client.codes(
            "MAIL FROM:<\(sender)>",
            "RCPT TO:\(recipient)",
            "DATA"
          )
          #expect(codes[1].hasPrefix("5"))
          #expect(codes[2].hasPrefix("554"))
        }
      }
      #expect(try await service.number("select count(*) from submission") == 0)
    }
  }

  @Test func `a source route to an account is ignored, and the message kept here`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount("alice")
      try await MailListenerFixture.with(service) { listener in
        let client = try await listener.client()
        let ends = try await client.bring(
          from: "",
          to: "@foreign.example:alice@test.invalid",
          message: Self.message
        )
        #expect(ends[0].hasPrefix("250"))
      }
      #expect(try await service.messages(of: account).count == 1)
    }
  }

  @Test func `AUTH needs TLS, a token with the scope, and an account that the token may see`()
    async throws
  {
    try await TestService.with { service in
      let alice = try await service.addLocalAccount("alice")
      let bob = try await service.addLocalAccount("bob")
      try await MailListenerFixture.with(service) { listener in
        let good = try await listener.token(["send"], accounts: [alice])
        let reader = try await listener.token(["read", "write"])
        let bare = try await listener.client()
        #expect(try await listener.signIn(bare, "alice@test.invalid", good).hasPrefix("538 5.7.11"))
        for (name, password) in [
          ("alice@test.invalid", "wrong"), ("alice@test.invalid", reader),
          ("bob@test.invalid", good), ("\(bob)", good), ("nobody@test.invalid", good),
        ] {
          let client = try await listener.secureClient()
          #expect(try await listener.signIn(client, name, password).hasPrefix("535 5.7.8"))
        }
        for name in ["Alice@test.invalid", "\(alice)"] {
          let client = try await listener.secureClient()
          #expect(try await listener.signIn(client, name, good).hasPrefix("235"))
          let codes = try await client.codes(
            "MAIL FROM:<bob@test.invalid>",
            "MAIL FROM:<>",
            "MAIL FROM:<alice@test.invalid>",
            "RCPT TO:<user@foreign.example>"
          )
          #expect(codes == ["553 5.7.1", "553 5.7.1", "250 2.1.0", "550 5.7.1"])
        }
      }
    }
  }

  @Test func `an application that signs in sends through the account's queue`() async throws {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let (sender, recipient) = (MailServers.user(), MailServers.user())
    let address = dovecot.address(of: sender)
    try await TestService.with { service in
      let account = try await service.addLocalAccount(sender, smtp: postfix)
      try await MailListenerFixture.with(service) { listener in
        let client = try await listener.secureClient()
        let token = try await listener.token(["send"])
        #expect(try await listener.signIn(client, address, token).hasPrefix("235"))
        let ends = try await client.bring(
          from: address,
          to: dovecot.address(of: recipient),
          address,
          message: "From: <\(address)>\r\nSubject: By SMTP\r\n\r\nx\r\n"
        )
        #expect(ends[0].hasPrefix("250 2.0.0"))
      }
      try await eventually("it arrives") { try await dovecot.messageCount(user: recipient) == 1 }
      #expect(try await service.messages(of: account).map(\.subjectText) == ["By SMTP"])
      let submissions = try await service.store.submissions(of: account, limit: 10)
      #expect(submissions.map(\.sender) == [address])
      #expect(submissions[0].recipients.map(\.address) == [dovecot.address(of: recipient)])
    }
  }

  @Test func `a named network sends as an account with an outgoing server, and as nobody else`()
    async throws
  {
    let postfix = try await MailServers.postfix
    try await TestService.with { service in
      let account = try await service.addLocalAccount("alice", smtp: postfix)
      _ = try await service.addLocalAccount("bob")
      try await MailListenerFixture.with(service, relayNetworks: ["127.0.0.0/8"]) { listener in
        for (sender, code) in [
          ("alice@test.invalid", "250"), ("bob@test.invalid", "550"), ("x@foreign.example", "550"),
          ("", "550"),
        ] {
          let client = try await listener.client()
          let codes = try await client.codes(
            "MAIL FROM:<\(sender)>",
            "RCPT TO:<carol@test.invalid>"
          )
          #expect(codes[1].hasPrefix(code), "\(sender)")
        }
      }
      try await MailListenerFixture.with(service, relayNetworks: ["10.0.0.0/8"]) { listener in
        let client = try await listener.client()
        let codes = try await client.codes(
          "MAIL FROM:<alice@test.invalid>",
          "RCPT TO:<carol@test.invalid>"
        )
        #expect(codes[1] == "550 5.7.1")
      }
      #expect(try await service.store.submissions(of: account, limit: 10).isEmpty)
    }
  }

  @Test func `a full mailbox is told to each recipient by LMTP, which relays nothing`() async throws
  {
    try await TestService.with { service in
      let full = try await service.addLocalAccount("full", quotaBytes: 700)
      let alice = try await service.addLocalAccount("alice")
      try await MailListenerFixture.with(service, .lmtp, relayNetworks: ["127.0.0.0/8"]) {
        listener in
        let client = try await listener.client("LHLO c")
        let large = "Subject: x\r\n\r\n" + String(repeating: "x", count: 800) + "\r\n"
        let ends = try await client.bring(
          from: "",
          to: "alice@test.invalid",
          "full@test.invalid",
          "nobody@test.invalid",
          isLMTP: true,
          message: large
        )
        #expect(ends.map { $0.prefix(9) } == ["250 2.0.0", "552 5.2.2"])
        let codes = try await client.codes(
          "MAIL FROM:<alice@test.invalid> SIZE=701",
          "RCPT TO:<full@test.invalid>",
          "RCPT TO:<user@foreign.example>"
        )
        #expect(codes == ["250 2.1.0", "552 5.2.2", "550 5.1.1"])
      }
      #expect(try await service.messages(of: alice).count == 1)
      #expect(try await service.messages(of: full).isEmpty)
    }
  }

  @Test func `UTF-8 addresses, chunks and a smuggled message`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount("jörg")
      try await MailListenerFixture.with(service) { listener in
        let client = try await listener.client()
        let ends = try await client.bring(
          from: "ü@foreign.example",
          to: "jörg@test.invalid",
          parameters: "SMTPUTF8 BODY=8BITMIME",
          message: "Subject: Grüße\r\n\r\nx\r\n"
        )
        #expect(ends[0].hasPrefix("250"))
        _ = try await client.codes("MAIL FROM:<> SMTPUTF8", "RCPT TO:<jörg@test.invalid>")
        try await client.send("BDAT 14\r\nSubject: Cut\r\nBDAT 6 LAST\r\n\r\nab\r\n")
        #expect(try await client.reply()?.hasPrefix("250") == true)
        #expect(try await client.reply()?.hasPrefix("250") == true)
        _ = try await client.codes("MAIL FROM:<> SMTPUTF8", "RCPT TO:<jörg@test.invalid>", "DATA")
        try await client.send(
          "Subject: One\r\n\r\nx\n.\nMAIL FROM:<>\r\nRCPT TO:<jörg@test.invalid>\r\nDATA\r\n"
            + "Subject: Two\r\n\r\n.\r\n"
        )
        #expect(try await client.reply()?.hasPrefix("521 5.5.2") == true)
        #expect(try await client.reply() == nil)
      }
      #expect(try await service.messages(of: account).map(\.subjectText) == ["Cut", "Grüße"])
    }
  }

  @Test func `a message that goes round is refused, and the lone postmaster is somebody`()
    async throws
  {
    try await TestService.with { service in
      let account = try await service.addLocalAccount("postmaster")
      try await MailListenerFixture.with(service) { listener in
        let client = try await listener.client()
        let hops = String(repeating: "Received: from a by b; x\r\n", count: 101)
        let round = try await client.bring(from: "", to: "Postmaster", message: hops + Self.message)
        #expect(round[0].hasPrefix("554 5.4.6"))
        let ends = try await client.bring(from: "", to: "Postmaster", message: Self.message)
        #expect(ends[0].hasPrefix("250"))
      }
      #expect(try await service.messages(of: account).count == 1)
    }
  }
}
