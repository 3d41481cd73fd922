import MIME
import MailProtocols
import Model
import Testing

@testable import Engine

@Suite("The cache of bodies") struct BodyCacheTests {
  private func key(_ number: Int64) -> BodyCache.Key {
    BodyCache.Key(message: ID(number), section: .message, encoding: .binary)
  }

  private func cache() -> BodyCache {
    var limits = BodyCacheLimits()
    (limits.accountBytes, limits.allBytes, limits.sectionBytes) = (120, 300, 60)
    limits.entryBytes = 10
    return BodyCache(limits)
  }

  @Test func `what was not used for longest goes first, and what is too long never comes`() {
    let (cache, account) = (cache(), ID<Account>(1))
    for number in 1...2 {
      cache.keep([UInt8](repeating: UInt8(number), count: 40), as: key(Int64(number)), of: account)
    }
    #expect(cache.find(key(1), of: account)?.count == 40)
    cache.keep([UInt8](repeating: 3, count: 40), as: key(3), of: account)
    #expect(cache.find(key(2), of: account) == nil)
    #expect(cache.find(key(1), of: account) != nil && cache.find(key(3), of: account) != nil)
    cache.keep([UInt8](repeating: 4, count: 61), as: key(4), of: account)
    #expect(cache.find(key(4), of: account) == nil && cache.find(key(1), of: account) != nil)
    // The same once more takes its own place.
    for _ in 0..<5 { cache.keep([UInt8](repeating: 1, count: 50), as: key(1), of: account) }
    #expect(cache.find(key(1), of: account)?.count == 50 && cache.find(key(3), of: account) != nil)
  }

  @Test func `all accounts share a bound, and one that goes is forgotten`() {
    let cache = cache()
    for number in 1...4 as ClosedRange<Int64> {
      for item in 1...2 as ClosedRange<Int64> {
        cache.keep([UInt8](repeating: 0, count: 50), as: key(item), of: ID(number))
      }
    }
    let kept = (1...4 as ClosedRange<Int64>).map { number in
      (1...2 as ClosedRange<Int64>).count { cache.find(key($0), of: ID<Account>(number)) != nil }
    }
    #expect(kept == [0, 1, 2, 2])
    cache.forget(ID(3))
    #expect(cache.find(key(1), of: ID<Account>(3)) == nil)
    #expect(cache.find(key(1), of: ID<Account>(4)) != nil)
  }

  @Test func `what is empty takes room too`() {
    let cache = cache()
    for number in 1...30 as ClosedRange<Int64> { cache.keep([], as: key(number), of: ID(1)) }
    #expect(cache.find(key(18), of: ID<Account>(1)) == nil)
    #expect(cache.find(key(19), of: ID<Account>(1)) == [])
    // An account with nothing but such bodies goes when others need the room.
    for number in 2...6 as ClosedRange<Int64> {
      cache.keep([UInt8](repeating: 0, count: 60), as: key(1), of: ID(number))
    }
    #expect((1...30).allSatisfy { cache.find(key($0), of: ID<Account>(1)) == nil })
    #expect(cache.find(key(1), of: ID<Account>(6)) != nil)
  }

  @Test func `the order of use holds whatever is removed`() {
    var order = RecentlyUsed<Int>()
    for number in [1, 2, 3, 4, 2] { order.use(number) }
    order.remove(3)
    order.remove(9)
    var found: [Int] = []
    while let oldest = order.oldest {
      found.append(oldest)
      order.remove(oldest)
    }
    #expect(found == [1, 4, 2])
    order.use(5)
    #expect(order.oldest == 5)
  }

  @Test func `a recording keeps all or nothing`() {
    let recording = cache().recording()
    recording.append([UInt8](repeating: 1, count: 60))
    #expect(recording.whole?.count == 60)
    recording.append([1])
    #expect(recording.whole == nil)
    recording.append([1])
    #expect(recording.whole == nil)
  }
}
