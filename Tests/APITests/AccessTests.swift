import Bytes
import Crypto
import HTTP
import Model
import Testing

@testable import API

@Suite("Tokens and scopes") struct AccessTests {
  private func access(
    _ scopes: Set<String>,
    accounts: [ID<Account>]? = nil,
    id: Int64 = 1
  ) -> Access {
    Access(tokenID: ID(id), scopes: scopes, accounts: accounts)
  }

  @Test func `a token has the scopes it was given, and admin has them all`() {
    #expect(access(["read"]).allows(.read))
    #expect(!access(["read"]).allows(.write))
    #expect(!access(["read", "write", "send"]).allows(.admin))
    for scope in Scope.grantable { #expect(access(["admin"]).allows(scope)) }
    #expect(access([]).allows(.any))
  }

  @Test func `a token bound to accounts sees no other`() {
    #expect(access([], accounts: nil).allows(ID<Account>(7)))
    #expect(access([], accounts: [ID(7)]).allows(ID<Account>(7)))
    #expect(!access([], accounts: [ID(8)]).allows(ID<Account>(7)))
  }

  @Test func `a token is random and only its digest is stored`() throws {
    let one = try BearerToken.generate()
    let other = try BearerToken.generate()
    #expect(one.secret != other.secret)
    #expect(one.secret.hasPrefix("rst_") && one.secret.utf8.count == 47)
    #expect(BearerToken.digest(from: ["Authorization": "Bearer \(one.secret)"]) == one.digest)
    #expect(BearerToken.digest(from: ["authorization": "bearer  \(one.secret) "]) == one.digest)
  }

  @Test(arguments: ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer\u{e9}", "Bearerx"])
  func `what shows no token has no digest`(field: String) {
    #expect(BearerToken.digest(from: ["Authorization": field]) == nil)
  }

  @Test func `the cache believes a token for a while, and not after it was revoked`() {
    let cache = TokenCache(lifetime: .seconds(5))
    let now = ContinuousClock.now
    let digest: [UInt8] = [1, 2, 3]
    #expect(cache.access(for: digest, now: now) == nil)
    cache.insert(access(["read"]), for: digest, endsIn: nil, now: now)
    #expect(cache.access(for: digest, now: now.advanced(by: .seconds(4))) != nil)
    #expect(cache.access(for: digest, now: now.advanced(by: .seconds(5))) == nil)
    cache.insert(access(["read"]), for: digest, endsIn: nil, now: now)
    cache.remove(ID(1))
    #expect(cache.access(for: digest, now: now) == nil)
  }

  @Test func `the cache never outlives the token`() {
    let cache = TokenCache(lifetime: .seconds(5))
    let now = ContinuousClock.now
    cache.insert(access(["read"]), for: [1], endsIn: .seconds(1), now: now)
    #expect(cache.access(for: [1], now: now.advanced(by: .seconds(2))) == nil)
  }

  @Test func `the cache is bounded`() {
    let cache = TokenCache(lifetime: .seconds(5), capacity: 10)
    let now = ContinuousClock.now
    for number in 0..<100 as Range<UInt8> {
      cache.insert(access([]), for: [number], endsIn: nil, now: now)
    }
    let held = (0..<100 as Range<UInt8>).filter { cache.access(for: [$0], now: now) != nil }
    #expect(held.count <= 10)
    #expect(cache.access(for: [99], now: now) != nil)
  }
}
