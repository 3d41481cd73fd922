import Bytes
import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

// The first sync of a mailbox, a pipeline of three: this task reads batches, the helper loop makes rows of them, and a
// third task stores those. Each works on the next batch as soon as it can, with one that waits between two of them, so
// that none stands still for as long as another takes for a batch that is harder for it.
//
// A large mailbox may be read by two connections, that for commands and one of those for bodies: a server that has not
// read the messages before is bound by one core of its own for each. One that has is faster than what follows here, and
// is not asked to do more at once.

extension MailboxSync {
  /// What the tasks of the pipeline share.
  private struct Pipeline: Sendable {
    let queue: FetchQueue
    let fetched = Handoff<[FetchedMessage]>()
    let made = Handoff<[NewMessage]>()
    let underWay = BatchesUnderWay()
    /// Two may read.
    let turn = TaskLock()

    func hand(on batch: [FetchedMessage]) async throws {
      underWay.begin()
      try await turn.withLock { try await fetched.send(batch) }
    }
  }

  /// Fetches `missing` newest first until the end or until intents want the connection; what is left.
  func fetchDownwards(
    _ missing: UIDSet,
    _ mailbox: Mailbox,
    _ selected: inout SelectedMailbox
  ) async throws -> UIDSet {
    let pipeline = Pipeline(
      queue: FetchQueue(missing, batch: configuration.batch, first: configuration.firstBatch)
    )
    let isHelped = missing.count >= configuration.helpedFrom && !hasIntents()
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: helper) { [now] in await Self.makeRows(pipeline, now) }
      group.addTask { [store] in try await Self.storeRows(pipeline, store, mailbox) }
      var isInterrupted = false
      var failure: (any Error)?
      do {
        if isHelped {
          isInterrupted = try await readHelped(pipeline, mailbox)
        } else {
          isInterrupted = try await read(pipeline)
        }
      } catch {
        failure = error
      }
      pipeline.fetched.finish(failure)
      // Where storing failed, that is the reason; the reading was only broken off.
      try await group.waitForAll()
      if let failure { throw failure }
      if isHelped, isInterrupted { isInterrupted = try await betweenBatches() }
      if isInterrupted { selected = try await reselect(mailbox) }
      return pipeline.queue.rest
    }
  }

  /// Reads on this connection alone; whether intents have used it in between, so that the rest is to be fetched anew.
  private func read(_ pipeline: Pipeline) async throws -> Bool {
    let fetch = client.fetchSummaries { pipeline.queue.take() }
    while let batch = try await fetch.next() {
      try await pipeline.hand(on: batch)
      guard hasIntents() else { continue }
      // Intents must find all that was read.
      await pipeline.underWay.wait()
      if try await betweenBatches() { return true }
    }
    pipeline.queue.noteAnswered()
    return false
  }

  /// Reads on this connection, and on a second one where the server is what is waited for; whether intents want the first.
  private func readHelped(_ pipeline: Pipeline, _ mailbox: Mailbox) async throws -> Bool {
    let (queue, second) = (pipeline.queue, second)
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      let fetch = client.fetchSummaries { queue.take() }
      var (isInterrupted, isJudged, batches) = (false, false, 0)
      var asked = Deadline.now
      while let batch = try await fetch.next() {
        let read = (Deadline.now - asked) / max(batch.count, 1)
        try await pipeline.hand(on: batch)
        asked = .now
        batches += 1
        // The first page is too small to tell.
        if !isJudged, batches > 2, let stored = pipeline.underWay.pace {
          isJudged = true
          if read >= stored * configuration.helpedSlowness {
            group.addTask { await Self.help(pipeline, mailbox, second) }
          }
        }
        guard !isInterrupted, hasIntents() else { continue }
        isInterrupted = true
        queue.close()
      }
      // It may still wait for its turn to connect.
      if !queue.isHelped { group.cancelAll() }
      let isWhole = try await group.next() ?? true
      if isWhole, !isInterrupted { queue.noteAnswered() }
      return isInterrupted
    }
  }

  /// Reads on a second connection; false where it could not go on with what it had taken, which the first fetches then.
  private static func help(
    _ pipeline: Pipeline,
    _ mailbox: Mailbox,
    _ second: @Sendable () async throws -> IMAPClient
  ) async -> Bool {
    do {
      let client = try await second()
      defer { client.close() }
      let opened = try await client.examine(mailbox.imapName)
      guard opened.storedUIDValidity == mailbox.uidValidity else { return true }
      let fetch = client.fetchSummaries { pipeline.queue.take(asHelper: true) }
      while let batch = try await fetch.next() { try await pipeline.hand(on: batch) }
      return true
    } catch {
      return !pipeline.queue.isHelped
    }
  }

  private static func makeRows(_ pipeline: Pipeline, _ now: () -> Timestamp) async {
    let (fetched, made) = (pipeline.fetched, pipeline.made)
    do {
      while let batch = try await fetched.next() {
        // Those of which nothing was told are missing at the end of the pass, which looks again.
        let whole = batch.contains(where: \.isHollow) ? batch.filter { !$0.isHollow } : batch
        try await made.send(rows(of: whole, now))
      }
      made.finish(nil)
    } catch {
      // Who stores has the reason, or is told it.
      made.finish(error)
      fetched.cancel()
    }
  }

  private static func storeRows(
    _ pipeline: Pipeline,
    _ store: Store,
    _ mailbox: Mailbox
  ) async throws {
    defer { pipeline.underWay.end() }
    do {
      while let rows = try await pipeline.made.next() {
        let begin = Deadline.now
        if !rows.isEmpty {
          try await store.merge(rows, into: mailbox, progress: pipeline.queue.finish(rows))
        }
        pipeline.underWay.finishOne(pace: (.now - begin) / max(rows.count, 1))
      }
    } catch {
      pipeline.made.cancel()
      throw error
    }
  }

  /// Rows for fetched messages; a yield now and then lets requests on the same loop through.
  static func rows(
    of batch: [FetchedMessage],
    _ now: () -> Timestamp
  ) async -> [NewMessage] {
    var rows: [NewMessage] = []
    rows.reserveCapacity(batch.count)
    for index in batch.indices {
      if let row = NewMessage(batch[index], fetchedAt: now()) { rows.append(row) }
      if index % 32 == 31 { await Task.yield() }
    }
    return rows
  }
}

/// Counts the batches that were read and are not stored yet.
private final class BatchesUnderWay: Sendable {
  private struct State {
    var count = 0
    var hasEnded = false
    var pace: Duration?
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func begin() { state.withLock { $0.count += 1 } }

  /// How long a message of the last one took to be stored; nil before the first was.
  var pace: Duration? { state.withLock { $0.pace } }

  func finishOne(pace: Duration) {
    change { state in
      state.count -= 1
      state.pace = pace
    }
  }

  /// Nothing is stored any more.
  func end() { change { $0.hasEnded = true } }

  /// Waits until none is under way.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.count == 0 || state.hasEnded { return true }
        state.waiter = continuation
        return false
      }
      if isOver { continuation.resume() }
    }
  }

  private func change(_ body: (inout State) -> Void) {
    state.withLock { state -> CheckedContinuation<Void, Never>? in
      body(&state)
      guard state.count == 0 || state.hasEnded else { return nil }
      defer { state.waiter = nil }
      return state.waiter
    }?.resume()
  }
}
