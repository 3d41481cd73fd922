/// Makes the service's outbound connections, within the outbound policy.
package struct Connector: Sendable {
  private let policy: OutboundPolicy
  private let resolver: Resolver
  private let keepAlive: KeepAlive

  /// A connector that checks `policy` on every resolved address.
  package init(policy: OutboundPolicy, group: EventLoopGroup, keepAlive: KeepAlive = KeepAlive()) {
    self.policy = policy
    self.keepAlive = keepAlive
    self.resolver = Resolver(pool: group.resolving)
  }

  /// Refuses a host that the policy forbids whatever a resolver says: a literal address, or `localhost`.
  ///
  /// Other names are checked by `connect`, on the addresses that they have then.
  package func check(host: String, port: UInt16) throws(NetError) {
    let literal = host.lowercased() == "localhost" ? "127.0.0.1" : host
    guard let address = SocketAddress(ip: literal, port: port), !policy.permits(address) else {
      return
    }
    throw NetError.refusedByPolicy(host: host, address: address.ip)
  }

  /// Connects to the first address of `host` that is permitted and accepts.
  ///
  /// Called from a task of a loop, which will own the stream. An address that the policy forbids is
  /// never tried, even where others of the same name are permitted.
  package func connect(
    host: String,
    port: UInt16,
    from source: SourcePort = .any,
    deadline: Deadline
  ) async throws(NetError) -> SocketStream {
    guard let loop = EventLoop.current else {
      preconditionFailure("connect is called from a task of a loop")
    }
    let all = try await resolver.addresses(of: host, port: port, deadline: deadline, on: loop)
    let permitted = all.filter(policy.permits)
    guard !permitted.isEmpty else {
      throw NetError.refusedByPolicy(host: host, address: all.first?.ip ?? "")
    }
    return try await connect(
      toFirstOf: permitted,
      host: host,
      port: port,
      from: source,
      deadline: deadline
    )
  }

  private func connect(
    toFirstOf addresses: [SocketAddress],
    host: String,
    port: UInt16,
    from source: SourcePort,
    deadline: Deadline
  ) async throws(NetError) -> SocketStream {
    var reason = ""
    for (index, address) in addresses.enumerated() {
      let isLast = index == addresses.count - 1
      // An address that answers nothing must leave time for the next.
      let now = ContinuousClock.now
      let share = now + (deadline - now) / (addresses.count - index)
      do throws(NetError) {
        let stream = try await SocketStream.connect(
          to: address,
          from: source,
          deadline: isLast ? deadline : share
        )
        stream.keepAlive(keepAlive)
        return stream
      } catch .cancelled {
        throw NetError.cancelled
      } catch .timedOut where isLast {
        throw NetError.timedOut
      } catch {
        reason = Connector.words(for: error)
      }
    }
    throw NetError.connectFailed(host: host, port: port, reason: reason)
  }

  private static func words(for error: NetError) -> String {
    switch error {
    case .connectFailed(_, _, let reason): reason
    case .system(let call, let code): "\(call): \(Sockets.words(for: code))"
    case .timedOut: "no answer in time"
    default: "\(error)"
    }
  }
}
