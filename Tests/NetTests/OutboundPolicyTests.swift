import Net
import Testing

@Suite("Addresses and the outbound policy", .timeLimit(.minutes(6)))
struct OutboundPolicyTests {
  @Test(arguments: [
    "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "198.18.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "::1", "fc00::1",
    "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:c0a8:101::1",
  ])
  func `an address that is not public is refused`(ip: String) throws {
    let address = try #require(SocketAddress(ip: ip, port: 25))
    #expect(!OutboundPolicy().permits(address))
  }

  @Test(arguments: [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
    "128.0.0.1", "172.15.255.255", "172.32.0.0", "192.167.0.1", "223.255.255.255",
    "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
  ])
  func `a public address is permitted`(ip: String) throws {
    let address = try #require(SocketAddress(ip: ip, port: 25))
    #expect(OutboundPolicy().permits(address))
  }

  @Test(arguments: [
    ("127.0.0.0/8", "127.9.9.9", true), ("127.0.0.0/8", "::ffff:127.0.0.1", true),
    ("127.0.0.0/8", "10.0.0.1", false), ("127.0.0.0/8", "::1", false), ("::1", "::1", true),
    ("::1/128", "::2", false), ("fd00::/8", "fd12::1", true), ("10.1.2.3", "10.1.2.3", true),
    ("10.1.2.3", "10.1.2.4", false), ("10.1.2.3/24", "10.1.2.250", true),
    ("0.0.0.0/0", "192.168.0.1", true), ("0.0.0.0/0", "::1", false), ("::/0", "::1", true),
    ("::ffff:10.0.0.0/104", "10.9.9.9", true), ("::ffff:10.0.0.0/104", "192.168.0.1", false),
  ])
  func `a range that is named is permitted, no more`(
    range: String,
    ip: String,
    isPermitted: Bool
  ) throws {
    let policy = OutboundPolicy(allowed: [try #require(CIDR(range))])
    let address = try #require(SocketAddress(ip: ip, port: 25))
    #expect(policy.permits(address) == isPermitted)
  }

  @Test(arguments: [
    "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0/8",
    "::/129", "::ffff:10.0.0.0/95", "localhost", "10.0.0.0/99999999999999999999", " 10.0.0.0/8",
  ])
  func `what is not a range is not parsed`(text: String) {
    #expect(CIDR(text) == nil)
  }

  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1:25"), ("::1", "[::1]:25"), ("2001:DB8::0:1", "[2001:db8::1]:25"),
  ])
  func `an address prints in its canonical form`(ip: String, text: String) throws {
    #expect(try #require(SocketAddress(ip: ip, port: 25)).description == text)
  }

  @Test(arguments: ["", "localhost", "127.1", "1.2.3.4.5", "256.1.1.1", "::1%lo", "127.0.0.1\0x"])
  func `what is not a literal is not an address`(text: String) {
    #expect(SocketAddress(ip: text, port: 1) == nil)
  }
}

@Suite("Connecting by name", .timeLimit(.minutes(6)))
struct ConnectorTests {
  @Test(arguments: ["localhost", "127.0.0.1"])
  func `a loopback host is refused unless it is named, and nothing is sent`(
    host: String
  ) async throws {
    let fixture = try Fixture()
    let group = fixture.group
    try await fixture.run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      let port = try #require(listener.localAddress.port)
      let strict = Connector(policy: OutboundPolicy(), group: group)
      let refusal = await netError {
        _ = try await strict.connect(host: host, port: port, deadline: .soon)
      }
      let expected = ["127.0.0.1", "::1"].map {
        NetError.refusedByPolicy(host: host, address: $0)
      }
      #expect(expected.contains(try #require(refusal)))
      let local = OutboundPolicy(allowed: ["127.0.0.0/8", "::1"].compactMap { CIDR($0) })
      let open = Connector(policy: local, group: group)
      let stream = try await open.connect(host: host, port: port, deadline: .soon)
      let accepted = try await listener.accept().stream(on: loop)
      try await stream.write([1], deadline: .soon)
      #expect(try await accepted.read(upTo: 9, deadline: .soon) == [1])
      #expect(stream.remoteAddress == listener.localAddress)
    }
  }

  @Test(arguments: ["", "no such host", "a\0b", "nonexistent.invalid", "line\r\nbreak"])
  func `a host without address is unresolved`(host: String) async throws {
    let fixture = try Fixture()
    let connector = Connector(policy: OutboundPolicy(), group: fixture.group)
    try await fixture.run { _ in
      let error = await netError {
        _ = try await connector.connect(host: host, port: 143, deadline: .soon)
      }
      guard case .unresolved(let named, let reason) = error else {
        Issue.record("not unresolved but \(String(describing: error))")
        return
      }
      #expect(named == host)
      #expect(!reason.isEmpty)
    }
  }

  @Test func `a port that is taken cannot be bound twice`() async throws {
    try await Fixture().run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      #expect(throws: NetError.system(call: "bind", errno: 98)) {
        _ = try Listener(bindingTo: listener.localAddress, on: loop)
      }
    }
  }

  @Test func `closing a listener ends its accept`() async throws {
    try await Fixture().run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      let accepting = Task(executorPreference: loop) { _ = try await listener.accept() }
      await Task.yield()
      listener.close()
      let result = await accepting.result
      #expect(throws: NetError.closed) { try result.get() }
    }
  }

  @Test func `an accepted socket belongs to the first who takes it`() async throws {
    try await Fixture().run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      let client = try await SocketStream.connect(to: listener.localAddress, deadline: .soon)
      let accepted = try await listener.accept()
      let stream = try accepted.stream(on: loop)
      #expect(throws: NetError.closed) { _ = try accepted.stream(on: loop) }
      stream.close()
      #expect(try await client.readAll().isEmpty)
    }
  }
}
