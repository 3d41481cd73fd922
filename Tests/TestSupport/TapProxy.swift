package import Net
import Synchronization

/// Stands between a client and a server, notes what the client sends, and can fall silent or go away.
///
/// All of it runs on the loop it was made for.
package final class TapProxy: Sendable {
  /// Where the proxy listens.
  package let port: UInt16
  private let listener: Listener
  private let loop: EventLoop
  /// Nil where the loop is somebody else's.
  private let group: EventLoopGroup?
  private let target: SocketAddress
  private let state = Mutex(State())

  private struct State {
    var accepting: Task<Void, Never>?
    var connections: [Connection] = []
    var isAway = false
    /// The request that is not passed on: its connection is cut in its place, once.
    var lost: String?
  }

  private struct Connection {
    /// What the client sent between two answers, an element each.
    var requests: [String] = []
    /// Whether the last bytes were the server's.
    var isAnswered = true
    var isSilent = false
    /// Cuts it; to be called on the loop.
    var cut: @Sendable () -> Void = {}
  }

  /// A proxy to a port of this machine.
  package init(to port: UInt16, on loop: EventLoop, of group: EventLoopGroup? = nil) throws {
    guard let any = SocketAddress(ip: "127.0.0.1", port: 0),
      let target = SocketAddress(ip: "127.0.0.1", port: port)
    else { throw TestSupportError.failed("no address") }
    self.loop = loop
    self.group = group
    self.target = target
    listener = try Listener(bindingTo: any, on: loop)
    guard case .ipv4(_, let own) = listener.localAddress else {
      throw TestSupportError.failed("no port")
    }
    self.port = own
    let task = Task(executorPreference: loop) { [self] in await acceptAll() }
    state.withLock { $0.accepting = task }
  }

  /// A proxy on a loop of its own.
  package static func alone(to port: UInt16) async throws -> TapProxy {
    let group = try EventLoopGroup(loopCount: 1)
    return try await Task(executorPreference: group.loops[0]) {
      try TapProxy(to: port, on: group.loops[0], of: group)
    }.value
  }

  /// How often clients have sent something so far.
  package var requestCount: Int { requests.reduce(0) { $0 + $1.count } }

  /// What each client sent, a list a connection; bytes that one answer parts stand apart.
  package var requests: [[String]] { state.withLock { $0.connections.map(\.requests) } }

  /// Forgets what was sent so far.
  package func forget() {
    state.withLock { state in
      for index in state.connections.indices { state.connections[index].requests = [] }
    }
  }

  /// Passes on nothing more on any connection that is open, and closes none: as a lost network does.
  ///
  /// Connections made later are served.
  package func fallSilent() {
    state.withLock { state in
      for index in state.connections.indices { state.connections[index].isSilent = true }
    }
  }

  /// Cuts what is open and lets nobody through until `comeBack`: the server is away for whoever comes this way.
  package func goAway() {
    let cuts = state.withLock { state in
      state.isAway = true
      return state.connections.map(\.cut)
    }
    loop.execute { for cut in cuts { cut() } }
  }

  /// Cuts the connection on which the next request with `text` comes, and does not pass that on.
  package func lose(_ text: String) { state.withLock { $0.lost = text } }

  /// Whether no request is waited for to be lost.
  package var hasLost: Bool { state.withLock { $0.lost == nil } }

  /// Lets connections through again.
  package func comeBack() { state.withLock { $0.isAway = false } }

  /// Stops listening and cuts what is open.
  package func stop() async {
    let task = state.withLock { $0.accepting }
    task?.cancel()
    await task?.value
    await group?.shutdown()
  }

  private func acceptAll() async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled, let socket = try? await listener.accept() {
        let number = state.withLock { state in
          state.connections.append(Connection())
          return state.connections.count - 1
        }
        group.addTask { [self] in
          // A connection that breaks is its client's concern.
          try? await serve(socket, number)
        }
      }
      group.cancelAll()
      listener.close()
    }
  }

  private func serve(_ socket: AcceptedSocket, _ number: Int) async throws {
    let client = try socket.stream(on: loop)
    defer { client.close() }
    if state.withLock({ $0.isAway }) { return }
    let server = try await SocketStream.connect(to: target, deadline: .after(.seconds(10)))
    defer { server.close() }
    let isAway = state.withLock { state in
      state.connections[number].cut = {
        client.close()
        server.close()
      }
      return state.isAway
    }
    if isAway { return }
    defer { state.withLock { $0.connections[number].cut = {} } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [self] in
        try await pump(client, server, number) { connection, bytes in
          let text = String(decoding: bytes, as: UTF8.self)
          if connection.isAnswered {
            connection.requests.append(text)
          } else if let last = connection.requests.indices.last {
            connection.requests[last] += text
          }
          connection.isAnswered = false
        }
      }
      group.addTask { [self] in
        try await pump(server, client, number) { connection, _ in connection.isAnswered = true }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func pump(
    _ from: SocketStream,
    _ to: SocketStream,
    _ number: Int,
    _ note: (inout Connection, [UInt8]) -> Void
  ) async throws {
    while true {
      let bytes = try await from.read(upTo: 65_536, deadline: .after(.seconds(600)))
      let isSilent = state.withLock { state in
        guard !state.connections[number].isSilent else { return true }
        guard !bytes.isEmpty else { return false }
        note(&state.connections[number], bytes)
        return false
      }
      if isSilent {
        // Nobody learns that the other side is gone.
        try await loop.sleep(until: .after(.seconds(3600)))
      }
      guard !bytes.isEmpty, !loses(bytes) else { return }
      try await to.write(bytes, deadline: .after(.seconds(60)))
    }
  }

  private func loses(_ bytes: [UInt8]) -> Bool {
    state.withLock { state in
      guard let lost = state.lost, String(decoding: bytes, as: UTF8.self).contains(lost) else {
        return false
      }
      state.lost = nil
      return true
    }
  }
}
