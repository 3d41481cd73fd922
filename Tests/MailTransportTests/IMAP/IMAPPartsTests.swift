import MailProtocols
import MailTransport
import TestSupport
import Testing

/// What one response could say comes in several, or twice.
@Suite("IMAP answers in parts") struct IMAPPartsTests {
  private static let greeting = ScriptedServer.Step.send(
    "* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n"
  )

  private func run<R: Sendable>(
    _ script: [ScriptedServer.Step],
    _ body: @escaping @Sendable (IMAPClient) async throws -> R
  ) async throws -> R {
    let server = try ScriptedServer([Self.greeting] + script + [.hang])
    let fixture = try IMAPFixture()
    return try await fixture.run { try await body(try await fixture.connect(server.port)) }
  }

  private static let envelope = "ENVELOPE (NIL \"two\" NIL NIL NIL NIL NIL NIL NIL NIL)"
  private static let rest = "FLAGS (\\Seen) RFC822.SIZE 7 BODY[HEADER.FIELDS (X)] \"\""

  @Test(arguments: [
    // Twice the same.
    "* 1 FETCH (UID 4 \(rest) \(envelope))\r\n* 1 FETCH (UID 4 \(rest) \(envelope))\r\n",
    "* 1 FETCH (UID 4 \(rest))\r\n* 1 FETCH (UID 4 \(envelope))\r\n",
    "* 1 FETCH (UID 4 \(envelope))\r\n* 1 FETCH (UID 4 \(rest))\r\n",
    "* 1 FETCH (UID 4 FLAGS (\\Seen))\r\n* 1 FETCH (UID 4 RFC822.SIZE 7)\r\n"
      + "* 1 FETCH (UID 4 BODY[HEADER.FIELDS (X)] \"\" \(envelope))\r\n",
  ])
  func `a message is one, in however many responses the server tells of it`(
    _ answer: String
  ) async throws {
    let other = "* 2 FETCH (UID 5 \(Self.rest) \(Self.envelope))\r\n"
    let messages = try await run([
      .expect("UID FETCH 4:5"), .send(answer + other + "{tag} OK done\r\n"),
    ]) { client in
      var messages: [FetchedMessage] = []
      let fetch = client.fetch(UIDSet(UID(4)...UID(5)), .summary)
      while let batch = try await fetch.next() { messages += batch }
      return messages
    }
    #expect(messages.map(\.uid) == [4, 5])
    for message in messages {
      #expect(message.flags == [.seen] && message.size == 7)
      #expect(message.envelope?.subject == Array("two".utf8))
      #expect(message.sections.count == 1)
    }
  }

  @Test func `the flags told last are those of the message`() async throws {
    let flags = try await run([
      .expect("UID FETCH"),
      .send(
        "* 1 FETCH (UID 4 \(Self.rest))\r\n* 1 FETCH (UID 4 FLAGS () \(Self.envelope))\r\n"
          + "{tag} OK done\r\n"
      ),
    ]) { client in
      try await client.fetch(UIDSet(UID(4)), .summary).next()?.map { $0.flags ?? [.draft] }
    }
    #expect(flags == [[]])
  }

  @Test(arguments: [
    "* SEARCH 1 2\r\n* SEARCH 3\r\n* SEARCH\r\n", "* SEARCH\r\n* SEARCH 1 2 3\r\n",
  ])
  func `a search has found what all its responses say`(_ answer: String) async throws {
    let found = try await run([.expect("UID SEARCH"), .send(answer + "{tag} OK done\r\n")]) {
      try await $0.search(.all)
    }
    #expect(found == UIDSet(UID(1)...UID(3)))
  }

  @Test func `a version of 0 is none`() async throws {
    let version = try await run([
      .expect("SELECT"), .send("* 1 EXISTS\r\n* OK [HIGHESTMODSEQ 0] x\r\n{tag} OK done\r\n"),
    ]) { client in
      try await client.select(.inbox)
      return client.selected?.highestModSeq
    }
    #expect(version == nil)
  }
}
