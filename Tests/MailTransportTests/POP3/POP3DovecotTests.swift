import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("POP3 client against Dovecot") struct POP3DovecotTests {
  private let dovecot: DovecotServer
  private let fixture: POP3Fixture
  private let user: String

  init() async throws {
    dovecot = try await DovecotServer.shared
    fixture = try POP3Fixture(caFile: dovecot.caFile)
    user = try dovecot.newUser()
  }

  @Test(arguments: [TLSMode.none, .starttls, .implicit])
  func `login works over each kind of connection`(tls: TLSMode) async throws {
    let port = tls == .implicit ? dovecot.pop3sPort : dovecot.pop3Port
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.connect(port, tls: tls)
      #expect(client.isSecure == (tls != .none))
      #expect(client.capabilities?.offers(.sasl) == true)
      try await client.authenticate(username: user, password: dovecot.password)
      #expect(client.isLoggedIn)
      #expect(try await client.status() == POP3DropListing(messageCount: 0, octets: 0))
      #expect(try await client.messages().messages == [])
      try await client.noop()
      #expect(await client.quit() == .done)
      #expect(!client.isUsable)
    }
  }

  @Test func `a certificate that nobody vouches for ends the upgrade`() async throws {
    let stranger = try POP3Fixture()
    try await stranger.run { [dovecot] in
      let error = await pop3Error { () throws(POP3Error) in
        _ = try await stranger.connect(dovecot.pop3Port, tls: .starttls)
      }
      guard case .network(.tls)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test func `messages are listed, retrieved in one go, and deleted by what they are`()
    async throws
  {
    let sent = (0..<200).map { SampleMail.message($0) }
    try await dovecot.fill(user: user, count: sent.count)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let list = try await client.messages(withSizes: true)
      #expect(list.hasUniqueIDs && list.messages.count == 200)
      #expect(Set(list.messages.map(\.uniqueID)).count == 200)
      #expect(list.messages.map(\.octets) == sent.map(\.count))
      #expect(try await client.allBytes(list.messages) == sent)
      #expect(try await client.uniqueID(of: .init(7)) == list.messages[6].uniqueID)
      #expect(try await client.size(of: .init(7)) == sent[6].count)

      let doomed = Array(list.messages.prefix(150))
      #expect(try await client.delete(doomed).filter { !$0.isPositive } == [])
      #expect(await client.quit() == .done)
      let again = try await fixture.login(dovecot, user)
      let left = try await again.messages()
      #expect(left.messages.map(\.uniqueID) == list.messages.dropFirst(150).map(\.uniqueID))
      again.close()
    }
  }

  @Test func `a session that ends without QUIT, or by RSET, deletes nothing`() async throws {
    try await dovecot.fill(user: user, count: 3)
    try await fixture.run { [fixture, dovecot, user] in
      var client = try await fixture.login(dovecot, user)
      var list = try await client.messages().messages
      _ = try await client.delete(list)
      client.close()
      client = try await fixture.login(dovecot, user)
      list = try await client.messages().messages
      #expect(list.count == 3)
      _ = try await client.delete([list[0], list[1]])
      try await client.reset()
      _ = try await client.delete([list[2]])
      #expect(await client.quit() == .done)
      client = try await fixture.login(dovecot, user)
      #expect(try await client.messages().messages.count == 2)
    }
  }

  @Test func `no number is deleted whose identity this session has not seen`() async throws {
    try await dovecot.fill(user: user, count: 2)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let number = POP3MessageNumber(1)
      func error(_ message: POP3ListedMessage) async -> POP3Error? {
        await pop3Error { () throws(POP3Error) in _ = try await client.delete([message]) }
      }
      let remembered = POP3ListedMessage(number: number, uniqueID: POP3UniqueID("of before"))
      #expect(await error(remembered) == .unverified(number))
      #expect(await error(POP3ListedMessage(number: number, uniqueID: nil)) == .unverified(number))
      let list = try await client.messages().messages
      #expect(await error(remembered) == .unverified(number))
      // A message that has an id is not deleted as one that has none.
      _ = try await client.allBytes(list)
      #expect(await error(POP3ListedMessage(number: number, uniqueID: nil)) == .unverified(number))
      #expect(await error(list[0]) == nil)
      try await client.reset()
      client.close()
    }
  }

  @Test func `dots, bare line ends and long lines come as they were`() async throws {
    let bodies = [
      ".\r\n..\r\n.a\r\n", "no end", "\r\n.\r\n", String(repeating: "x", count: 100_000) + "\r\n",
      "a\r\n" + String(repeating: ".\r\n", count: 5000),
    ]
    let sent = bodies.map { Array("Subject: dots\r\n\r\n\($0)".utf8) }
    try await dovecot.fill(user: user, with: sent)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let got = try await client.allBytes(try await client.messages(withSizes: true).messages)
      let whole = sent.map { $0.last == 0x0A ? $0 : $0 + [0x0D, 0x0A] }
      #expect(got == whole)
      client.close()
    }
  }

  @Test func `TOP brings the header and some lines`() async throws {
    let message = Array("Subject: top\r\n\r\none\r\n.two\r\nthree\r\n".utf8)
    try await dovecot.fill(user: user, with: [message, message])
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let list = try await client.messages().messages
      for (lines, end) in [(0, "\r\n"), (2, "\r\none\r\n.two\r\n")] {
        let tops = client.tops(of: list, lines: lines)
        var texts: [String] = []
        while try await tops.nextMessage() != nil {
          var bytes: [UInt8] = []
          while let piece = try await tops.nextPiece() { bytes += piece }
          texts.append(String(decoding: bytes, as: UTF8.self))
        }
        #expect(texts == ["Subject: top\r\n" + end, "Subject: top\r\n" + end])
      }
      // Half a message is no proof of what it is.
      #expect(
        await pop3Error { () throws(POP3Error) in
          _ = try await client.delete([POP3ListedMessage(number: .init(1), uniqueID: nil)])
        } == .unverified(.init(1))
      )
      client.close()
    }
  }

  @Test func `a refused message does not disturb the others, nor does one left unread`()
    async throws
  {
    try await dovecot.fill(user: user, count: 100)
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      var list = try await client.messages().messages
      list.insert(POP3ListedMessage(number: .init(9999), uniqueID: nil), at: 1)
      let retrieval = client.retrieve(list)
      guard case .message? = try await retrieval.nextMessage(),
        case .refused(let refused, _)? = try await retrieval.nextMessage()
      else {
        Issue.record("not as asked")
        return
      }
      #expect(refused.number == .init(9999))
      _ = try await retrieval.nextMessage()
      _ = try await retrieval.nextPiece()
      // Another operation reads past what is under way.
      #expect(try await client.status()?.messageCount == 100)
      #expect(
        await pop3Error { () throws(POP3Error) in _ = try await retrieval.nextPiece() } == .closed
      )
      #expect(try await client.bytes(of: list[5], upTo: 1 << 20) == SampleMail.message(4))
      #expect(
        await pop3Error { () throws(POP3Error) in
          _ = try await client.bytes(of: list[5], upTo: 10)
        } == .limitExceeded(limit: "a message of 10 bytes")
      )
      #expect(!client.isUsable)
    }
  }

  @Test func `a slow reader holds the server back, and nothing gathers`() async throws {
    let large =
      Array("Subject: large\r\n\r\n".utf8)
      + [UInt8](repeating: 0x61, count: 900) + [0x0D, 0x0A]
    let message =
      large
      + Array(String(repeating: String(repeating: "b", count: 98) + "\r\n", count: 80_000).utf8)
    try await dovecot.fill(user: user, with: [message, message])
    try await fixture.run { [fixture, dovecot, user] in
      let client = try await fixture.login(dovecot, user)
      let list = try await client.messages().messages
      let retrieval = client.retrieve(list)
      for _ in list {
        guard case .message? = try await retrieval.nextMessage() else {
          Issue.record("no message")
          return
        }
        var count = 0
        while let piece = try await retrieval.nextPiece() {
          #expect(piece.count <= 64 << 10)
          count += piece.count
        }
        #expect(count == message.count)
      }
      #expect(try await retrieval.nextMessage() == nil)
      client.close()
    }
  }

  @Test func `two sessions of one user are told apart from a wrong password`() async throws {
    let options = {
      var options = DovecotServer.Options()
      options.extraConfiguration = "protocol pop3 {\n  pop3_lock_session = yes\n}"
      return options
    }()
    let server = try await DovecotServer.start(users: ["alice"], options: options)
    try await server.fill(user: "alice", count: 1)
    try await fixture.run { [fixture] in
      let first = try await fixture.login(server, "alice")
      let wrong = await pop3Error { () throws(POP3Error) in
        let client = try await fixture.connect(server.pop3Port)
        try await client.authenticate(username: "alice", password: "wrong")
      }
      guard case .authenticationFailed? = wrong else {
        Issue.record("\(String(describing: wrong))")
        return
      }
      #expect(await first.quit() == .done)
    }
    await server.stop()
  }
}
