import Synchronization

/// Hands pieces, of a body or of a sync, from a task on one loop to a task on another, one at a time.
///
/// The producer waits until its piece was taken, so that a slow reader holds the server back and no
/// more than one piece waits. Each side resumes on its own loop.
final class Handoff<Piece: Sendable>: Sendable {
  private struct State {
    var piece: Piece?
    var isFinished = false
    var isCancelled = false
    var failure: (any Error)?
    var reader: CheckedContinuation<Void, Never>?
    var writer: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  /// Gives `piece` to the reader and waits until it has it.
  func send(_ piece: Piece) async throws {
    state.withLock { state in
      state.piece = piece
      defer { state.reader = nil }
      return state.reader
    }?.resume()
    await withCheckedContinuation { continuation in
      let isTaken = state.withLock { state in
        if state.piece == nil || state.isCancelled { return true }
        state.writer = continuation
        return false
      }
      if isTaken { continuation.resume() }
    }
    if state.withLock({ $0.isCancelled }) { throw CancellationError() }
  }

  /// No piece follows; the reader gets `failure`, if there is one, after what it has not taken.
  func finish(_ failure: (any Error)?) {
    state.withLock { state in
      state.isFinished = true
      state.failure = failure
      defer { state.reader = nil }
      return state.reader
    }?.resume()
  }

  /// The reader wants no more, or its task was cancelled.
  func cancel() {
    let waiters = state.withLock { state in
      state.isCancelled = true
      defer {
        state.reader = nil
        state.writer = nil
      }
      return (state.reader, state.writer)
    }
    waiters.0?.resume()
    waiters.1?.resume()
  }

  /// The next piece; nil after the last one.
  func next() async throws -> Piece? {
    while true {
      let (piece, writer, isOver) = state.withLock { state in
        defer {
          state.piece = nil
          state.writer = nil
        }
        return (state.piece, state.writer, state.isFinished || state.isCancelled)
      }
      writer?.resume()
      if let piece { return piece }
      if isOver {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        if state.withLock({ $0.isCancelled }) { throw CancellationError() }
        return nil
      }
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if state.piece != nil || state.isFinished || state.isCancelled { return true }
          state.reader = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    }
  }
}
