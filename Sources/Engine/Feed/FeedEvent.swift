package import Store
import Synchronization

/// What one transaction changed of one account, shared by all subscribers that are told of it.
package final class FeedEvent: Sendable {
  package let transaction: FeedTransaction
  private let encodings = Mutex<[FeedNouns: [UInt8]]>([:])

  package init(_ transaction: FeedTransaction) { self.transaction = transaction }

  /// The event as it is sent to subscribers of `nouns`, made by `encode` once for all of them.
  package func bytes(
    for nouns: FeedNouns,
    _ encode: (FeedTransaction) -> [UInt8]
  ) -> [UInt8] {
    if let known = encodings.withLock({ $0[nouns] }) { return known }
    let bytes = encode(transaction)
    encodings.withLock { $0[nouns] = bytes }
    return bytes
  }
}
