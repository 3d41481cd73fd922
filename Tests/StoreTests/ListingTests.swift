import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Mailboxes that a server lists") struct ListingTests {
  @Test func `a name longer than an index takes is stored, and is one mailbox`() async throws {
    try await StoreFixture.with { fixture in
      // Of letters that nothing compresses.
      var random = SeededRandom(seed: 2704)
      let letters = (0..<20_000).map { _ in UInt8.random(in: 0x61...0x70, using: &random) }
      let name = String(decoding: letters, as: UTF8.self)
      let listings = [StoreFixture.listing("INBOX"), StoreFixture.listing(name)]
      let first = try await fixture.store.storeListing(listings, of: fixture.account)
      let again = try await fixture.store.storeListing(listings, of: fixture.account)
      #expect(first.map(\.encodedName).contains(name))
      #expect(first.map(\.id) == again.map(\.id))
    }
  }
}
