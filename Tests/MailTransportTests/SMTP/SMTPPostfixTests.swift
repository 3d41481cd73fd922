import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("SMTP client against Postfix", .serialized)
struct SMTPPostfixTests {
  private static let shared = Task {
    let dovecot = try await DovecotServer.start(users: [
      "alice", "starttls", "implicit", "two", "many", "large",
    ])
    var options = PostfixServer.Options()
    options.requiresTLS = true
    options.messageSizeLimit = 5_000_000
    let postfix = try await PostfixServer.start(deliveringTo: dovecot, options: options)
    return (dovecot, postfix)
  }

  private let dovecot: DovecotServer
  private let postfix: PostfixServer
  private let fixture: SMTPFixture

  init() async throws {
    (dovecot, postfix) = try await Self.shared.value
    fixture = try SMTPFixture(caFile: postfix.caFile)
  }

  private func address(_ user: String) -> String { "\(user)@\(DovecotServer.domain)" }

  @Test(arguments: [TLSMode.starttls, .implicit])
  func `a message arrives byte for byte, by STARTTLS and by implicit TLS`(
    _ tls: TLSMode
  ) async throws {
    let user = tls.rawValue
    let port = tls == .implicit ? postfix.smtpsPort : postfix.smtpPort
    let body = ".\n..\n.dot first\nGr\u{FC}\u{DF}e \u{65E5}\u{672C}\n\n \n.\nlast\n"
    let header = "From: alice@test.invalid\nSubject: dots\nMessage-ID: <1@client.example>\n"
    let message = Array((header + "\n" + body).utf8)
    let result = try await fixture.run { [fixture] in
      let client = try await fixture.connect(port, tls: tls)
      #expect(client.isSecure)
      #expect(client.capabilities.offers(.pipelining) && client.capabilities.offers(.eightBitMIME))
      #expect(client.capabilities.sizeLimit == 5_000_000)
      try await client.authenticate(username: "alice", password: "secret")
      let envelope = SMTPEnvelope(sender: address("alice"), recipients: [address(user)])
      let result = try await client.send(envelope, message: SMTPMessage(message))
      await client.quit()
      #expect(!client.isUsable)
      return result
    }
    guard case .accepted = result.outcome else {
      Issue.record("\(result)")
      return
    }
    let arrived = try await eventuallyFind("the message") {
      try await dovecot.messages(user: user).first
    }
    let text = String(decoding: arrived.utf8.filter { $0 != 0x0D }, as: UTF8.self)
    #expect(text.contains(header.split(separator: "\n")[1]))
    #expect(text.hasSuffix("\n\n" + body) || text.hasSuffix("\n\n" + body + "\n"))
  }

  @Test func `one recipient is refused, the other gets the message`() async throws {
    let user = "two"
    let result = try await fixture.run { [fixture] in
      let client = try await fixture.connect(postfix.mxPort)
      let envelope = SMTPEnvelope(
        sender: "someone@elsewhere.example",
        recipients: ["relay@elsewhere.example", address(user)]
      )
      let result = try await client.send(
        envelope,
        message: SMTPMessage(Array("Subject: two\r\n\r\nhi\r\n".utf8))
      )
      #expect(client.isUsable)
      await client.quit()
      return result
    }
    #expect(result.recipients.map(\.isAccepted) == [false, true])
    #expect(result.recipients[0].reply.enhancedStatus == EnhancedStatusCode(5, 7, 1))
    try await eventually("the message") { try await dovecot.messageCount(user: user) == 1 }
  }

  @Test func `many recipients and many messages go over one connection`() async throws {
    let user = "many"
    var limits = SMTPLimits()
    limits.pipelinedCommands = 7
    let results = try await fixture.run { [fixture, limits] in
      let client = try await fixture.connect(postfix.mxPort, limits: limits)
      var results: [SMTPResult] = []
      for number in 0..<3 {
        let recipients = (0..<30).map { _ in address(user) } + ["x@elsewhere.example"]
        let envelope = SMTPEnvelope(sender: "", recipients: recipients)
        results.append(
          try await client.send(
            envelope,
            message: SMTPMessage(Array("Subject: \(number)\r\n\r\nhi\r\n".utf8))
          )
        )
      }
      await client.quit()
      return results
    }
    #expect(results.allSatisfy { $0.recipients.count == 31 && !$0.recipients[30].isAccepted })
    #expect(results.allSatisfy { $0.recipients.prefix(30).allSatisfy(\.isAccepted) })
    try await eventually("three messages") { try await dovecot.messageCount(user: user) >= 3 }
  }

  @Test func `a wrong password is refused and the next one may be tried`() async throws {
    try await fixture.run { [fixture] in
      let client = try await fixture.connect(postfix.smtpPort, tls: .starttls)
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          try await client.authenticate(username: "alice", password: "wrong")
        } == .authenticationFailed(535)
      )
      try await client.authenticate(username: "alice", password: "secret")
      await client.quit()
    }
  }

  @Test func `a password is not asked for in the clear`() async throws {
    try await fixture.run { [fixture] in
      let client = try await fixture.connect(postfix.smtpPort)
      #expect(!client.isSecure)
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          try await client.authenticate(username: "alice", password: "secret")
        } == .unsupported(.authentication(offered: []))
      )
      client.close()
    }
  }

  @Test func `a large message is sent in pieces, one too large is not sent`() async throws {
    let user = "large"
    let line = String(repeating: "x", count: 76) + "\r\n"
    let large = Array(("Subject: large\r\n\r\n" + String(repeating: line, count: 40_000)).utf8)
    let tooLarge = large + large
    try await fixture.run { [fixture] in
      let client = try await fixture.connect(postfix.mxPort)
      let envelope = SMTPEnvelope(sender: "", recipients: [address(user)])
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await client.send(envelope, message: SMTPMessage(tooLarge))
        } == .unsupported(.messageSize(limit: 5_000_000))
      )
      let result = try await client.send(envelope, message: SMTPMessage(large))
      guard case .accepted = result.outcome else {
        Issue.record("\(result)")
        return
      }
      await client.quit()
    }
    try await eventually("the message") { try await dovecot.messageCount(user: user) == 1 }
  }

  @Test func `an address in UTF-8 is taken by a server that knows them`() async throws {
    try await fixture.run { [fixture] in
      let client = try await fixture.connect(postfix.smtpPort, tls: .starttls)
      try await client.authenticate(username: "alice", password: "secret")
      let envelope = SMTPEnvelope(
        sender: address("alice"),
        recipients: ["gr\u{FC}n@b\u{FC}cher.example"]
      )
      let message = Array("Subject: Gr\u{FC}n\r\n\r\nhi\r\n".utf8)
      let result = try await client.send(envelope, message: SMTPMessage(message))
      #expect(result.recipients.map(\.isAccepted) == [true])
      await client.quit()
    }
  }

  @Test func `a certificate of an unknown authority is not accepted`() async throws {
    let stranger = try SMTPFixture()
    try await stranger.run {
      for (port, tls) in [(postfix.smtpPort, TLSMode.starttls), (postfix.smtpsPort, .implicit)] {
        #expect(
          await SMTPErrorKind.of { () async throws(SMTPError) in
            _ = try await stranger.connect(port, tls: tls)
          } == .network
        )
      }
    }
  }
}
