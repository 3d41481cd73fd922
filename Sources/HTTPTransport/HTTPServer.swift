package import HTTP
package import Net
import Synchronization

/// An HTTP server on a listening socket: one loop accepts, and the loop with the fewest connections
/// serves.
///
///     let server = try await HTTPServer(listener: address, group: group, handler: api)
///     async let serving: Void = server.run()
///     …
///     await server.shutdown(deadline: .after(.seconds(8)))
package final class HTTPServer: Sendable {
  /// Where the server listens, with the port that the kernel chose where zero was asked for.
  package let localAddress: SocketAddress
  private let listener: Listener
  private let handler: any HTTPHandler
  private let limits: HTTPLimits
  private let lanes: [HTTPLane]
  private let gate: HTTPGate
  private let serving = Mutex<Task<Void, any Error>?>(nil)

  /// Binds the address and listens; connections wait in the backlog until `run`.
  package init(
    listener address: SocketAddress,
    group: EventLoopGroup,
    limits: HTTPLimits = HTTPLimits(),
    handler: some HTTPHandler
  ) async throws {
    let loop = group.next()
    listener = try await Task(executorPreference: loop) {
      try Listener(bindingTo: address, on: loop)
    }.value
    localAddress = listener.localAddress
    self.handler = handler
    self.limits = limits
    let gate = HTTPGate(loop: loop, laneCount: group.loops.count)
    self.gate = gate
    lanes = group.loops.indices.map { index in
      HTTPLane(loop: group.loops[index], limits: limits) {
        gate.loop.execute { gate.leave(index) }
      }
    }
  }

  /// Serves until `shutdown` has done its work; cancelled, it closes all connections at once.
  package func run() async throws {
    let task = Task(executorPreference: gate.loop) { try await self.serve() }
    serving.withLock { $0 = task }
    try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// Stops accepting, closes idle connections, and lets replies that are under way end until `deadline`.
  ///
  /// Then it cancels what still runs and closes its connections. It returns when all have ended.
  package func shutdown(deadline: Deadline) async {
    handler.endStreams()
    gate.loop.execute {
      self.gate.close(by: deadline)
      self.listener.close()
    }
    let task = serving.withLock { $0 }
    _ = await task?.result  // What went wrong is for the caller of `run`.
  }

  private func serve() async throws {
    var failure: NetError?
    await withDiscardingTaskGroup { group in
      for lane in lanes {
        group.addTask(executorPreference: lane.loop) { await lane.run() }
      }
      failure = await acceptAll()
      for lane in lanes {
        lane.loop.execute { lane.drain() }
      }
      if failure == nil { await gate.waitUntilEmpty() }
      group.cancelAll()
    }
    if let failure { throw failure }
  }

  /// Accepts until the listener is closed; what else ended it, if anything did.
  private func acceptAll() async -> NetError? {
    while true {
      do throws(NetError) {
        let socket = try await listener.accept()
        let index = gate.enter()
        let isWelcome = gate.count <= limits.connections
        let lane = lanes[index]
        lane.loop.execute { [handler] in
          lane.take(socket, isWelcome: isWelcome, handler: handler)
        }
      } catch {
        listener.close()
        return error == .closed || error == .cancelled ? nil : error
      }
    }
  }
}
