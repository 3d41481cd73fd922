import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("SMTP AUTH against Postfix with Dovecot's SASL", .serialized, .timeLimit(.minutes(6)))
struct SMTPMechanismTests {
  /// Logs in with `credentials` at a server that offers `mechanisms`, over TLS; the mechanism it used.
  private func mechanism(
    _ mechanisms: String,
    tls: TLSMode,
    _ credentials: @escaping @Sendable (DovecotServer) -> SASLCredentials
  ) async throws -> String? {
    var options = DovecotServer.Options()
    options.mechanisms = mechanisms
    let dovecot = try await DovecotServer.start(users: ["alice"], options: options)
    let postfix = try await PostfixServer.start(deliveringTo: dovecot)
    let fixture = try SMTPFixture(caFile: postfix.caFile)
    try await fixture.run {
      let client = try await fixture.connect(postfix.smtpPort, tls: tls)
      try await client.authenticate(credentials(dovecot))
      let envelope = SMTPEnvelope(sender: "alice@test.invalid", recipients: ["x@example.org"])
      let message = SMTPMessage(Array("Subject: x\r\n\r\nhi\r\n".utf8))
      _ = try await client.send(envelope, message: message)
      await client.quit()
    }
    let used = try await eventuallyFind("the log") {
      try postfix.log().split(separator: "sasl_method=").dropFirst().first.map {
        String($0.prefix { $0 != "," })
      }
    }
    await postfix.stop()
    await dovecot.stop()
    return used
  }

  private static let offers: [(String, TLSMode, String)] = [
    ("plain login scram-sha-256", .starttls, "PLAIN"),
    ("plain scram-sha-1 scram-sha-256", .none, "SCRAM-SHA-256"),
    ("login scram-sha-1", .starttls, "SCRAM-SHA-1"), ("cram-md5", .none, "CRAM-MD5"),
    ("login", .starttls, "LOGIN"),
  ]

  @Test(arguments: offers)
  func `a password goes by the best mechanism that is offered`(
    _ offered: String,
    _ tls: TLSMode,
    _ expected: String
  ) async throws {
    let used = try await mechanism(offered, tls: tls) {
      .password(username: "alice", password: $0.password)
    }
    #expect(used == expected)
  }

  @Test(arguments: [("plain xoauth2", "XOAUTH2"), ("xoauth2 oauthbearer", "OAUTHBEARER")])
  func `a token goes by OAuth`(_ offered: String, _ expected: String) async throws {
    let used = try await mechanism(offered, tls: .starttls) {
      .token(username: $0.address(of: "alice"), token: $0.accessToken(for: "alice"))
    }
    #expect(used == expected)
  }

  @Test func `a wrong password is refused by SCRAM, and the connection stays`() async throws {
    var options = DovecotServer.Options()
    options.mechanisms = "scram-sha-256 login"
    let dovecot = try await DovecotServer.start(users: ["alice"], options: options)
    let postfix = try await PostfixServer.start(deliveringTo: dovecot)
    let fixture = try SMTPFixture(caFile: postfix.caFile)
    try await fixture.run {
      let client = try await fixture.connect(postfix.smtpPort, tls: .starttls)
      let wrong = await SMTPErrorKind.of { () async throws(SMTPError) in
        try await client.authenticate(username: "alice", password: "hunter2")
      }
      #expect(wrong == .authenticationFailed(535))
      try await client.authenticate(username: "alice", password: dovecot.password)
      await client.quit()
    }
    await postfix.stop()
    await dovecot.stop()
  }
}
