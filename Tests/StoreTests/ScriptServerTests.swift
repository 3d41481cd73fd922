import Bytes
import Model
import Postgres
import Store
import Testing

@Suite("ManageSieve servers of accounts", .timeLimit(.minutes(6))) struct ScriptServerTests {
  @Test func `rules change while their script is recorded as published`() async throws {
    try await StoreFixture.with { fixture in
      let (store, account) = (fixture.store, fixture.account)
      _ = try await fixture.pool.query(
        "insert into script_server (account_id, runs_rules) values (\(account.rawValue), true)"
      )
      let rule = NewRule(
        name: "Any",
        isEnabled: true,
        trigger: "delivery",
        definition: try JSONReader.parse(Array("{}".utf8).span)
      )
      try await withThrowingTaskGroup { group in
        for _ in 0..<4 {
          group.addTask {
            for _ in 0..<20 {
              _ = try await store.insertRule(rule, at: nil, of: account, limit: 100)
            }
          }
          group.addTask {
            for number in 0..<20 {
              try await store.setPublished(
                "\(number)",
                of: account,
                at: Timestamp(seconds: 1_700_000_000)
              )
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await store.rules(of: account).rules.count == 80)
    }
  }
}
