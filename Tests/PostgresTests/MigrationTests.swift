import Postgres
import TestSupport
import Testing

@Suite("Migrations", .timeLimit(.minutes(6))) struct MigrationTests {
  private let steps = [
    Migration(number: 1, name: "first", sql: "create table a (n int); create table b (n int);"),
    Migration(number: 2, name: "second", sql: "insert into a values (1); insert into b values (2)"),
  ]

  @Test func `each step runs once, in order`() async throws {
    try await PrivatePostgres.shared.withDatabase { (pool) async throws in
      #expect(try await Migrator().run(Array(steps.prefix(1)), on: pool) == [1])
      #expect(try await Migrator().run(steps, on: pool) == [2])
      #expect(try await Migrator().run(steps, on: pool) == [])
      #expect(try await pool.query("select n from a")[0].int(0) == 1)
    }
  }

  @Test func `nodes that start together migrate once`() async throws {
    try await PrivatePostgres.shared.withDatabase { (pool) async throws in
      let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
        for _ in 0..<6 { group.addTask { try await Migrator().run(steps, on: pool) } }
        return try await group.reduce([], +)
      }
      #expect(applied == [1, 2])
      #expect(try await pool.query("select count(*) from a")[0].int(0) == 1)
    }
  }

  @Test func `a step that fails leaves nothing behind and names itself`() async throws {
    try await PrivatePostgres.shared.withDatabase { (pool) async throws in
      let broken = [
        steps[0],
        Migration(number: 2, name: "broken", sql: "create table c (n int); select nothing"),
      ]
      let error = await failure { try await Migrator().run(broken, on: pool) }
      guard case .failed(2, "broken", .server("42703", _, _)) = error as? MigrationError else {
        Issue.record("got \(String(describing: error))")
        return
      }
      #expect(try await pool.query("select to_regclass('c')::text")[0].optionalString(0) == nil)
      #expect(try await Migrator().run(steps, on: pool) == [2])
    }
  }

  @Test func `a newer database, a changed step and odd numbers are refused`() async throws {
    try await PrivatePostgres.shared.withDatabase { (pool) async throws in
      _ = try await Migrator().run(steps, on: pool)
      await #expect(throws: MigrationError.databaseIsNewer(applied: 2, known: 1)) {
        try await Migrator().run(Array(steps.prefix(1)), on: pool)
      }
      let changed = [steps[0], Migration(number: 2, name: "second", sql: "select 1")]
      await #expect(throws: MigrationError.changed(number: 2, name: "second")) {
        try await Migrator().run(changed, on: pool)
      }
      await #expect(throws: MigrationError.misnumbered(position: 1, number: 2)) {
        try await Migrator().run([steps[1]], on: pool)
      }
    }
  }
}
