import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("What some IMAP servers offer beside") struct IMAPAttributeTests {
  @Test func `Dovecot tells quotas, save dates, previews and decoded parts`() async throws {
    let server = try await DovecotServer.shared
    let user = try server.newUser()
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.login(server, user)
      let message = """
        From: a@test.invalid\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        SGVsbG8sIHdvcmxkLg==\r\n
        """
      try await client.append(Array(message.utf8), to: .inbox)
      try await client.select(.inbox)
      let all = Set(MessageAttribute.allCases)
      #expect(client.supportedAttributes(all) == [.saveDate, .preview])
      // Lazily: not there until it was asked for once.
      _ = try await client.pipeline([.fetch(UIDSet(1), "PREVIEW")])
      let found = try await client.fetchAttributes(UIDSet(1), all)
      #expect(found.map(\.uid) == [1])
      #expect(found.first?.saveDate != nil)
      #expect(found.first?.preview == Array("Hello, world.".utf8))
      #expect(found.first?.emailID == nil)
      #expect(try await client.fetchAttributes(UIDSet(1), [.labels, .threadID]).isEmpty)

      let content = try await client.fetchContent(1, PartPath([1]), upTo: 1000)
      #expect(content.isDecoded && content.bytes == Array("Hello, world.".utf8))
      let flags = try await client.fetchFlags(UIDSet(1))
      #expect(flags.first?.flags.contains(.seen) == false)

      let quota = try #require(try await client.quotas(of: .inbox).first)
      #expect(quota.root == "User quota")
      #expect(quota.storage?.limit == 20 << 30)
      #expect(client.supportedStatusItems([.size, .appendLimit, .deleted]) == [.size])
      #expect(try await client.status(MailboxName("Sent"), [.size]).size == 0)
    }
  }

  @Test func `a bare server is asked for none of it`() async throws {
    let server = try await DovecotServer.start(
      users: ["alice"],
      options: .init(capabilities: "IMAP4rev1")
    )
    try await server.fill(user: "alice", count: 2)
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.login(server, "alice")
      try await client.select(.inbox)
      #expect(try await client.fetchAttributes(.all, Set(MessageAttribute.allCases)).isEmpty)
      #expect(try await client.quotas(of: .inbox).isEmpty)
      #expect(try await !client.compress())
      #expect(try await !client.fetchContent(1, PartPath([1]), upTo: 1 << 20).isDecoded)
      try await client.store(UIDSet(1), .add, [.deleted])
      try await client.unselect()
      #expect(client.selected == nil)
      try await client.unselect()
      #expect(try await client.select(.inbox).exists == 2)
    }
    await server.stop()
  }

  private func client<R: Sendable>(
    _ capabilities: String,
    _ script: [ScriptedServer.Step],
    _ body: @escaping @Sendable (IMAPClient) async throws -> R
  ) async throws -> (result: R, transcript: String) {
    let greeting = "* PREAUTH [CAPABILITY IMAP4rev1 \(capabilities)] hi\r\n"
    let server = try ScriptedServer([.send(greeting)] + script)
    let fixture = try IMAPFixture()
    let result = try await fixture.run {
      try await body(try await fixture.connect(server.port))
    }
    return (result, server.transcripts.joined())
  }

  @Test func `an encoding that the server cannot take off is left to the caller`() async throws {
    let (content, transcript) = try await client(
      "BINARY",
      [
        .expect("BINARY.PEEK[2]"), .send("{tag} NO [UNKNOWN-CTE] what is this\r\n"),
        .expect("BODY.PEEK[2]"), .send("* 1 FETCH (UID 1 BODY[2] \"abc\")\r\n{tag} OK\r\n"), .hang,
      ]
    ) { try await $0.fetchContent(1, PartPath([2]), upTo: 100) }
    #expect(!content.isDecoded && content.bytes == Array("abc".utf8))
    #expect(transcript.contains("UID FETCH 1 (UID BODY.PEEK[2])"))
  }

  @Test func `Gmail is asked in its own words, and a change in between is an event`() async throws {
    let (result, transcript) = try await client(
      "X-GM-EXT-1 OBJECTID",
      [
        .expect("UID FETCH"), .send("* 9 FETCH (UID 2 FLAGS (\\Seen))\r\n"),
        .send("* 9 FETCH (UID 2 X-GM-MSGID 12 X-GM-THRID 11 X-GM-LABELS (\\Sent))\r\n"),
        .send("{tag} OK\r\n"), .hang,
      ]
    ) { client in
      let found = try await client.fetchAttributes(
        UIDSet(2),
        [.emailID, .threadID, .labels, .saveDate]
      )
      return (found, client.takeEvents())
    }
    #expect(transcript == "A1 UID FETCH 2 (UID X-GM-MSGID X-GM-THRID X-GM-LABELS)\r\n")
    #expect(result.0.map(\.labels) == [["\\Sent"]])
    #expect(result.0.first?.emailID == "12")
    #expect(result.1.count == 1)
  }

  @Test func `a message that the server would refuse is not sent`() async throws {
    let (error, transcript) = try await client("APPENDLIMIT=10", [.hang]) { client in
      await imapError { () throws(IMAPError) in
        try await client.append(Array("Subject: too long\r\n\r\n".utf8), to: .inbox)
      }
    }
    guard case .refused("APPEND", _, .other(name: "TOOBIG", argument: "")?)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(transcript.isEmpty)
  }

  @Test func `without UNSELECT a mailbox that opens for writing is not closed`() async throws {
    let (error, transcript) = try await client(
      "",
      [
        .expect("SELECT"), .send("{tag} OK [READ-WRITE] done\r\n"),
        .expect("EXAMINE"), .send("{tag} OK [READ-WRITE] odd\r\n"), .hang,
      ]
    ) { client in
      try await client.select(.inbox)
      return await imapError { () throws(IMAPError) in try await client.unselect() }
    }
    #expect(error == .unsupported("UNSELECT"))
    #expect(!transcript.contains("CLOSE"))
  }
}
