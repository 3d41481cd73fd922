import Model
package import Net
package import Store
import Synchronization

/// One who listens to the feed: a short queue that the hub fills and the subscriber's own task empties.
package final class FeedSubscription: Sendable {
  /// What a wait comes to.
  package enum Arrival: Sendable {
    /// Events, in their order.
    case events([FeedEvent])
    /// Nothing for this subscriber up to a position.
    case silence(FeedPosition)
    /// The stream ends here: too slow, token ended, shutdown or cancelled.
    case end
  }

  private struct State {
    var queue: [FeedEvent] = []
    var hasEnded = false
  }

  let token: ID<Token>
  /// The accounts it is told of; nil is all.
  let accounts: [ID<Account>]?
  let nouns: FeedNouns
  private let hub: FeedHub
  private let signal = LoopSignal()
  private let state = Mutex(State())

  init(token: ID<Token>, accounts: [ID<Account>]?, nouns: FeedNouns, hub: FeedHub) {
    self.token = token
    self.accounts = accounts
    self.nouns = nouns
    self.hub = hub
  }

  /// Queues an event; where the queue is full the subscriber is dropped with what it has.
  func offer(_ event: FeedEvent, limit: Int) {
    let isNews = state.withLock { state in
      guard !state.hasEnded else { return false }
      if state.queue.count < limit {
        state.queue.append(event)
      } else {
        // What was queued stays with the table: the subscriber comes back and reads it there.
        state.queue = []
        state.hasEnded = true
      }
      return true
    }
    if isNews { signal.notify(.feed) }
  }

  /// Ends the stream.
  func end() {
    state.withLock { state in
      state.queue = []
      state.hasEnded = true
    }
    signal.notify(.feed)
  }

  /// Waits on `loop`, which the caller runs on, for events, for `deadline` or for the end.
  package func next(by deadline: Deadline, on loop: EventLoop) async -> Arrival {
    while !Task.isCancelled {
      // Read first: what the hub has passed by then is either in the queue or none of ours.
      let passed = hub.position
      let (events, hasEnded) = state.withLock { state in
        defer { state.queue = [] }
        return (state.queue, state.hasEnded)
      }
      if hasEnded { return .end }
      if !events.isEmpty { return .events(events) }
      if deadline <= .now, let passed { return .silence(passed) }
      _ = await signal.wait(until: deadline, on: loop)
    }
    return .end
  }

  /// Takes the subscriber off the hub.
  package func cancel() { hub.remove(self) }
}
