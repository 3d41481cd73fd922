import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("POP3 client against odd servers") struct POP3ClientOddServerTests {
  private static let mail = [
    "Subject: one\r\n\r\n.dot\r\n", "Subject: two\r\n\r\ntwo\r\n", "Subject: one\r\n\r\n.dot\r\n",
  ].map { Array($0.utf8) }

  private func server(_ quirks: SmallPOP3Server.Quirk...) throws -> SmallPOP3Server {
    try SmallPOP3Server(quirks: Set(quirks), messages: Self.mail)
  }

  @Test(
    arguments: [
      [], [.pipelining], [.noCapabilities], [.noCapabilities, .bareReplies],
      [.wrongOctetCounts, .pipelining], [.repeatedUniqueIDs], [.changingUniqueIDs],
      [.noListingDots, .pipelining], [.noListingDots], [.noUniqueIDs],
      [.noUniqueIDs, .noCapabilities],
    ] as [Set<SmallPOP3Server.Quirk>]
  )
  func `all mail comes whole and can be deleted, whatever the server lacks`(
    _ quirks: Set<SmallPOP3Server.Quirk>
  ) async throws {
    let server = try SmallPOP3Server(quirks: quirks, messages: Self.mail)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      var timeouts = POP3Timeouts()
      timeouts.lostEnd = .milliseconds(50)
      let client = try await fixture.login(server, timeouts: timeouts)
      let list = try await client.messages(withSizes: true)
      #expect(list.hasUniqueIDs == !quirks.contains(.noUniqueIDs))
      #expect(list.messages.map(\.number) == [.init(1), .init(2), .init(3)])
      #expect(try await client.allBytes(list.messages) == Self.mail)
      let doomed = [list.messages[0], list.messages[2]]
      #expect(try await client.delete(doomed).allSatisfy(\.isPositive))
      #expect(await client.quit() == .done)
    }
    #expect(server.messages.map(\.bytes) == [Self.mail[1]])
  }

  @Test func `repeatedUniqueID: copies are told apart by their order`() async throws {
    let server = try server(.repeatedUniqueIDs)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let list = try await fixture.login(server).messages().messages
      #expect(list.map(\.uniqueID) == Array(repeating: POP3UniqueID("same"), count: 3))
      #expect(list.map(\.ordinal) == [1, 2, 3])
    }
  }

  @Test func `noUniqueIDs: a message is deleted only after it came whole`() async throws {
    let server = try server(.noUniqueIDs)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.login(server)
      let list = try await client.messages().messages
      #expect(list.map(\.uniqueID) == [nil, nil, nil])
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await client.delete([list[0]]) }
          == .unverified(.init(1))
      )
      _ = try await client.allBytes([list[0]])
      _ = try await client.delete([list[0]])
      client.close()
    }
    #expect(server.messages.count == 3)
  }

  @Test func `one message a session is one more with each session`() async throws {
    let server = try server(.oneMessageASession, .pipelining)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      for round in 0..<3 {
        let client = try await fixture.login(server)
        let list = try await client.messages().messages
        let got = try await client.allBytes(list)
        #expect(got == [Self.mail[round]] + Array(repeating: nil, count: 2 - round))
        _ = try await client.delete([list[0]])
        #expect(await client.quit() == .done)
      }
    }
    #expect(server.messages.isEmpty)
  }

  @Test func `lostTextEnd: a message may end with the connection, and is then no reason to delete`()
    async throws
  {
    let server = try server(.noTextDots)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.login(server)
      let list = try await client.messages(withSizes: true).messages
      let retrieval = client.retrieve(list)
      _ = try await retrieval.nextMessage()
      var bytes: [UInt8] = []
      while let piece = try await retrieval.nextPiece() { bytes += piece }
      #expect(bytes == Self.mail[0])
      #expect(retrieval.lastEnd == .announcedCount)
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await retrieval.nextMessage() }
          == .closed
      )
      // Without the announced size nobody can tell.
      let other = try await fixture.login(server)
      let unsized = try await other.messages().messages
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await other.allBytes(unsized) }
          == .closed
      )
    }
  }

  @Test func `a locked mailbox, and a login too soon, are waited out`() async throws {
    let server = try server()
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let first = try await fixture.login(server)
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await fixture.login(server) }
          == .turnedAway(.inUse, response: "maildrop already locked")
      )
      #expect(await first.quit() == .done)
      server.refuseLogins("[LOGIN-DELAY] wait")
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await fixture.login(server) }
          == .turnedAway(.loginDelay, response: "wait")
      )
      server.refuseLogins(nil)
      _ = try await fixture.login(server)
    }
  }

  @Test func `without TOP a header is not to be had alone`() async throws {
    let server = try server(.noTop)
    defer { server.stop() }
    let fixture = try POP3Fixture()
    try await fixture.run {
      let client = try await fixture.login(server)
      let tops = client.tops(of: try await client.messages().messages)
      while let next = try await tops.nextMessage() {
        guard case .refused = next else {
          Issue.record("\(next)")
          return
        }
      }
      #expect(try await client.status()?.messageCount == 3)
    }
  }
}
