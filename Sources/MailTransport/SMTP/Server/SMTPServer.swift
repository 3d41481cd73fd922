import Bytes
package import MailProtocols
package import Net
import Synchronization

/// A listener that takes mail by SMTP or LMTP: one loop accepts, all of them serve.
///
///     let server = try await SMTPServer(listener: address, group: group, settings, handler: receiver)
///     async let serving: Void = server.run()
///     …
///     await server.shutdown(deadline: .after(.seconds(5)))
package final class SMTPServer<Handler: SMTPServerHandler>: Sendable {
  /// Where the server listens, with the port that the kernel chose where zero was asked for.
  package let localAddress: SocketAddress
  private let listener: Listener
  private let loop: EventLoop
  private let group: EventLoopGroup
  private let settings: SMTPServerSettings
  private let handler: Handler
  private let gate: SMTPServerGate
  private let state = Mutex(State())

  private struct State {
    var serving: Task<Void, any Error>?
    var connections: [ObjectIdentifier: SMTPServerConnection<Handler>] = [:]
    var isDraining = false
  }

  /// Binds the address and listens; connections wait in the backlog until `run`.
  package init(
    listener address: SocketAddress,
    group: EventLoopGroup,
    _ settings: SMTPServerSettings,
    handler: Handler
  ) async throws {
    let loop = group.next()
    listener = try await Task(executorPreference: loop) {
      try Listener(bindingTo: address, on: loop)
    }.value
    localAddress = listener.localAddress
    self.loop = loop
    self.group = group
    self.settings = settings
    self.handler = handler
    gate = SMTPServerGate(limits: settings.limits)
  }

  /// Serves until `shutdown` has done its work; cancelled, it closes all connections at once.
  package func run() async throws {
    let task = Task(executorPreference: loop) { try await self.serve() }
    state.withLock { $0.serving = task }
    try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// Stops accepting, says goodbye to whoever brings no message, and lets the others end theirs until `deadline`.
  package func shutdown(deadline: Deadline) async {
    let (task, connections) = state.withLock { state in
      state.isDraining = true
      return (state.serving, Array(state.connections.values))
    }
    loop.execute { self.listener.close() }
    await withTaskGroup(of: Void.self) { group in
      for connection in connections {
        group.addTask(executorPreference: connection.loop) { await connection.drain() }
      }
    }
    let limit = Task {
      // A sleep that ends early was cancelled: all have ended in time.
      do { try await Task.sleep(until: deadline) } catch { return }
      task?.cancel()
    }
    _ = await task?.result  // What went wrong is for the caller of `run`.
    limit.cancel()
    await limit.value
  }

  private func serve() async throws {
    var failure: NetError?
    await withDiscardingTaskGroup { group in
      failure = await acceptAll(into: &group)
      if failure != nil { group.cancelAll() }
    }
    if let failure { throw failure }
  }

  /// Accepts until the listener is closed; what else ended it, if anything did.
  private func acceptAll(into tasks: inout DiscardingTaskGroup) async -> NetError? {
    while true {
      do throws(NetError) {
        let socket = try await listener.accept()
        let loop = group.next()
        tasks.addTask(executorPreference: loop) { await self.serve(socket, on: loop) }
      } catch {
        listener.close()
        return error == .closed || error == .cancelled ? nil : error
      }
    }
  }

  private func serve(_ socket: AcceptedSocket, on loop: EventLoop) async {
    let stream: SocketStream
    do throws(NetError) {
      stream = try socket.stream(on: loop)
    } catch {
      return  // The connection broke before it began; there is nobody to tell.
    }
    let address = stream.remoteAddress
    let isWelcome = gate.enter(address)
    let connection = SMTPServerConnection(stream, settings, gate, handler)
    let isDraining = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = connection
      return state.isDraining
    }
    await connection.serve(isWelcome: isWelcome && !isDraining)
    state.withLock { $0.connections[ObjectIdentifier(connection)] = nil }
    gate.leave(address)
  }
}

/// What a listener speaks, and how.
package struct SMTPServerSettings: Sendable {
  package var kind: SMTPServerSession.Kind
  /// What it calls itself.
  package var hostName: String
  /// The certificate that STARTTLS shows; nil offers none, and so no AUTH either.
  package var tls: TLSServerContext?
  package var limits: SMTPServerLimits

  /// A listener of this kind.
  package init(
    _ kind: SMTPServerSession.Kind,
    hostName: String,
    tls: TLSServerContext? = nil,
    limits: SMTPServerLimits = SMTPServerLimits()
  ) {
    self.kind = kind
    self.hostName = hostName
    self.tls = tls
    self.limits = limits
  }
}
