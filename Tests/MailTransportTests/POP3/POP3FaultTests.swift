import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("POP3 client against faulty servers") struct POP3FaultTests {
  private static let open: [ScriptedServer.Step] = [
    .send("+OK hi\r\n"), .expect("CAPA"), .send("+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n"),
    .expect("USER"), .send("+OK\r\n"), .expect("PASS"), .send("+OK\r\n"), .expect("CAPA"),
    .send("+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n"),
  ]

  /// The error of a session that lists, retrieves and deletes, against a server that follows `script`
  /// after the login.
  private func error(
    _ script: [ScriptedServer.Step],
    after start: [ScriptedServer.Step] = open,
    timeouts: POP3Timeouts = POP3Timeouts()
  ) async throws -> (error: POP3Error?, transcript: String) {
    let server = try ScriptedServer(start + script)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    let error = try await fixture.run {
      await pop3Error { () throws(POP3Error) in
        let client = try await fixture.connect(server.port, timeouts: timeouts)
        defer { client.close() }
        try await client.authenticate(username: "alice", password: "secret")
        let list = try await client.messages().messages
        _ = try await client.allBytes(list)
        _ = try await client.delete(list)
      }
    }
    return (error, server.transcripts.joined())
  }

  private static let listing: [ScriptedServer.Step] = [
    .expect("UIDL"), .send("+OK 2 9\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n"), .expect("RETR 2"),
  ]

  @Test func `a session goes through`() async throws {
    let (error, transcript) = try await error(
      Self.listing + [
        .send("+OK\r\nA\r\n.\r\n+OK\r\nB\r\n.\r\n"), .expect("DELE 2"), .send("+OK\r\n+OK\r\n"),
        .hang,
      ]
    )
    #expect(error == nil)
    #expect(transcript.contains("STAT\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nDELE 2\r\n"))
  }

  private static let endings: [([ScriptedServer.Step], POP3Error)] = [
    ([.close], .closed), ([.expect("UIDL"), .reset], .closed),
    ([.expect("UIDL"), .send("+OK 2 9\r\n+OK\r\n1 a\r\n"), .close], .closed),
    (listing + [.send("+OK\r\nA\r\n"), .close], .closed),
    (listing + [.send("+OK\r\nA\r\n."), .close], .closed),
    (
      listing + [.send("+OK\r\nA\r\n.\r\nwhat?\r\n"), .hang],
      .broken(reason: "neither +OK nor -ERR, but \"what?\"")
    ),
    (listing + [.send("+OK\r\nA\r\n.\r\n+OK\r\nB\r\n.\r\n"), .expect("DELE"), .close], .closed),
  ]

  @Test(arguments: endings)
  func `a connection that breaks says so, and half a message is none`(
    _ script: [ScriptedServer.Step],
    _ error: POP3Error
  ) async throws {
    #expect(try await self.error(script).error == error)
  }

  @Test(
    arguments: [
      (
        [.send("-ERR too many connections\r\n"), .hang],
        .turnedAway(.temporary, response: "too many connections")
      ),
      ([.send("-ERR\r\n"), .hang], .turnedAway(.temporary, response: "")),
      ([.send("-ERR [SYS/PERM] gone\r\n"), .hang], .turnedAway(.permanent, response: "gone")),
      ([.send("220 hi\r\n"), .hang], .broken(reason: "not a POP3 server: it says \"220 hi\"")),
      ([.close], .closed),
      ([.sendEndlessly("+OK and more ")], .limitExceeded(limit: "65536 bytes in a line")),
    ] as [([ScriptedServer.Step], POP3Error)]
  )
  func `a greeting that is none is told`(_ script: [ScriptedServer.Step], _ error: POP3Error)
    async throws
  {
    #expect(try await self.error([], after: script).error == error)
  }

  @Test func `a server that offers UIDL and refuses it does not make all mail new`() async throws {
    let (error, _) = try await error([.expect("UIDL"), .send("+OK 2 9\r\n-ERR busy\r\n"), .hang])
    #expect(error == .refused(command: "UIDL", POP3Reply(isPositive: false, text: "busy")))
  }

  @Test func `lostListingEnd: a listing may end in silence if it is whole`() async throws {
    var timeouts = POP3Timeouts()
    timeouts.lostEnd = .milliseconds(50)
    let whole = try await error(
      [
        .expect("UIDL"), .send("+OK 2 9\r\n+OK\r\n1 a\r\n2 b\r\n"), .expect("RETR 2"),
        .send("+OK\r\nA\r\n.\r\n+OK\r\nB\r\n.\r\n"), .expect("DELE 2"), .send("+OK\r\n+OK\r\n"),
        .hang,
      ],
      timeouts: timeouts
    )
    #expect(whole.error == nil)
    timeouts.silence = .milliseconds(200)
    let half = try await error(
      [.expect("UIDL"), .send("+OK 3 9\r\n+OK\r\n1 a\r\n2 b\r\n"), .hang],
      timeouts: timeouts
    )
    #expect(half.error == .timedOut)
  }

  @Test func `a whole listing that ends with the connection ends the operation too`() async throws {
    let poor: [ScriptedServer.Step] = Self.open.map { step in
      guard case .send(let text) = step else { return step }
      return .send(text.replacing("PIPELINING\r\n", with: ""))
    }
    let script: [ScriptedServer.Step] = [
      .expect("STAT"), .send("+OK 1 9\r\n"), .expect("UIDL"), .send("+OK\r\n1 a\r\n"), .close,
    ]
    let server = try ScriptedServer(poor + script)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      try await client.authenticate(username: "alice", password: "secret")
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await client.messages(withSizes: true) }
          == .closed
      )
    }
  }

  @Test func `a refused UIDL leaves the connection usable, with all else read`() async throws {
    let server = try ScriptedServer(
      Self.open + [
        .expect("LIST"), .send("+OK 1 9\r\n-ERR [SYS/TEMP] no\r\n+OK\r\n1 9\r\n.\r\n"),
        .expect("NOOP"), .send("+OK\r\n"), .hang,
      ]
    )
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      try await client.authenticate(username: "alice", password: "secret")
      let error = await pop3Error { () throws(POP3Error) in
        _ = try await client.messages(withSizes: true)
      }
      guard case .refused("UIDL", let reply)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(reply.refusal == .temporary)
      try await client.noop()
      client.close()
    }
  }

  @Test func `a server that never answers is given up`() async throws {
    var timeouts = POP3Timeouts()
    timeouts.silence = .milliseconds(100)
    #expect(try await error(Self.listing + [.hang], timeouts: timeouts).error == .timedOut)
    #expect(try await error([.hang], timeouts: timeouts).error == .timedOut)
    timeouts = POP3Timeouts()
    timeouts.login = .milliseconds(100)
    let start = Array(Self.open.prefix(3))
    #expect(try await error([.hang], after: start, timeouts: timeouts).error == .timedOut)
  }

  @Test func `STLS that is not taken is not done without`() async throws {
    let server = try ScriptedServer([
      .send("+OK hi\r\n"), .expect("STLS"), .send("-ERR what?\r\n"), .hang,
    ])
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      #expect(
        await pop3Error { () throws(POP3Error) in
          _ = try await fixture.connect(server.port, tls: .starttls)
        } == .unsupported("STLS")
      )
    }
    #expect(server.transcripts == ["STLS\r\n"])
  }

  @Test func `QUIT tells whether what was marked is gone`() async throws {
    for (script, farewell) in [
      ([.expect("QUIT"), .send("+OK bye\r\n")], POP3Farewell.done),
      (
        [.expect("QUIT"), .send("-ERR some deleted messages not removed\r\n")],
        .refused(POP3Reply(isPositive: false, text: "some deleted messages not removed"))
      ),
      ([.expect("QUIT"), .close], .unknown), ([.close], .unknown),
    ] as [([ScriptedServer.Step], POP3Farewell)] {
      let server = try ScriptedServer(Self.open + script)
      defer { server.stop() }
      let fixture = try POP3Fixture()
      try await fixture.run {
        let client = try await fixture.connect(server.port)
        try await client.authenticate(username: "alice", password: "secret")
        #expect(await client.quit() == farewell)
        #expect(await client.quit() == .unknown)
      }
    }
  }

  @Test func `a cancelled retrieval closes the connection`() async throws {
    let server = try ScriptedServer(Self.open + Self.listing + [.send("+OK\r\nA\r\n"), .hang])
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      try await client.authenticate(username: "alice", password: "secret")
      let work = Task(executorPreference: fixture.group.loops[0]) {
        await pop3Error { () throws(POP3Error) in
          _ = try await client.allBytes(try await client.messages().messages)
        }
      }
      try await eventually("RETR") { server.transcripts.joined().contains("RETR") }
      work.cancel()
      #expect(await work.value == .cancelled)
      #expect(!client.isUsable)
    }
  }

  @Test func `one operation runs at a time`() async throws {
    let server = try ScriptedServer(Self.open + [.expect("NOOP"), .hang])
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      try await client.authenticate(username: "alice", password: "secret")
      let work = Task(executorPreference: fixture.group.loops[0]) {
        await pop3Error { () throws(POP3Error) in try await client.noop() }
      }
      try await eventually("NOOP") { server.transcripts.joined().contains("NOOP") }
      #expect(await pop3Error { () throws(POP3Error) in try await client.noop() } == .busy)
      client.close()
      #expect(await work.value == .closed)
    }
  }
}
