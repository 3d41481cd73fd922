import MIME
import MailProtocols
import Model
import Synchronization

/// Bodies that were read from servers a moment ago, so that who reads a message again asks no server.
///
/// They are in memory, within bounds, those not used for longest going first. What a server has of a message never changes (RFC 9051
/// §2.3.1.1), and one whose header a rule changed is kept here whole from then on, so that nobody asks for it here: nothing is ever
/// out of date. And it is no copy that anything relies on: a restart forgets it.
final class BodyCache: Sendable {
  /// What was read.
  struct Key: Hashable {
    var message: ID<Message>
    var section: BodySection
    var encoding: TransferEncoding
  }

  /// The bodies of one account.
  private struct Shelf {
    var bodies: [Key: [UInt8]] = [:]
    var order = RecentlyUsed<Key>()
    /// What the bodies take, each with what it takes besides.
    var bytes = 0

    mutating func add(_ key: Key, _ body: [UInt8], _ limits: BodyCacheLimits) {
      bodies[key] = body
      order.use(key)
      bytes += body.count + limits.entryBytes
    }

    mutating func remove(_ key: Key, _ limits: BodyCacheLimits) {
      guard let body = bodies.removeValue(forKey: key) else { return }
      bytes -= body.count + limits.entryBytes
      order.remove(key)
    }

    mutating func removeOldest(_ limits: BodyCacheLimits) {
      if let key = order.oldest { remove(key, limits) }
    }
  }

  private struct State {
    var shelves: [ID<Account>: Shelf] = [:]
    var order = RecentlyUsed<ID<Account>>()
    var bytes = 0
  }

  private let state = Mutex(State())
  private let limits: BodyCacheLimits

  init(_ limits: BodyCacheLimits) { self.limits = limits }

  /// What was read before; nil where it is not kept.
  func find(_ key: Key, of account: ID<Account>) -> [UInt8]? {
    state.withLock { state in
      guard let bytes = state.shelves[account]?.bodies[key] else { return nil }
      state.shelves[account]?.order.use(key)
      state.order.use(account)
      return bytes
    }
  }

  /// Keeps what was read, as far as there is room for it.
  func keep(_ bytes: [UInt8], as key: Key, of account: ID<Account>) {
    guard bytes.count <= limits.sectionBytes,
      bytes.count + limits.entryBytes <= min(limits.accountBytes, limits.allBytes)
    else { return }
    state.withLock { state in
      var shelf = state.shelves.removeValue(forKey: account) ?? Shelf()
      let before = shelf.bytes
      shelf.remove(key, limits)
      shelf.add(key, bytes, limits)
      while shelf.bytes > limits.accountBytes { shelf.removeOldest(limits) }
      state.bytes += shelf.bytes - before
      state.shelves[account] = shelf
      state.order.use(account)
      while state.bytes > limits.allBytes, let longestAgo = state.order.oldest {
        shorten(&state, longestAgo)
      }
    }
  }

  /// Forgets what was read of an account.
  func forget(_ account: ID<Account>) {
    state.withLock { state in
      state.bytes -= state.shelves.removeValue(forKey: account)?.bytes ?? 0
      state.order.remove(account)
    }
  }

  /// Forgets the body of `account` that was not used for longest.
  private func shorten(_ state: inout State, _ account: ID<Account>) {
    let before = state.shelves[account]?.bytes ?? 0
    state.shelves[account]?.removeOldest(limits)
    let after = state.shelves[account]?.bytes ?? 0
    state.bytes -= before - after
    if after == 0 {
      state.shelves[account] = nil
      state.order.remove(account)
    }
  }

  /// Collects what goes to a reader, up to the longest that is kept.
  final class Recording: Sendable {
    private let bytes = Mutex<[UInt8]?>([])
    private let limit: Int

    init(upTo limit: Int) { self.limit = limit }

    /// Takes up a piece; once there is too much, nothing is kept of it.
    func append(_ piece: [UInt8]) {
      bytes.withLock { bytes in
        guard let count = bytes?.count else { return }
        if count + piece.count > limit { bytes = nil } else { bytes? += piece }
      }
    }

    /// All that came; nil where it was too much.
    var whole: [UInt8]? { bytes.withLock { $0 } }
  }

  /// A recording of something that may be kept.
  func recording() -> Recording { Recording(upTo: limits.sectionBytes) }
}
