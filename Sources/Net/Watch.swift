import CLinux

/// Level-triggered readiness of a descriptor that someone else owns, such as libpq's socket.
///
/// Made, updated and cancelled on its loop. It reports nothing until `update` asks for something,
/// apart from a hangup.
package final class Watch {
  private let state: State

  /// Watches `descriptor`, which must be open, and calls `handler` on the loop.
  package init(
    _ descriptor: Int32,
    on loop: EventLoop,
    _ handler: @escaping (Readiness) -> Void
  ) throws(NetError) {
    state = State(loop: loop, handler: handler)
    state.token = try loop.register(descriptor, events: 0, handler: state)
  }

  deinit {
    let state = self.state
    if state.loop.isCurrent { state.cancel() } else { state.loop.execute { state.cancel() } }
  }

  /// Says which readiness is wanted from now on.
  package func update(readable: Bool, writable: Bool) {
    let events = (readable ? RESTANTE_EPOLLIN : 0) | (writable ? RESTANTE_EPOLLOUT : 0)
    state.update(events)
  }

  /// Ends the watch; the descriptor stays open.
  package func cancel() {
    state.cancel()
  }

  /// What the loop keeps, so that a dropped `Watch` ends by its `deinit`.
  private final class State: EventHandler, @unchecked Sendable {
    // Unchecked: touched only by the loop's own thread.
    let loop: EventLoop
    var token: EventLoop.Token?
    private var wanted: UInt32 = 0
    private var handler: ((Readiness) -> Void)?

    init(loop: EventLoop, handler: @escaping (Readiness) -> Void) {
      self.loop = loop
      self.handler = handler
    }

    func update(_ events: UInt32) {
      guard let token, events != wanted else { return }
      wanted = events
      loop.modify(token, events: events)
    }

    func cancel() {
      handler = nil
      guard let token else { return }
      self.token = nil
      loop.unregister(token)
    }

    func ready(_ readiness: Readiness) {
      handler?(readiness)
    }

    func loopStops() {
      let handler = self.handler
      cancel()
      handler?(.hangup)
    }
  }
}
