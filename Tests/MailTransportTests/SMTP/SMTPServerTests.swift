import Bytes
import MailProtocols
import MailTransport
import Net
import Synchronization
import TestSupport
import Testing

/// A handler that takes all that is for `example.org`, and keeps it.
private final class KeepingHandler: SMTPServerHandler {
  let messages = Mutex<[String]>([])

  func signIn(
    _ credentials: SMTPServerCredentials,
    _ client: SMTPServerClient
  ) async throws(SMTPServerReply) -> String {
    guard credentials.password == "secret" else {
      throw SMTPServerReply(535, EnhancedStatusCode(5, 7, 8), "No")
    }
    return credentials.username
  }

  func check(
    _ transaction: SMTPServerTransaction<String, String>
  ) async throws(SMTPServerReply) {}

  func find(
    _ mailbox: SMTPMailbox,
    for transaction: SMTPServerTransaction<String, String>
  ) async throws(SMTPServerReply) -> String {
    guard mailbox.domain == "example.org" || transaction.login != nil else {
      throw .relayingDenied
    }
    return mailbox.address
  }

  func take(
    _ message: [UInt8],
    _ transaction: SMTPServerTransaction<String, String>
  ) async -> [SMTPServerReply] {
    messages.withLock { $0.append(String(decoding: message, as: UTF8.self)) }
    return transaction.recipients.map { $0.hasPrefix("full") ? .localError : .ok }
  }
}

@Suite("SMTP server", .timeLimit(.minutes(6))) struct SMTPServerTests {
  /// Runs `body` with a listener on loopback.
  private static func withServer(
    _ kind: SMTPServerSession.Kind = .smtp,
    limits: SMTPServerLimits = SMTPServerLimits(),
    _ body:
      @escaping @Sendable (SMTPServer<KeepingHandler>, KeepingHandler) async throws -> Void
  ) async throws {
    let group = try EventLoopGroup(loopCount: 2)
    let certificates = try await TestCertificates.shared
    let tls = try TLSServerContext(
      certificateFile: certificates.certificateFile(),
      keyFile: certificates.keyFile()
    )
    var limits = limits
    limits.failureDelay = .zero
    let handler = KeepingHandler()
    let server = try await SMTPServer(
      listener: .ipv4(0x7F00_0001, port: 0),
      group: group,
      SMTPServerSettings(kind, hostName: "mail.example", tls: tls, limits: limits),
      handler: handler
    )
    let serving = Task { try await server.run() }
    let result = await Task(executorPreference: group.loops[0]) {
      try await body(server, handler)
    }.result
    await server.shutdown(deadline: .after(.seconds(5)))
    try await serving.value
    await group.shutdown()
    try result.get()
  }

  @Test func `a message comes by our own client, under TLS and signed in`() async throws {
    try await Self.withServer { server, handler in
      let fixture = try SMTPFixture(caFile: try await TestCertificates.shared.caFile)
      try await fixture.run {
        let port = try #require(server.localAddress.port)
        let client = try await fixture.connect(port, tls: .starttls, host: "localhost")
        #expect(client.isSecure)
        try await client.authenticate(
          username: "ada",
          password: "secret",
          deadline: .after(.seconds(30))
        )
        let envelope = SMTPEnvelope(sender: "ada@example.org", recipients: ["bob@foreign.example"])
        let message = SMTPMessage(Array("Subject: x\r\n\r\n.dot\r\n".utf8))
        let result = try await client.send(envelope, message: message) {}
        guard case .accepted = result.outcome else {
          Issue.record("\(result.outcome)")
          return
        }
        await client.quit()
      }
      #expect(handler.messages.withLock { $0 } == ["Subject: x\r\n\r\n.dot\r\n"])
    }
  }

  @Test func `commands sent ahead are answered in order (RFC 2920)`() async throws {
    try await Self.withServer { server, handler in
      let client = try await RawMailClient.greeted(server.localAddress)
      try await client.send(
        "MAIL FROM:<>\r\nRCPT TO:<a@foreign.example>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
      )
      var codes: [String] = []
      for _ in 0..<4 { codes.append(String((try await client.reply() ?? "").prefix(3))) }
      #expect(codes == ["250", "550", "250", "354"])
      try await client.send("x\r\n.\r\nQUIT\r\n")
      #expect(try await client.reply()?.hasPrefix("250") == true)
      #expect(try await client.reply()?.hasPrefix("221") == true)
      #expect(try await client.reply() == nil)
      #expect(handler.messages.withLock { $0 } == ["x\r\n"])
    }
  }

  @Test func `LMTP answers each recipient, SMTP tells what failed for all`() async throws {
    try await Self.withServer(.lmtp) { server, _ in
      let client = try await RawMailClient.greeted(server.localAddress, hello: "LHLO c")
      let ends = try await client.bring(
        from: "",
        to: "a@example.org",
        "full@example.org",
        isLMTP: true,
        message: "x\r\n"
      )
      #expect(ends.map { $0.prefix(3) } == ["250", "451"])
    }
    try await Self.withServer { server, _ in
      let client = try await RawMailClient.greeted(server.localAddress)
      let ends = try await client.bring(
        from: "",
        to: "a@example.org",
        "full@example.org",
        message: "x\r\n"
      )
      #expect(ends.map { $0.prefix(3) } == ["451"])
    }
  }

  @Test func `one address has so many connections and no more`() async throws {
    var limits = SMTPServerLimits()
    limits.connectionsPerAddress = 2
    try await Self.withServer(limits: limits) { server, _ in
      let first = try await RawMailClient.greeted(server.localAddress)
      let second = try await RawMailClient.greeted(server.localAddress)
      let third = try await RawMailClient(server.localAddress)
      #expect(try await third.reply()?.hasPrefix("421 4.7.0") == true)
      #expect(try await third.reply() == nil)
      first.close()
      try await eventually("room") {
        let next = try await RawMailClient(server.localAddress)
        defer { next.close() }
        return try await next.reply()?.hasPrefix("220") == true
      }
      #expect(try await second.say("NOOP").hasPrefix("250"))
    }
  }

  @Test func `who speaks before the greeting is turned away`() async throws {
    var limits = SMTPServerLimits()
    limits.greetDelay = .seconds(60)
    try await Self.withServer(limits: limits) { server, _ in
      let client = try await RawMailClient(server.localAddress)
      try await client.send("EHLO junk\r\n")
      #expect(try await client.reply()?.hasPrefix("554 5.5.1") == true)
      #expect(try await client.reply() == nil)
    }
  }

  @Test func `who says nothing is told so, and who waits is told that the service stops`()
    async throws
  {
    var limits = SMTPServerLimits()
    limits.commandTimeout = .milliseconds(50)
    try await Self.withServer(limits: limits) { server, _ in
      let client = try await RawMailClient.greeted(server.localAddress)
      #expect(try await client.reply()?.hasPrefix("421 4.4.2") == true)
    }
    try await Self.withServer { server, _ in
      let client = try await RawMailClient.greeted(server.localAddress)
      async let stopped: Void = server.shutdown(deadline: .after(.seconds(60)))
      #expect(try await client.reply()?.hasPrefix("421 4.3.2") == true)
      #expect(try await client.reply() == nil)
      await stopped
    }
  }

  @Test func `a message that finds no room is put off, and the room is given back`() async throws {
    var limits = SMTPServerLimits()
    limits.bytesUnderWay = 1000
    try await Self.withServer(limits: limits) { server, handler in
      let client = try await RawMailClient.greeted(server.localAddress)
      let large = String(repeating: "x", count: 2000) + "\r\n"
      let refused = try await client.bring(from: "", to: "a@example.org", message: large)
      #expect(refused.map { $0.prefix(9) } == ["452 4.3.1"])
      for _ in 0..<3 {
        let small = String(repeating: "x", count: 900) + "\r\n"
        #expect(
          try await client.bring(from: "", to: "a@example.org", message: small)[0].hasPrefix("250")
        )
      }
      #expect(handler.messages.withLock { $0.count } == 3)
    }
  }

  @Test func `chunks of an abandoned message do not begin the next`() async throws {
    try await Self.withServer { server, handler in
      let client = try await RawMailClient.greeted(server.localAddress)
      for again in ["RSET", "EHLO c"] {
        _ = try await client.codes("MAIL FROM:<>", "RCPT TO:<a@example.org>")
        try await client.send("BDAT 3\r\nabc")
        #expect(try await client.reply()?.hasPrefix("250") == true)
        #expect(try await client.say(again).hasPrefix("250"))
      }
      _ = try await client.codes("MAIL FROM:<>", "RCPT TO:<a@example.org>")
      try await client.send("BDAT 5 LAST\r\nabc\r\n")
      #expect(try await client.reply()?.hasPrefix("250") == true)
      #expect(handler.messages.withLock { $0 } == ["abc\r\n"])
    }
  }
}
