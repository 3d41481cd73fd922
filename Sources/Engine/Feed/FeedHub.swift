package import Model
package import Store
import Synchronization

/// Everybody on this node who listens to the feed, fed by one reader.
///
/// `position` is where the reader stands. An event is offered in the same critical section in which the
/// position moves past it, so a subscriber that joins at a position gets exactly what lies behind it.
package final class FeedHub: Sendable {
  private struct State {
    /// Those who listen to all accounts, and those who listen to some, by account.
    var toAll: [ObjectIdentifier: FeedSubscription] = [:]
    var byAccount: [ID<Account>: [ObjectIdentifier: FeedSubscription]] = [:]
    var everybody: [ObjectIdentifier: FeedSubscription] = [:]
    /// Nil while nobody listens and nothing is read.
    var position: FeedPosition?
    var isClosed = false
  }

  package let limits: FeedLimits
  /// Wakes the reader.
  let signal = LoopSignal()
  private let state = Mutex(State())

  init(_ limits: FeedLimits) { self.limits = limits }

  /// Where the reader stands; nil while nobody listens.
  var position: FeedPosition? { state.withLock { $0.position } }

  /// Whether somebody more may listen.
  package var hasRoom: Bool {
    state.withLock { !$0.isClosed && $0.everybody.count < limits.subscribers }
  }

  /// Adds one who has read the feed up to `position`; nil where there is no room, or the service ends.
  ///
  /// It is told of what comes after `joinedAt`: what lies between is for the caller to read.
  package func subscribe(
    token: ID<Token>,
    accounts: [ID<Account>]?,
    nouns: FeedNouns,
    at position: FeedPosition
  ) -> (subscription: FeedSubscription, joinedAt: FeedPosition)? {
    let subscription = FeedSubscription(token: token, accounts: accounts, nouns: nouns, hub: self)
    let joinedAt = state.withLock { state -> FeedPosition? in
      guard !state.isClosed, state.everybody.count < limits.subscribers else { return nil }
      let key = ObjectIdentifier(subscription)
      state.everybody[key] = subscription
      if let accounts {
        for account in accounts { state.byAccount[account, default: [:]][key] = subscription }
      } else {
        state.toAll[key] = subscription
      }
      let joinedAt = state.position ?? position
      state.position = joinedAt
      return joinedAt
    }
    guard let joinedAt else { return nil }
    signal.notify(.feed)
    return (subscription, joinedAt)
  }

  func remove(_ subscription: FeedSubscription) {
    state.withLock { state in
      let key = ObjectIdentifier(subscription)
      state.everybody[key] = nil
      state.toAll[key] = nil
      for account in subscription.accounts ?? [] {
        state.byAccount[account]?[key] = nil
        if state.byAccount[account]?.isEmpty == true { state.byAccount[account] = nil }
      }
      if state.everybody.isEmpty { state.position = nil }
    }
  }

  /// Offers what was read after `start` to whom it concerns and moves on to `end`.
  ///
  /// Nothing is done if the hub stands elsewhere by now.
  func publish(_ events: [FeedEvent], after start: FeedPosition, upTo end: FeedPosition) {
    state.withLock { state in
      guard state.position == start else { return }
      state.position = end
      for event in events {
        let nouns = event.transaction.changes.nouns
        let some = state.byAccount[event.transaction.account] ?? [:]
        for subscription in some.values where !subscription.nouns.isDisjoint(with: nouns) {
          subscription.offer(event, limit: limits.queuedEvents)
        }
        for subscription in state.toAll.values where !subscription.nouns.isDisjoint(with: nouns) {
          subscription.offer(event, limit: limits.queuedEvents)
        }
      }
    }
  }

  /// The tokens of all who listen.
  var tokens: [ID<Token>] { state.withLock { Array(Set($0.everybody.values.map(\.token))) } }

  /// Ends the streams that were opened with `token`, which no longer holds.
  package func end(_ token: ID<Token>) {
    let ended = state.withLock { $0.everybody.values.filter { $0.token == token } }
    for subscription in ended { subscription.end() }
  }

  /// Ends every stream and takes no more.
  package func close() {
    let ended = state.withLock { state in
      state.isClosed = true
      return state.everybody.values.map { $0 }
    }
    for subscription in ended { subscription.end() }
  }
}
