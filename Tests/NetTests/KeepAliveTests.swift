import Foundation
import Testing

@testable import Net

@Suite("The kernel watches over silent connections") struct KeepAliveTests {
  private static func option(_ option: Int32, at level: Int32, of stream: SocketStream) -> Int32 {
    var value: Int32 = -1
    var size = socklen_t(MemoryLayout<Int32>.size)
    _ = unsafe getsockopt(stream.channel.descriptor, level, option, &value, &size)
    return value
  }

  @Test func `what the connector makes has TCP keep-alive and a limit for unacknowledged bytes`()
    async throws
  {
    let fixture = try Fixture()
    let group = fixture.group
    try await fixture.run { loop in
      let listener = try Listener(bindingTo: .loopback, on: loop)
      let port = try #require(listener.localAddress.port)
      let policy = OutboundPolicy(allowed: [try #require(CIDR("127.0.0.0/8"))])
      var settings = KeepAlive()
      settings.idle = .seconds(90)
      let connector = Connector(policy: policy, group: group, keepAlive: settings)
      let stream = try await connector.connect(host: "127.0.0.1", port: port, deadline: .soon)
      let tcp = Int32(IPPROTO_TCP)
      #expect(Self.option(SO_KEEPALIVE, at: SOL_SOCKET, of: stream) == 1)
      #expect(Self.option(TCP_KEEPIDLE, at: tcp, of: stream) == 90)
      #expect(Self.option(TCP_KEEPINTVL, at: tcp, of: stream) == 15)
      #expect(Self.option(TCP_KEEPCNT, at: tcp, of: stream) == 4)
      #expect(Self.option(TCP_USER_TIMEOUT, at: tcp, of: stream) == 60_000)
      stream.close()
      listener.close()
    }
  }
}
