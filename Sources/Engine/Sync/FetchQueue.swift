import MailProtocols
import Store
import Synchronization

/// The messages of a first sync that are still to be fetched, newest first, in sets that connections share.
///
/// It knows what was given out and is not stored yet: a mailbox counts as synced down to what lies above all of that.
final class FetchQueue: Sendable {
  private struct State {
    /// Oldest first.
    var waiting: [UIDSet]
    var taken: [UIDSet] = []
    var isHelped = false
    var isAnswered = false
  }

  private let state: Mutex<State>

  init(_ uids: UIDSet, batch: Int, first: Int) {
    let (page, rest) = uids.split(after: first, newestFirst: true)
    let sets = [page] + rest.chunks(of: batch, newestFirst: true)
    state = Mutex(State(waiting: sets.reversed().filter { !$0.isEmpty }))
  }

  /// Whether the second connection has taken any.
  var isHelped: Bool { state.withLock { $0.isHelped } }

  /// The next set; nil where none is left.
  func take(asHelper: Bool = false) -> UIDSet? {
    state.withLock { state in
      guard let next = state.waiting.popLast() else { return nil }
      state.taken.append(next)
      if asHelper { state.isHelped = true }
      return next
    }
  }

  /// Gives out no more; what was not given out stays in `rest`.
  func close() {
    state.withLock { state in
      state.taken += state.waiting
      state.waiting = []
    }
  }

  /// Notes that the messages of a set are about to be stored; down to where all are then.
  func finish(_ rows: [NewMessage]) -> MailboxProgress {
    let uids = rows.compactMap(\.uid)
    guard let lowest = uids.min() else { return MailboxProgress() }
    let left = state.withLock { state in
      let uid = UID(UInt32(clamping: lowest))
      state.taken.removeAll { $0.contains(uid) }
      return (state.waiting + state.taken).compactMap(\.bounds?.upperBound.value).max()
    }
    return MailboxProgress(syncedDownTo: left.map { max(Int64($0) + 1, lowest) } ?? lowest)
  }

  /// Notes that all was answered: what no answer named is gone from the server.
  func noteAnswered() { state.withLock { $0.isAnswered = true } }

  /// What is to be fetched again, once all that was read is stored.
  var rest: UIDSet {
    state.withLock { state in
      guard !state.isAnswered else { return UIDSet() }
      var rest = UIDSet()
      for set in state.waiting + state.taken { rest.formUnion(set) }
      return rest
    }
  }
}
