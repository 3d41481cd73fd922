import Net
import TestSupport
import Testing

@Suite("TLS sessions that are resumed (RFC 8446 §2.2)", .timeLimit(.minutes(6)))
struct TLSResumptionTests {
  /// Connects to each of `servers` in turn, exchanges a byte, and says of each whether it was resumed.
  ///
  /// A number stands for a server: a port of its own.
  private func connect(_ servers: [Int], _ limits: TLSResumptionLimits) async throws -> [Bool] {
    let certificates = try await TestCertificates.shared
    let client = try TLSClientContext(
      TLSClientConfiguration(roots: .file(certificates.caFile)),
      resumption: limits
    )
    let server = try TLSServerContext(
      certificateFile: certificates.certificateFile(.valid),
      keyFile: certificates.keyFile(.valid)
    )
    return try await Fixture().run { loop in
      var listeners: [Int: Listener] = [:]
      var resumed: [Bool] = []
      for number in servers {
        let listener = try listeners[number] ?? Listener(bindingTo: .loopback, on: loop)
        listeners[number] = listener
        let socket = try await SocketStream.connect(to: listener.localAddress, deadline: .soon)
        let accepted = try await listener.accept().stream(on: loop)
        async let served = TLSStream.server(over: accepted, context: server, deadline: .soon)
        let stream = try await TLSStream.client(
          over: socket,
          serverName: "localhost",
          context: client,
          deadline: .soon
        )
        let other = try await served
        // The tickets come with the server's first words.
        try await other.write([7], deadline: .soon)
        #expect(try await stream.read(upTo: 9, deadline: .soon) == [7])
        resumed.append(stream.isResumed)
        stream.close()
        other.close()
      }
      for listener in listeners.values { listener.close() }
      return resumed
    }
  }

  @Test func `the next connection resumes the last session, and so does the one after it`()
    async throws
  {
    #expect(try await connect([1, 1, 1], TLSResumptionLimits()) == [false, true, true])
  }

  @Test func `another server's session is not offered`() async throws {
    #expect(try await connect([1, 2, 1], TLSResumptionLimits()) == [false, false, true])
  }

  @Test func `a certificate is looked at again when its time is over`() async throws {
    var limits = TLSResumptionLimits()
    limits.age = .zero
    #expect(try await connect([1, 1, 1], limits) == [false, false, false])
  }

  @Test func `of many servers the one that was verified first is forgotten`() async throws {
    var limits = TLSResumptionLimits()
    limits.servers = 2
    let resumed = try await connect([1, 2, 3, 2, 3, 1], limits)
    #expect(resumed == [false, false, false, true, true, false])
  }
}
