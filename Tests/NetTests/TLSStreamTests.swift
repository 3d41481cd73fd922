import Foundation
import Net
import TestSupport
import Testing

@Suite("TLS over sockets", .timeLimit(.minutes(6)))
struct TLSStreamTests {
  /// A handshake: what the server shows, whom the client expects, and how it must end.
  struct Case: Sendable, CustomTestStringConvertible {
    let shown: TestCertificates.Kind
    let name: String
    /// A word of the reason; nil where the handshake succeeds.
    let refusal: String?

    var testDescription: String { "\(shown) as \(name): \(refusal ?? "accepted")" }
  }

  static let cases = [
    Case(shown: .valid, name: "localhost", refusal: nil),
    Case(shown: .valid, name: "localhost.", refusal: nil),
    Case(shown: .valid, name: "mail.test.invalid", refusal: nil),
    Case(shown: .valid, name: "127.0.0.1", refusal: nil),
    Case(shown: .valid, name: "::1", refusal: nil),
    Case(shown: .valid, name: "127.0.0.2", refusal: "IP address mismatch"),
    Case(shown: .valid, name: "a.mail.test.invalid", refusal: "hostname mismatch"),
    Case(shown: .valid, name: "", refusal: "no server name"),
    Case(shown: .otherName, name: "localhost", refusal: "hostname mismatch"),
    Case(shown: .expired, name: "localhost", refusal: "certificate has expired"),
    Case(shown: .selfSigned, name: "localhost", refusal: "self-signed certificate"),
  ]

  @Test(arguments: cases)
  func `a certificate is judged by its chain, its name and its time`(test: Case) async throws {
    let certificates = try await TestCertificates.shared
    let configuration = TLSClientConfiguration(roots: .file(certificates.caFile))
    let reason = try await handshake(test.shown, test.name, configuration)
    if let refusal = test.refusal {
      #expect(try #require(reason).contains(refusal))
    } else {
      #expect(reason == nil)
    }
  }

  @Test func `an authority that is not the system's is unknown by default`() async throws {
    let reason = try await handshake(.valid, "localhost", .default)
    #expect(reason == "unable to get local issuer certificate")
  }

  @Test(arguments: [TestCertificates.Kind.selfSigned, .expired, .otherName])
  func `the pinned certificate is accepted though it does not verify`(
    kind: TestCertificates.Kind
  ) async throws {
    let pin = try await TestCertificates.shared.fingerprint(kind)
    let configuration = TLSClientConfiguration(pinnedSHA256: pin)
    #expect(try await handshake(kind, "localhost", configuration) == nil)
  }

  @Test func `a pin does not let another certificate pass`() async throws {
    let pin = try await TestCertificates.shared.fingerprint(.expired)
    let configuration = TLSClientConfiguration(pinnedSHA256: pin)
    let reason = try await handshake(.selfSigned, "localhost", configuration)
    #expect(reason == "self-signed certificate")
  }

  @Test func `a pin does not refuse a certificate that verifies`() async throws {
    let certificates = try await TestCertificates.shared
    let configuration = TLSClientConfiguration(
      roots: .file(certificates.caFile),
      pinnedSHA256: try await certificates.fingerprint(.expired)
    )
    #expect(try await handshake(.valid, "localhost", configuration) == nil)
  }

  @Test func `STARTTLS takes over a socket in use`() async throws {
    let contexts = try await Contexts()
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      try await pair.client.write(Array("STARTTLS\r\n".utf8), deadline: .soon)
      #expect(try await pair.server.readAll(10).count == 10)
      try await pair.server.write(Array("OK\r\n".utf8), deadline: .soon)
      #expect(try await pair.client.readAll(4).count == 4)
      let (client, server) = try await contexts.protect(pair)
      #expect(client.isSecure)
      #expect(client.protocolVersion == "TLSv1.3")
      try await client.write(Array("secret".utf8), deadline: .soon)
      #expect(try await server.readAll(6) == Array("secret".utf8))
    }
  }

  @Test func `large writes go both ways at once and arrive whole`() async throws {
    let contexts = try await Contexts()
    try await Fixture().run { loop in
      let (client, server) = try await contexts.protect(try await Pair(on: loop))
      let bytes = pattern(4 << 20)
      async let first: Void = client.write(Array(bytes[..<9]), Array(bytes[9...]), deadline: .soon)
      async let second: Void = server.write(bytes, deadline: .soon)
      async let atServer = server.readAll(bytes.count)
      async let atClient = client.readAll(bytes.count)
      let (one, other) = try await (atServer, atClient)
      try await first
      try await second
      #expect(one == bytes)
      #expect(other == bytes)
    }
  }

  @Test func `an announced end is the end, a cut is closed`() async throws {
    let contexts = try await Contexts()
    try await Fixture().run { loop in
      let (client, server) = try await contexts.protect(try await Pair(on: loop))
      try await client.write([1, 2], [3], deadline: .soon)
      client.close()
      #expect(try await server.readAll() == [1, 2, 3])

      let pair = try await Pair(on: loop)
      let (other, _) = try await contexts.protect(pair)
      pair.server.close()
      await #expect(throws: NetError.closed) { try await other.read(upTo: 1, deadline: .soon) }
    }
  }

  @Test func `a read gives up at its deadline and goes on after it`() async throws {
    let contexts = try await Contexts()
    try await Fixture().run { loop in
      let (client, server) = try await contexts.protect(try await Pair(on: loop))
      await #expect(throws: NetError.timedOut) {
        try await client.read(upTo: 1, deadline: .after(.milliseconds(20)))
      }
      try await server.write([5], deadline: .soon)
      #expect(try await client.read(upTo: 9, deadline: .soon) == [5])
    }
  }

  @Test func `closing or cancelling wakes the reader, and later calls fail`() async throws {
    let contexts = try await Contexts()
    try await Fixture().run { loop in
      for isCancel in [false, true] {
        let (client, server) = try await contexts.protect(try await Pair(on: loop))
        let reading = Task(executorPreference: loop) {
          try await client.read(upTo: 1, deadline: .soon)
        }
        await Task.yield()
        if isCancel { reading.cancel() } else { client.close() }
        let expected = isCancel ? NetError.cancelled : .closed
        let result = await reading.result
        #expect(throws: expected) { try result.get() }
        await #expect(throws: expected) { try await client.write([1], deadline: .soon) }
        client.close()
        server.close()
      }
    }
  }

  @Test func `a server that never answers the handshake is given up`() async throws {
    let context = try TLSClientContext(.default)
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      await #expect(throws: NetError.timedOut) {
        _ = try await TLSStream.client(
          over: pair.client,
          serverName: "localhost",
          context: context,
          deadline: .after(.milliseconds(30))
        )
      }
      #expect(try await pair.server.readAll().isEmpty == false)
    }
  }

  @Test func `a server that does not speak TLS is refused in words`() async throws {
    let context = try TLSClientContext(.default)
    try await Fixture().run { loop in
      let pair = try await Pair(on: loop)
      try await pair.server.write(Array("* OK IMAP4rev1 ready\r\n".utf8), deadline: .soon)
      await #expect(throws: NetError.tls(reason: "wrong version number")) {
        _ = try await TLSStream.client(
          over: pair.client,
          serverName: "localhost",
          context: context,
          deadline: .soon
        )
      }
    }
  }

  @Test func `roots and keys that cannot be read are refused`() {
    #expect(throws: NetError.self) {
      try TLSClientContext(TLSClientConfiguration(roots: .file("/nonexistent.pem")))
    }
    #expect(throws: NetError.self) {
      try TLSServerContext(certificateFile: "/nonexistent.pem", keyFile: "/nonexistent.key")
    }
  }

  @Test func `which of a certificate and its key is no good, and why, is told`() async throws {
    let certificates = try await TestCertificates.shared
    let good = (certificates.certificateFile(), certificates.keyFile())
    let other = certificates.keyFile(.expired)
    let text = try TemporaryDirectory("text").write("no key\n", to: "text")
    for (certificate, key, reason) in [
      (text, good.1, "\(text) is no PEM certificate"), (good.0, text, "\(text) is no PEM key"),
      (good.0, good.0, "\(good.0) is no PEM key"),
      (good.0, other, "the key in \(other) is not that of the certificate"),
    ] {
      #expect(throws: NetError.tls(reason: reason)) {
        try TLSServerContext(certificateFile: certificate, keyFile: key)
      }
    }
  }
}

/// A server's and a client's context that fit each other.
private struct Contexts: Sendable {
  let client: TLSClientContext
  let server: TLSServerContext

  init(
    _ kind: TestCertificates.Kind = .valid,
    client configuration: TLSClientConfiguration? = nil
  ) async throws {
    let certificates = try await TestCertificates.shared
    client = try TLSClientContext(
      configuration ?? TLSClientConfiguration(roots: .file(certificates.caFile))
    )
    server = try TLSServerContext(
      certificateFile: certificates.certificateFile(kind),
      keyFile: certificates.keyFile(kind)
    )
  }

  func protect(
    _ pair: Pair,
    name: String = "localhost"
  ) async throws -> (client: TLSStream, server: TLSStream) {
    async let served = TLSStream.server(over: pair.server, context: server, deadline: .soon)
    let connected = try await TLSStream.client(
      over: pair.client,
      serverName: name,
      context: client,
      deadline: .soon
    )
    return (connected, try await served)
  }
}

/// Shakes hands and exchanges a byte; the reason of the client's refusal, or nil.
private func handshake(
  _ kind: TestCertificates.Kind,
  _ name: String,
  _ configuration: TLSClientConfiguration
) async throws -> String? {
  let contexts = try await Contexts(kind, client: configuration)
  return try await Fixture().run { loop in
    do throws(any Error) {
      let (client, server) = try await contexts.protect(try await Pair(on: loop), name: name)
      try await client.write([42], deadline: .soon)
      #expect(try await server.readAll(1) == [42])
      return nil
    } catch NetError.tls(let reason) {
      return reason
    }
  }
}
