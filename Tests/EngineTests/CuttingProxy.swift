import Net
import Synchronization
import TestSupport

/// Stands between the engine and a server, and cuts its first connections after so many bytes.
///
/// All of it runs on the loop it was made for.
final class CuttingProxy: Sendable {
  /// Where the proxy listens.
  let port: UInt16
  private let listener: Listener
  private let loop: EventLoop
  private let target: SocketAddress
  private let budgets: Mutex<[Int]>
  private let accepting = Mutex<Task<Void, Never>?>(nil)

  /// How many connections were cut so far, or are still to be.
  var left: Int { budgets.withLock { $0.count } }

  /// A proxy whose connections may each receive one of `budgets` bytes, those after them any number.
  init(to port: UInt16, on loop: EventLoop, budgets: [Int]) throws {
    guard let any = SocketAddress(ip: "127.0.0.1", port: 0),
      let target = SocketAddress(ip: "127.0.0.1", port: port)
    else { throw TestSupportError.failed("no address") }
    self.loop = loop
    self.target = target
    self.budgets = Mutex(budgets)
    listener = try Listener(bindingTo: any, on: loop)
    guard case .ipv4(_, let own) = listener.localAddress else {
      throw TestSupportError.failed("no port")
    }
    self.port = own
    accepting.withLock { $0 = Task(executorPreference: loop) { [self] in await acceptAll() } }
  }

  /// Cuts the next connections after so many bytes.
  func cut(after more: [Int]) {
    budgets.withLock { $0 += more }
  }

  /// Cuts no more connections.
  func mend() {
    budgets.withLock { $0 = [] }
  }

  /// Stops listening and cuts what is open.
  func stop() async {
    let task = accepting.withLock { $0 }
    task?.cancel()
    await task?.value
  }

  private func acceptAll() async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled, let socket = try? await listener.accept() {
        let budget = budgets.withLock { $0.isEmpty ? Int.max : $0.removeFirst() }
        group.addTask { [self] in
          // Whatever breaks a connection here is the fault that a test wants.
          try? await serve(socket, budget)
        }
      }
      group.cancelAll()
      listener.close()
    }
  }

  private func serve(_ socket: AcceptedSocket, _ budget: Int) async throws {
    let client = try socket.stream(on: loop)
    defer { client.close() }
    let server = try await SocketStream.connect(to: target, deadline: .after(.seconds(10)))
    defer { server.close() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await Self.pump(client, server, .max) }
      group.addTask { try await Self.pump(server, client, budget) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Copies until the end, or until `budget` bytes have passed.
  private static func pump(_ from: SocketStream, _ to: SocketStream, _ budget: Int) async throws {
    var left = budget
    while left > 0 {
      let bytes = try await from.read(upTo: min(left, 65_536), deadline: .after(.seconds(60)))
      guard !bytes.isEmpty else { return }
      try await to.write(bytes, deadline: .after(.seconds(60)))
      left -= bytes.count
    }
  }
}
