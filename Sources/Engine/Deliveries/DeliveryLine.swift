import Model
import Net
import Store
import Synchronization

/// Gathers the deliveries to an account that come while a transaction is under way; the next one takes them all.
///
/// The transactions of an account come one after another, and each waits for the disk. One for each message would let an account
/// take as many a second as the disk does; so the busier an account is, the more messages share one. A message that comes alone
/// waits for nothing. Cancelling who delivers ends nothing: others may share the transaction.
final class DeliveryLine: Sendable {
  private typealias Outcome = Result<ID<Message>, ServiceError>

  private struct Waiter {
    var delivery: Delivery
    var continuation: CheckedContinuation<Outcome, Never>
  }

  private let store: Store
  private let configuration: EngineConfiguration
  /// Those who wait, by account; an account that is here has a task that takes them.
  private let waiters = Mutex<[ID<Account>: [Waiter]]>([:])

  init(store: Store, configuration: EngineConfiguration) {
    self.store = store
    self.configuration = configuration
  }

  /// Keeps a message; it is durable when this returns.
  func deliver(
    _ delivery: Delivery,
    to account: ID<Account>
  ) async throws(ServiceError) -> ID<Message> {
    let outcome = await withCheckedContinuation { continuation in
      let waiter = Waiter(delivery: delivery, continuation: continuation)
      let isFirst = waiters.withLock { waiters in
        defer { waiters[account, default: []].append(waiter) }
        return waiters[account] == nil
      }
      guard isFirst else { return }
      // Whoever waits in the line waits for this task.
      Task(executorPreference: EventLoop.current) { await self.serve(account) }
    }
    return try outcome.get()
  }

  /// Takes who waits, transaction by transaction, until nobody does.
  private func serve(_ account: ID<Account>) async {
    while let batch = takeBatch(of: account) {
      let outcomes = await deliver(batch.map(\.delivery), to: account)
      for (waiter, outcome) in zip(batch, outcomes) {
        waiter.continuation.resume(returning: outcome)
      }
    }
  }

  /// The next of the line, as many as one transaction takes; nil where nobody waits.
  private func takeBatch(of account: ID<Account>) -> [Waiter]? {
    waiters.withLock { waiters in
      guard let line = waiters[account], !line.isEmpty else {
        waiters[account] = nil
        return nil
      }
      var bytes: Int64 = 0
      let batch = line.prefix(configuration.deliveryBatch).prefix { waiter in
        defer { bytes += waiter.delivery.blob.size }
        return bytes < configuration.deliveryBytes
      }
      waiters[account] = Array(line[batch.endIndex...])
      return Array(batch)
    }
  }

  /// Keeps messages that came together, one transaction for all unless one of them is not taken.
  func deliver(
    _ batch: [Delivery],
    to account: ID<Account>
  ) async -> [Result<ID<Message>, ServiceError>] {
    do throws(ServiceError) {
      return try await store.deliver(batch, to: account, quota: configuration.quotaBytes)
    } catch {
      guard batch.count > 1, !error.isRetryable else {
        return batch.map { _ in .failure(error) }
      }
    }
    // One that the database does not take must not hold up the others.
    var outcomes: [Outcome] = []
    for delivery in batch { outcomes += await deliver([delivery], to: account) }
    return outcomes
  }
}
