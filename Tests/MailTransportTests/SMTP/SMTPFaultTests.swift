import MailProtocols
import MailTransport
import Net
import Synchronization
import TestSupport
import Testing

/// A server's part up to a point of the session.
private enum Script {
  static let open: [ScriptedServer.Step] = [
    .send("220 hi\r\n"), .expect("EHLO"),
    .send("250-mail\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250 AUTH PLAIN\r\n"),
  ]
  static let recipients: [ScriptedServer.Step] =
    open + [.expect("RCPT TO:<c"), .send("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n")]
  static let body: [ScriptedServer.Step] =
    recipients + [.expect("DATA"), .send("354 go\r\n")]
  /// The end of the message came.
  static let dot: [ScriptedServer.Step] = body + [.expect("last line"), .expect(".")]
}

@Suite("SMTP client against faulty servers")
struct SMTPFaultTests {
  private static let envelope = SMTPEnvelope(
    sender: "a@client.example",
    recipients: ["b@mail.example", "c@mail.example"]
  )
  private static let message = Array("Subject: x\r\n\r\nfirst line\r\nlast line\r\n".utf8)

  /// What became of one message sent to a server that follows `script`.
  private struct Attempt: Sendable {
    var result: SMTPResult?
    var error: SMTPErrorKind?
    var isUsable = false
    var dataCalls = 0
    var transcript = ""
  }

  private func attempt(
    _ script: [ScriptedServer.Step],
    limits: SMTPLimits = SMTPLimits()
  ) async throws -> Attempt {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    let fixture = try SMTPFixture()
    var attempt = try await fixture.run {
      var attempt = Attempt()
      do throws(SMTPError) {
        let client = try await fixture.connect(server.port, limits: limits)
        defer { client.close() }
        defer { attempt.isUsable = client.isUsable }
        let calls = Mutex(0)
        defer { attempt.dataCalls = calls.withLock(\.self) }
        attempt.result = try await client.send(Self.envelope, message: SMTPMessage(Self.message)) {
          calls.withLock { $0 += 1 }
        }
      } catch {
        attempt.error = SMTPErrorKind(error)
      }
      return attempt
    }
    attempt.transcript = server.transcripts.joined()
    return attempt
  }

  @Test func `a message goes out and each recipient has a result`() async throws {
    let done = try await attempt(Script.dot + [.send("250 2.0.0 queued\r\n"), .hang])
    #expect(done.result?.recipients.map(\.isAccepted) == [true, false])
    guard case .accepted(let reply)? = done.result?.outcome else {
      Issue.record("\(done)")
      return
    }
    #expect(reply.enhancedStatus == EnhancedStatusCode(2, 0, 0))
    #expect(done.isUsable && done.dataCalls == 1)
    #expect(
      done.transcript == """
        EHLO client.example\r
        MAIL FROM:<a@client.example> SIZE=37\r
        RCPT TO:<b@mail.example>\r
        RCPT TO:<c@mail.example>\r
        DATA\r
        Subject: x\r
        \r
        first line\r
        last line\r
        .\r

        """
    )
  }

  @Test(arguments: ["450 4.2.0 later\r\n", "554 5.7.1 spam\r\n"])
  func `a message refused at its end reached nobody`(_ answer: String) async throws {
    let done = try await attempt(Script.dot + [.send(answer), .hang])
    guard case .refused(let reply)? = done.result?.outcome else {
      Issue.record("\(done)")
      return
    }
    #expect(reply.isTransient == answer.hasPrefix("4"))
    #expect(done.isUsable && done.dataCalls == 1)
  }

  @Test(
    arguments: [[], [.reset], [.send("25")], [.send("what?\r\n"), .hang]] as [[ScriptedServer.Step]]
  )
  func `an answer lost after the final dot leaves the outcome unknown`(
    _ end: [ScriptedServer.Step]
  ) async throws {
    let done = try await attempt(Script.dot + end)
    guard case .unknown? = done.result?.outcome else {
      Issue.record("\(done)")
      return
    }
    #expect(done.result?.recipients.map(\.isAccepted) == [true, false])
    #expect(!done.isUsable && done.dataCalls == 1)
  }

  @Test func `an answer that never comes leaves the outcome unknown`() async throws {
    var limits = SMTPLimits()
    limits.finalTimeout = .milliseconds(100)
    let done = try await attempt(Script.dot + [.hang], limits: limits)
    guard case .unknown? = done.result?.outcome else {
      Issue.record("\(done)")
      return
    }
  }

  private static let endings: [([ScriptedServer.Step], SMTPErrorKind, Int)] = [
    ([.close], .closed, 0),
    ([.send("22")], .closed, 0),
    ([.send("* OK IMAP4rev1\r\n"), .hang], .broken, 0),
    ([.send("554 5.7.1 not you\r\n"), .hang], .refused(554, .greeting), 0),
    ([.send("220 hi\r\n"), .expect("EHLO"), .close], .closed, 0),
    ([.send("220 hi\r\n"), .expect("EHLO"), .send("421 busy\r\n")], .refused(421, .hello), 0),
    (Script.open + [.expect("RCPT TO:<c"), .close], .closed, 0),
    (Script.open + [.expect("RCPT TO:<c"), .reset], .closed, 0),
    (
      Script.open + [.expect("RCPT TO:<c"), .send("250 ok\r\n421 bye\r\n")],
      .refused(421, .recipient), 0
    ),
    (Script.open + [.expect("RCPT TO:<c"), .send("250 ok\r\n250-"), .close], .closed, 0),
    (Script.open + [.expect("RCPT TO:<c"), .send("354 go\r\n"), .hang], .broken, 0),
    (Script.recipients + [.expect("DATA"), .close], .closed, 1),
    (Script.recipients + [.expect("DATA"), .send("250 ok\r\n"), .hang], .broken, 1),
  ]

  @Test(arguments: endings)
  func `a connection that ends before the final dot delivered nothing`(
    _ script: [ScriptedServer.Step],
    _ error: SMTPErrorKind,
    _ dataCalls: Int
  ) async throws {
    let done = try await attempt(script)
    #expect(done.error == error)
    #expect(!done.isUsable && done.result == nil)
    #expect(done.dataCalls == dataCalls)
  }

  @Test(
    arguments: [
      ([.send("451 later\r\n503 no\r\n503 no\r\n"), .hang], 451),
      ([.send("550 5.7.1 not you\r\n503 no\r\n503 no\r\n"), .hang], 550),
    ] as [([ScriptedServer.Step], Int)]
  )
  func `a refused sender leaves the connection usable`(
    _ end: [ScriptedServer.Step],
    _ code: Int
  ) async throws {
    let done = try await attempt(Script.open + [.expect("RCPT TO:<c")] + end)
    #expect(done.error == .refused(code, .mail))
    #expect(done.isUsable && done.dataCalls == 0)
  }

  @Test func `a message that every recipient refused is not sent`() async throws {
    let done = try await attempt(
      Script.open + [
        .expect("RCPT TO:<c"), .send("250 ok\r\n550 no\r\n450 later\r\n"), .expect("RSET"),
        .send("250 ok\r\n"), .hang,
      ]
    )
    #expect(done.result?.outcome == .noRecipients)
    #expect(done.result?.recipients.map(\.reply.code) == [550, 450])
    #expect(done.isUsable && done.dataCalls == 0)
  }

  @Test func `a refused DATA is a refused message`() async throws {
    let done = try await attempt(
      Script.recipients + [
        .expect("DATA"), .send("451 4.3.0 disk\r\n"), .expect("RSET"), .send("250 ok\r\n"), .hang,
      ]
    )
    guard case .refused(let reply)? = done.result?.outcome else {
      Issue.record("\(done)")
      return
    }
    #expect(reply.code == 451)
    #expect(done.isUsable && done.dataCalls == 1)
  }

  private static let silences: [([ScriptedServer.Step], SMTPStage)] = [
    ([.hang], .greeting), ([.send("220 hi\r\n"), .hang], .hello),
    (Script.open + [.hang], .mail), (Script.recipients + [.hang], .data),
  ]

  @Test(arguments: silences)
  func `a server that never answers is given up`(
    _ script: [ScriptedServer.Step],
    _ stage: SMTPStage
  ) async throws {
    var limits = SMTPLimits()
    limits.greetingTimeout = .milliseconds(100)
    limits.mailTimeout = .milliseconds(100)
    limits.dataTimeout = .milliseconds(100)
    let done = try await attempt(script, limits: limits)
    #expect(done.error == .timedOut(stage))
    #expect(!done.isUsable)
  }

  @Test func `a server that floods us with a reply is cut off`() async throws {
    let done = try await attempt([.sendEndlessly("220-and more\r\n")])
    #expect(done.error == .broken)
  }

  @Test func `nothing is sent of what must not be`() async throws {
    let server = try ScriptedServer(Script.open + [.hang])
    defer { server.stop() }
    let fixture = try SMTPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      let good = SMTPMessage(Self.message)
      let smuggled = SMTPEnvelope(sender: "a@x>\r\nRCPT TO:<evil@x", recipients: ["b@x"])
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await client.send(smuggled, message: good)
        } == .invalid(.sender(.forbiddenCharacter))
      )
      let unicode = SMTPEnvelope(sender: "a@x", recipients: ["b\u{FC}@x"])
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await client.send(unicode, message: good)
        } == .unsupported(.smtpUTF8)
      )
      let large = SMTPMessage([UInt8](repeating: 0x61, count: 1_000_001))
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await client.send(Self.envelope, message: large)
        } == .unsupported(.messageSize(limit: 1_000_000))
      )
      #expect(client.isUsable)
      client.close()
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await client.send(Self.envelope, message: good)
        } == .closed
      )
    }
    #expect(server.transcripts == ["EHLO client.example\r\n"])
  }

  @Test func `what the caller throws before DATA undoes the transaction`() async throws {
    struct Stop: Error {}
    let server = try ScriptedServer(
      Script.recipients + [.expect("RSET"), .send("250 ok\r\n"), .hang]
    )
    defer { server.stop() }
    let fixture = try SMTPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      let error = await SMTPErrorKind.of { () async throws(SMTPError) in
        _ = try await client.send(Self.envelope, message: SMTPMessage(Self.message)) {
          throw Stop()
        }
      }
      #expect(error == .abandoned)
      #expect(client.isUsable)
      client.close()
    }
    #expect(!server.transcripts.joined().contains("DATA"))
  }

  @Test func `a source that fails in the middle ends the connection without the dot`() async throws
  {
    struct Stop: Error {}
    let server = try ScriptedServer(Script.body + [.hang])
    defer { server.stop() }
    let fixture = try SMTPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      let chunks = Mutex(2)
      let traits = SMTPMessageTraits(size: 100, hasEightBitBytes: false)
      let message = SMTPMessage(traits: traits) {
        let left = chunks.withLock { chunks in
          chunks -= 1
          return chunks
        }
        guard left >= 0 else { throw Stop() }
        return Array("line \(left)\r\n".utf8)
      }
      let error = await SMTPErrorKind.of { () async throws(SMTPError) in
        _ = try await client.send(Self.envelope, message: message)
      }
      #expect(error == .abandoned)
      #expect(!client.isUsable)
    }
    #expect(!server.transcripts.joined().contains("\r\n.\r\n"))
  }

  @Test func `a server that answers in the middle of a message and closes is heard`() async throws {
    // It stops reading, so that the message cannot all be in flight before the answer is there.
    let server = try ScriptedServer(Script.body + [.send("552 5.3.4 too much\r\n"), .close])
    defer { server.stop() }
    let fixture = try SMTPFixture()
    let result = try await fixture.run {
      let client = try await fixture.connect(server.port)
      let traits = SMTPMessageTraits(size: 500_000, hasEightBitBytes: false)
      let line = Array((String(repeating: "x", count: 76) + "\r\n").utf8)
      let chunks = Mutex(100_000)
      let message = SMTPMessage(traits: traits) {
        let left = chunks.withLock { chunks in
          chunks -= 1
          return chunks
        }
        return left > 0 ? line : nil
      }
      do throws(SMTPError) {
        return String(describing: try await client.send(Self.envelope, message: message).outcome)
      } catch {
        return String(describing: error)
      }
    }
    // The reset that follows may overtake the words; either way nothing was delivered.
    #expect(result.contains("552") || result == "closed" || result.contains("network"))
  }

  @Test func `a wrong password is told from a mechanism that is unfit`() async throws {
    let both = Array(Script.open.dropLast()) + [.send("250-mail\r\n250 AUTH LOGIN PLAIN\r\n")]
    let server = try ScriptedServer(scripts: [
      both + [.expect("AUTH PLAIN"), .send("535 5.7.8 no\r\n"), .hang],
      both + [
        .expect("AUTH PLAIN"), .send("534 5.7.9 too weak\r\n"), .expect("AUTH LOGIN"),
        .send("334 VXNlcm5hbWU6\r\n"), .expect("YWxpY2U="), .send("334 UGFzc3dvcmQ6\r\n"),
        .expect("c2VjcmV0"), .send("235 ok\r\n"), .hang,
      ],
      [.send("220 hi\r\n"), .expect("EHLO"), .send("250-mail\r\n250 AUTH GSSAPI\r\n"), .hang],
    ])
    defer { server.stop() }
    let fixture = try SMTPFixture()
    try await fixture.run {
      let kinds: [SMTPErrorKind?] = [
        .authenticationFailed(535), nil, .unsupported(.authentication(offered: ["GSSAPI"])),
      ]
      for kind in kinds {
        let client = try await fixture.connect(server.port)
        #expect(
          await SMTPErrorKind.of { () async throws(SMTPError) in
            try await client.authenticate(username: "alice", password: "secret")
          } == kind
        )
        #expect(client.isUsable)
        client.close()
      }
    }
  }

  @Test func `STARTTLS that is not offered is not done without`() async throws {
    let server = try ScriptedServer(Script.open + [.hang])
    defer { server.stop() }
    let fixture = try SMTPFixture()
    try await fixture.run {
      #expect(
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await fixture.connect(server.port, tls: .starttls)
        } == .unsupported(.startTLS)
      )
    }
    #expect(server.transcripts == ["EHLO client.example\r\n"])
  }

  @Test func `a cancelled sending closes the connection`() async throws {
    let server = try ScriptedServer(Script.recipients + [.hang])
    defer { server.stop() }
    let fixture = try SMTPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      let loop = fixture.group.loops[0]
      let sending = Task(executorPreference: loop) {
        await SMTPErrorKind.of { () async throws(SMTPError) in
          _ = try await client.send(Self.envelope, message: SMTPMessage(Self.message))
        }
      }
      try await eventually("DATA") { server.transcripts.joined().contains("DATA") }
      sending.cancel()
      #expect(await sending.value == .network)
      #expect(!client.isUsable)
    }
  }
}
