import Bytes
import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

@Suite("IMAP COMPRESS") struct IMAPCompressTests {
  @Test(arguments: [TLSMode.none, .implicit])
  func `all traffic is deflated and stays the same`(tls: TLSMode) async throws {
    let server = try await DovecotServer.shared
    let user = try server.newUser()
    try await server.fill(user: user, count: 100)
    let fixture = try IMAPFixture(caFile: server.caFile)
    try await fixture.run {
      let port = tls == .implicit ? server.imapsPort : server.imapPort
      let client = try await fixture.connect(port, tls: tls)
      try await client.authenticate(username: user, password: server.password)
      #expect(try await client.compress())
      #expect(try await client.compress())
      #expect(client.isCompressed && client.isSecure == (tls != .none))
      try await client.select(.inbox)
      let fetch = client.fetchSummaries(UIDSet(UID(1)...UID(100)), batchSize: 30)
      var count = 0
      while let batch = try await fetch.next() { count += batch.count }
      #expect(count == 100)
      let line = (0..<70).map { _ in String(UInt8.random(in: 97...122)) }.joined() + "\r\n"
      let message = Array("Subject: long\r\n\r\n\(String(repeating: line, count: 5000))".utf8)
      let uid = try #require(try await client.append(message, to: .inbox)?.uid)
      try await client.noop()
      #expect(try await client.fetchBytes(uid, .message, upTo: 10 << 20) == message)
      try await client.logout()
    }
  }

  private func scripted(
    _ answer: [UInt8]
  ) async throws -> (isCompressed: Bool, error: IMAPError?) {
    let server = try ScriptedServer([
      .send("* PREAUTH [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hi\r\n"),
      .expect("COMPRESS DEFLATE"),
      .sendBytes(answer), .hang,
    ])
    let fixture = try IMAPFixture()
    return try await fixture.run {
      let client = try await fixture.connect(server.port)
      let isCompressed = try await client.compress()
      return (isCompressed, await imapError { () throws(IMAPError) in try await client.noop() })
    }
  }

  @Test func `what comes in one read with the OK is deflated already`() async throws {
    let deflated = try Deflater().deflate(Array("* 3 EXISTS\r\nA2 OK done\r\n".utf8))
    let (isCompressed, error) = try await scripted(Array("A1 OK go\r\n".utf8) + deflated)
    #expect(isCompressed && error == nil)
  }

  @Test func `a server that goes on in clear breaks the connection`() async throws {
    let answer = Array("A1 OK go\r\n".utf8) + [UInt8](repeating: 0xFF, count: 100)
    let (isCompressed, error) = try await scripted(answer)
    #expect(isCompressed && error?.hasBrokenConnection == true)
  }

  @Test func `a refusal leaves the connection as it is`() async throws {
    let server = try ScriptedServer([
      .send("* PREAUTH [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] hi\r\n"),
      .expect("COMPRESS DEFLATE"),
      .send("{tag} NO [COMPRESSIONACTIVE] TLS does it\r\n"), .expect("NOOP"),
      .send("{tag} OK done\r\n"), .hang,
    ])
    let fixture = try IMAPFixture()
    try await fixture.run {
      let client = try await fixture.connect(server.port)
      #expect(try await !client.compress())
      try await client.noop()
    }
  }
}
