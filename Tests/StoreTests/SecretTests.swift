import Model
import Postgres
import Store
import Testing

@Suite("Secrets and idempotency keys", .timeLimit(.minutes(6))) struct SecretTests {
  @Test func `a sealed secret opens for its own account and column alone`() async throws {
    try await StoreFixture.with { fixture in
      let (store, pool) = (fixture.store, fixture.pool)
      let other = try await StoreFixture.newAccount(store, secret: Secret("of another"))
      #expect(try await store.secrets(of: fixture.account).incoming?.value == "secret")
      #expect(try await store.secrets(of: other).incoming?.value == "of another")
      let stored = try await pool.query(
        "select incoming_secret from account where id = \(other.rawValue)"
      )
      let text = String(decoding: try stored.byteArray(0, 0), as: UTF8.self)
      #expect(!text.contains("another"))
      _ = try await pool.query(
        """
        update account set incoming_secret = (select incoming_secret from account
          where id = \(fixture.account.rawValue)) where id = \(other.rawValue)
        """
      )
      #expect(await errorCode { _ = try await store.secrets(of: other) } == .internalError)
      _ = try await pool.query(
        """
        update account set outgoing_secret = incoming_secret, incoming_secret = null
        where id = \(fixture.account.rawValue)
        """
      )
      #expect(
        await errorCode { _ = try await store.secrets(of: fixture.account) } == .internalError
      )
    }
  }

  @Test func `an idempotency key is claimed once and gives its first answer`() async throws {
    try await StoreFixture.with { fixture in
      let store = fixture.store
      let token = try await store.insertToken(
        name: nil,
        digest: [1],
        scopes: ["admin"],
        accounts: nil,
        expiresAt: nil
      ).id
      func begin(_ fingerprint: UInt8) async throws -> String {
        switch try await store.beginIdempotent(
          token: token,
          key: "key",
          fingerprint: [fingerprint]
        )
        {
        case .fresh: "fresh"
        case .running: "running"
        case .reused: "reused"
        case .done(let status, _, let location, let body):
          "\(status) \(location ?? "") \(String(decoding: body ?? [], as: UTF8.self))"
        }
      }
      #expect(try await begin(1) == "fresh")
      #expect(try await begin(1) == "running")
      #expect(try await begin(2) == "reused")
      try await store.abandonIdempotent(token: token, key: "key")
      #expect(try await begin(2) == "fresh")
      try await store.finishIdempotent(
        token: token,
        key: "key",
        status: 201,
        contentType: "application/json",
        location: "/x",
        body: [UInt8]("{}".utf8)
      )
      #expect(try await begin(2) == "201 /x {}")
      #expect(try await begin(1) == "reused")
      try await store.abandonIdempotent(token: token, key: "key")
      #expect(try await begin(2) == "201 /x {}")
    }
  }

  @Test func `a deleted account takes all that is its own with it`() async throws {
    try await StoreFixture.with { fixture in
      try await fixture.merge([StoreFixture.mail(1), StoreFixture.mail(2)])
      #expect(try await fixture.store.deleteAccount(fixture.account))
      #expect(try await !fixture.store.deleteAccount(fixture.account))
      for table in ["message", "placement", "mailbox", "change"] {
        let rows = try await fixture.pool.query(SQL(unsafeSQL: "select count(*) from \(table)"))
        #expect(try rows.int64(0, 0) == 0, "\(table)")
      }
    }
  }
}
