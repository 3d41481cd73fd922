import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("IMAP client against a faulty server")
struct IMAPFaultTests {
  private static let greeting = ScriptedServer.Step.send(
    "* PREAUTH [CAPABILITY IMAP4rev1 IDLE] ready\r\n"
  )

  private var impatient: IMAPTimeouts {
    var timeouts = IMAPTimeouts()
    timeouts.command = .milliseconds(200)
    timeouts.silence = .milliseconds(200)
    return timeouts
  }

  /// What `body` throws with a client of a server that follows `script` after its greeting.
  private func error(
    _ script: [ScriptedServer.Step],
    timeouts: IMAPTimeouts = IMAPTimeouts(),
    limits: IMAPLimits = IMAPLimits(),
    _ body: @escaping @Sendable (IMAPClient) async throws(IMAPError) -> Void
  ) async throws -> IMAPError? {
    let server = try ScriptedServer([Self.greeting] + script)
    let fixture = try IMAPFixture()
    return try await fixture.run {
      let client = try await fixture.connect(server.port, limits: limits, timeouts: timeouts)
      let error = await imapError { () throws(IMAPError) in try await body(client) }
      if error?.hasBrokenConnection == true { #expect(!client.isUsable) }
      return error
    }
  }

  /// What connecting throws to a server that follows `script`.
  private func connectError(
    _ script: [ScriptedServer.Step],
    tls: TLSMode = .none,
    within: Duration = .seconds(30)
  ) async throws -> IMAPError? {
    let server = try ScriptedServer(script)
    let fixture = try IMAPFixture()
    return try await fixture.run {
      await imapError { () throws(IMAPError) in
        _ = try await fixture.connect(server.port, tls: tls, deadline: .after(within))
      }
    }
  }

  @Test func `a closed port and a silent server are network errors`() async throws {
    let server = try ScriptedServer([.hang])
    let port = server.port
    server.stop()
    let fixture = try IMAPFixture()
    let closed = try await fixture.run {
      await imapError { () throws(IMAPError) in _ = try await fixture.connect(port) }
    }
    guard case .network(.connectFailed)? = closed else {
      Issue.record("\(String(describing: closed))")
      return
    }
    #expect(try await connectError([.hang], within: .milliseconds(200)) == .timedOut)
  }

  @Test func `greetings that end it say why`() async throws {
    #expect(
      try await connectError([.send("* BYE Too many connections.\r\n"), .hang])
        == .turnedAway(.tooMany, response: "Too many connections.")
    )
    #expect(
      try await connectError([.send("* BYE [UNAVAILABLE] Later.\r\n"), .hang])
        == .turnedAway(.later, response: "Later.")
    )
    #expect(
      try await connectError([.send("* BYE Good night\r\n"), .hang]) == .bye(response: "Good night")
    )
    #expect(
      try await connectError([.send("220 mail ESMTP\r\n"), .hang])
        == .broken(reason: "not an IMAP server: it says \"220 mail ESMTP\"")
    )
    #expect(try await connectError([.close]) == .closed)
  }

  @Test func `STARTTLS is not done without, whatever the server says`() async throws {
    let preauth = try await connectError([Self.greeting, .hang], tls: .starttls)
    guard case .broken? = preauth else {
      Issue.record("\(String(describing: preauth))")
      return
    }
    let refused = try await connectError(
      [.send("* OK hi\r\n"), .expect("STARTTLS"), .send("{tag} BAD what\r\n"), .hang],
      tls: .starttls
    )
    #expect(refused == .unsupported("STARTTLS"))
  }

  @Test func `a server without a way to log in is told apart`() async throws {
    let server = try ScriptedServer([
      .send("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n"), .hang,
    ])
    let fixture = try IMAPFixture()
    let error = try await fixture.run {
      let client = try await fixture.connect(server.port)
      return await imapError { () throws(IMAPError) in
        try await client.authenticate(username: "a", password: "b")
      }
    }
    #expect(error == .loginDisabled)
    #expect(!server.transcripts.joined().contains("LOGIN"))
  }

  @Test func `a refusal that repeats the password is shown without it`() async throws {
    let server = try ScriptedServer([
      .send("* OK [CAPABILITY IMAP4rev1] hi\r\n"), .expect("LOGIN"),
      .send("{tag} NO LOGIN \"a\" \"hunter2\" is wrong\r\n"), .hang,
    ])
    let fixture = try IMAPFixture()
    let error = try await fixture.run {
      let client = try await fixture.connect(server.port)
      return await imapError { () throws(IMAPError) in
        try await client.authenticate(username: "a", password: "hunter2")
      }
    }
    #expect(
      error == .authenticationFailed(response: "LOGIN \"a\" \"•••\" is wrong", code: nil)
    )
  }

  @Test func `a refusal that repeats it in base64 is shown without it`() async throws {
    let server = try ScriptedServer([
      .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LOGINDISABLED] hi\r\n"),
      .expect("AUTHENTICATE PLAIN AGEAaHVudGVyMg=="),
      .send("{tag} NO bad AGEAaHVudGVyMg== here\r\n"), .hang,
    ])
    let fixture = try IMAPFixture()
    let error = try await fixture.run {
      let client = try await fixture.connect(server.port)
      return await imapError { () throws(IMAPError) in
        try await client.authenticate(username: "a", password: "hunter2")
      }
    }
    #expect(error == .authenticationFailed(response: "bad ••• here", code: nil))
  }

  @Test func `BYE, an end and a reset in a command break the connection`() async throws {
    let bye = try await error([.expect("NOOP"), .send("* BYE reboot\r\n"), .hang]) {
      client throws(IMAPError) in try await client.noop()
    }
    #expect(bye == .bye(response: "reboot"))
    let closed = try await error([.expect("NOOP"), .close]) { client throws(IMAPError) in
      try await client.noop()
    }
    #expect(closed == .closed)
    let reset = try await error([.expect("NOOP"), .reset]) { client throws(IMAPError) in
      try await client.noop()
    }
    #expect(reset?.hasBrokenConnection == true)
  }

  @Test func `garbage and an endless line break the connection`() async throws {
    let garbage = try await error([.expect("NOOP"), .send("HTTP/1.1 400 Bad\r\n"), .hang]) {
      client throws(IMAPError) in try await client.noop()
    }
    guard case .broken? = garbage else {
      Issue.record("\(String(describing: garbage))")
      return
    }
    var limits = IMAPLimits()
    limits.response = 100_000
    let endless = try await error(
      [.expect("NOOP"), .send("* "), .sendEndlessly("xxxxxxxxxxxxxxxx")],
      limits: limits
    ) { client throws(IMAPError) in try await client.noop() }
    #expect(endless == .limitExceeded(limit: "a response of 100000 bytes"))
  }

  @Test func `silence in a command and in a literal is timed out`() async throws {
    let silent = try await error([.hang], timeouts: impatient) { client throws(IMAPError) in
      try await client.noop()
    }
    #expect(silent == .timedOut)
    let half = try await error(
      [.expect("FETCH"), .send("* 1 FETCH (UID 1 BODY[] {100}\r\nonly this"), .hang],
      timeouts: impatient
    ) { client throws(IMAPError) in
      _ = try await client.fetchBytes(1, .message, upTo: 1000)
    }
    #expect(half == .timedOut)
  }

  @Test(arguments: [100, 1_000_000]) func `a literal that is cut is no body`(
    count: Int
  ) async throws {
    let cut = try await error([
      .expect("FETCH"), .send("* 1 FETCH (UID 1 BODY[] {\(count)}\r\nonly this"), .close,
    ]) { client throws(IMAPError) in
      let fetch = client.fetchBody(1, .message)
      while try await fetch.next() != nil {}
    }
    #expect(cut == .closed)
  }

  @Test func `a section of another message is not taken for ours`() async throws {
    var limits = IMAPLimits()
    limits.literalInMemory = 4
    let wrong = try await error(
      [
        .expect("FETCH"),
        .send("* 2 FETCH (UID 2 BODY[] {10}\r\n0123456789)\r\n{tag} OK done\r\n"), .hang,
      ],
      limits: limits
    ) { client throws(IMAPError) in
      let fetch = client.fetchBody(1, .message)
      while try await fetch.next() != nil {}
    }
    #expect(wrong == .broken(reason: "the server sent a section of another message"))
  }

  @Test func `changes told in between are events, not answers`() async throws {
    let none = try await error([
      .expect("FETCH"),
      .send(
        "* 9 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 3 EXISTS\r\n"
          + "* 1 FETCH (UID 1 BODY[HEADER] \"x\")\r\n{tag} OK done\r\n"
      ), .hang,
    ]) { client throws(IMAPError) in
      let fetch = client.fetch(UIDSet(1), .section(.header))
      #expect(try await fetch.next()?.map { $0.section("HEADER") } == [[0x78]])
      #expect(try await fetch.next() == nil)
      #expect(client.takeEvents().count == 3)
    }
    #expect(none == nil)
  }

  @Test func `a task that is cancelled closes the connection`() async throws {
    let server = try ScriptedServer([Self.greeting, .expect("NOOP"), .hang])
    let fixture = try IMAPFixture()
    let (error, isUsable) = try await fixture.run {
      let client = try await fixture.connect(server.port)
      let task = Task(executorPreference: fixture.group.loops[0]) {
        await imapError { () throws(IMAPError) in try await client.noop() }
      }
      try await eventually("the command is sent") {
        server.transcripts.joined().contains("NOOP")
      }
      task.cancel()
      return (await task.value, client.isUsable)
    }
    #expect(error == .cancelled)
    #expect(!isUsable)
  }

  @Test(arguments: ["LITERAL+", "IDLE"])
  func `a message to append is sent with leave or without`(capability: String) async throws {
    let isImmediate = capability == "LITERAL+"
    let take: [ScriptedServer.Step] = isImmediate ? [] : [.send("+ go\r\n")]
    let server = try ScriptedServer(
      [.send("* PREAUTH [CAPABILITY \(capability)] hi\r\n"), .expect("APPEND")] + take
        + [.expect("0123456789"), .send("A1 OK [APPENDUID 7 8] done\r\n"), .hang]
    )
    let fixture = try IMAPFixture()
    let appended = try await fixture.run {
      let client = try await fixture.connect(server.port)
      return try await client.append(Array("0123456789".utf8), to: .inbox)
    }
    #expect(appended == AppendUID(uidValidity: 7, uid: 8))
    #expect(
      server.transcripts == ["A1 APPEND \"INBOX\" {10\(isImmediate ? "+" : "")}\r\n0123456789\r\n"]
    )
  }

  @Test func `a source that fails in mid-append closes the connection`() async throws {
    struct Failure: Error {}
    let server = try ScriptedServer([
      Self.greeting, .expect("APPEND"), .send("+ go\r\n"), .hang,
    ])
    let fixture = try IMAPFixture()
    let isUsable = try await fixture.run {
      let client = try await fixture.connect(server.port)
      await #expect(throws: Failure.self) {
        try await client.append(count: 10, to: .inbox) { throw Failure() }
      }
      return client.isUsable
    }
    #expect(!isUsable)
  }

  @Test(arguments: ["", "* ESEARCH UID ALL 1:x\r\n"])
  func `an OK without a result of SEARCH is no empty result`(_ results: String) async throws {
    let none = try await error([
      .expect("SEARCH"), .send(results + "{tag} OK done\r\n"), .hang,
    ]) { client throws(IMAPError) in _ = try await client.search(.all) }
    guard case .refused("UID SEARCH", _, _)? = none else {
      Issue.record("\(String(describing: none))")
      return
    }
  }

  @Test func `a text goes in ISO-8859-1 where a server takes no UTF-8 and it fits`() async throws {
    let none = try await error([
      .expect("CHARSET UTF-8 BODY {5}"), .send("+ go\r\n"), .expect("\u{FC}"),
      .send("A1 NO [BADCHARSET (US-ASCII ISO-8859-1)] no\r\n"),
      .expect("CHARSET ISO-8859-1 BODY {4}"), .send("+ go\r\n"), .skip(6),
      .send("* SEARCH 4 2\r\nA2 OK\r\n"),
      .expect("CHARSET UTF-8 BODY {3}"), .send("+ go\r\n"), .skip(5),
      .send("A3 NO [BADCHARSET] no\r\n"), .hang,
    ]) { client throws(IMAPError) in
      #expect(try await client.search(.body("M\u{FC}ll")) == UIDSet([2, 4]))
      _ = try await client.search(.body("\u{4E2D}"))
    }
    guard case .refused("UID SEARCH", _, .other("BADCHARSET", _)?)? = none else {
      Issue.record("\(String(describing: none))")
      return
    }
  }

  private static func summary(_ uid: Int) -> String {
    "* \(uid) FETCH (UID \(uid) FLAGS () RFC822.SIZE 7 ENVELOPE NIL BODY[HEADER.FIELDS (X)] \"\")\r\n"
  }

  @Test func `a message that a server cannot read hides no other`() async throws {
    let none = try await error([
      .expect("UID FETCH 1:4 "), .send(Self.summary(4) + "{tag} NO [SERVERBUG] message 3\r\n"),
      .expect("UID FETCH 3 "), .send("{tag} NO again\r\n"),
      .expect("UID FETCH 1:2 "), .send(Self.summary(1) + Self.summary(2) + "{tag} OK\r\n"),
      .expect("UID FETCH 3 (UID FLAGS INTERNALDATE RFC822.SIZE)"),
      .send("* 3 FETCH (UID 3 FLAGS (\\Seen) RFC822.SIZE 9)\r\n{tag} OK\r\n"), .hang,
    ]) { client throws(IMAPError) in
      let fetch = client.fetchSummaries(UIDSet(UID(1)...UID(4)))
      var found: [UID] = []
      while let batch = try await fetch.next() { found += batch.compactMap(\.uid) }
      #expect(found.sorted() == [1, 2, 3, 4])
      #expect(fetch.refused.isEmpty)
    }
    #expect(none == nil)
  }

  @Test func `a message of which a server tells nothing is named, and the rest comes`() async throws
  {
    let none = try await error([
      .expect("UID FETCH 1:2 "), .send("{tag} NO message 2\r\n"),
      .expect("UID FETCH 2 "), .send("{tag} NO message 2\r\n"),
      .expect("UID FETCH 1 "), .send(Self.summary(1) + "{tag} OK\r\n"),
      .expect("UID FETCH 2 "), .send("{tag} NO message 2\r\n"), .hang,
    ]) { client throws(IMAPError) in
      let fetch = client.fetchSummaries(UIDSet(UID(1)...UID(2)))
      var found: [UID] = []
      while let batch = try await fetch.next() { found += batch.compactMap(\.uid) }
      #expect(found == [1])
      #expect(fetch.refused == UIDSet(2))
    }
    #expect(none == nil)
  }

  @Test func `a server that refuses every message has refused the fetch`() async throws {
    let refused = try await error([
      .loop([.expect("UID FETCH"), .send("{tag} NO [INUSE] not now\r\n")])
    ]) { client throws(IMAPError) in
      let fetch = client.fetchSummaries(UIDSet(UID(1)...UID(9)))
      while try await fetch.next() != nil {}
    }
    guard case .refused("UID FETCH", "not now", _)? = refused else {
      Issue.record("\(String(describing: refused))")
      return
    }
  }
}
