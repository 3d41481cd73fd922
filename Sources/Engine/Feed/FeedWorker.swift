import Logging
import Model
import Net
import Store

/// What one node does for the feed: reads it for its subscribers, tells other nodes of commits, and trims it.
struct FeedWorker: Sendable {
  private let hub: FeedHub
  private let loop: EventLoop
  private let services: EngineServices
  private let limits: FeedLimits
  /// What other nodes know this one by.
  private let node = String(UInt64.random(in: 0 ... .max), radix: 36)
  /// Wakes the task that notifies.
  private let commits = LoopSignal()
  /// Wakes the task that indexes.
  private let changes = LoopSignal()

  init(_ hub: FeedHub, on loop: EventLoop, _ services: EngineServices) {
    self.hub = hub
    self.loop = loop
    self.services = services
    limits = services.configuration.feed
  }

  /// Works until the task is cancelled.
  func run() async {
    services.store.commits.listen { [commits, changes, hub] in
      commits.notify(.feed)
      changes.notify(.feed)
      hub.signal.notify(.feed)
    }
    await withDiscardingTaskGroup { group in
      group.addTask(executorPreference: loop) { await read() }
      group.addTask(executorPreference: loop) { await notify() }
      group.addTask(executorPreference: loop) { await watchTokens() }
      group.addTask(executorPreference: loop) { await trim() }
      group.addTask(executorPreference: loop) { await index() }
      group.addTask(executorPreference: loop) {
        await services.store.listenToFeed { name in
          if name != node { hub.signal.notify(.feed) }
        }
      }
    }
    services.store.commits.listen(nil)
  }

  // MARK: - Reading

  /// Reads the feed whenever something may be there and somebody listens.
  private func read() async {
    var heldUp: Duration?
    while !Task.isCancelled {
      let pause = heldUp ?? limits.pollInterval
      _ = await hub.signal.wait(until: .after(pause), on: loop)
      guard let position = hub.position else {
        heldUp = nil
        continue
      }
      do throws(ServiceError) {
        let slice = try await services.store.feedSlice(after: position, limit: limits.readRows)
        hub.publish(slice.transactions.map(FeedEvent.init), after: position, upTo: slice.position)
        if slice.hasMore { hub.signal.notify(.feed) }
        heldUp = slice.isHeldUp ? min((heldUp ?? .milliseconds(1)) * 2, limits.heldUpInterval) : nil
      } catch {
        services.logger.debug("feed not read", metadata: ["reason": "\(error.cause ?? "")"])
        heldUp = nil
      }
      await sleep(limits.readInterval)
    }
  }

  // MARK: - Telling others

  /// Notifies other nodes after commits here: one notification for all of a few milliseconds.
  private func notify() async {
    while !Task.isCancelled {
      guard await commits.wait(until: nil, on: loop).contains(.feed) else { continue }
      do throws(ServiceError) {
        try await services.store.notifyFeed(from: node)
      } catch {
        // Other nodes find it by their poll.
        services.logger.debug("feed not notified", metadata: ["reason": "\(error.cause ?? "")"])
      }
      await sleep(limits.notifyInterval)
    }
  }

  // MARK: - Tokens

  /// Ends the streams whose tokens were revoked elsewhere, or have expired.
  private func watchTokens() async {
    while !Task.isCancelled {
      await sleep(limits.tokenInterval)
      let tokens = hub.tokens
      guard !tokens.isEmpty else { continue }
      do throws(ServiceError) {
        for token in try await services.store.endedTokens(among: tokens) { hub.end(token) }
      } catch {
        services.logger.debug("tokens not read", metadata: ["reason": "\(error.cause ?? "")"])
      }
    }
  }

  // MARK: - Trimming

  /// Forgets what is older than the feed is kept, and what ties messages to threads that are gone.
  private func trim() async {
    while !Task.isCancelled {
      do throws(ServiceError) {
        if let age = limits.retention?.components.seconds {
          while try await services.store.trimFeed(olderThan: age, limit: limits.trimRows) {}
        }
        try await services.store.forgetDeadThreads()
        try await services.store.expireRuleUndo()
      } catch {
        services.logger.debug("feed not trimmed", metadata: ["reason": "\(error.cause ?? "")"])
      }
      await sleep(limits.trimInterval)
    }
  }

  // MARK: - Searches

  /// Adds what appeared to the index of texts, when the accounts have come to rest.
  private func index() async {
    var unsettled = 0
    while !Task.isCancelled {
      do throws(ServiceError) {
        var step = Store.IndexStep.added(0)
        while case .added(let count) = step, !Task.isCancelled {
          unsettled += count
          step = try await services.store.indexForSearch(
            limit: limits.indexRows,
            width: limits.indexWidth
          )
        }
        try await indexBlobs()
        if unsettled >= limits.indexSettle {
          try await services.store.settleSearchIndex(after: unsettled)
          unsettled = 0
          // Rows of a whole mailbox went through the heap for it.
          Heap.releaseFreeMemory(after: limits.indexQuiet, on: loop)
        }
      } catch {
        services.logger.debug("messages not indexed", metadata: ["reason": "\(error.cause ?? "")"])
      }
      // Woken by commits here, and now and then for what others left, or an open transaction held up.
      _ = await changes.wait(until: .after(limits.indexDelay), on: loop)
      await waitForQuiet()
    }
  }

  /// Waits until nothing was committed for a while and no first sync runs: indexing costs PostgreSQL more than a sync does.
  private func waitForQuiet() async {
    let begin = Deadline.now
    let firstSyncs = services.store.firstSyncs
    while !Task.isCancelled {
      let longest = firstSyncs.areRunning ? limits.indexFirstSyncDelay : limits.indexDelay
      guard Deadline.now < begin + longest else { return }
      let isQuiet = await changes.wait(until: .after(limits.indexQuiet), on: loop).isEmpty
      if isQuiet, !firstSyncs.areRunning { return }
    }
  }

  /// Reads the texts of raw messages kept here.
  private func indexBlobs() async throws(ServiceError) {
    let configuration = services.configuration
    while !Task.isCancelled {
      let blobs = try await services.store.unreadBlobs(limit: configuration.searchBlobs)
      for blob in blobs {
        let texts = try await services.store.texts(
          of: blob.id,
          in: blob.account,
          limit: configuration.searchBlobBytes
        )
        try await services.store.setTexts(texts, of: blob.id, in: blob.account)
      }
      guard blobs.count == configuration.searchBlobs else { return }
    }
  }

  private func sleep(_ duration: Duration) async {
    do throws(NetError) {
      try await loop.sleep(until: .after(duration))
    } catch {
      return  // Cancelled; the caller's loop ends.
    }
  }
}
