import Postgres
import TestSupport
import Testing

@Suite("Transactions", .timeLimit(.minutes(6))) struct TransactionTests {
  struct Refusal: Error {}

  @Test func `what returns is committed and what throws is rolled back`() async throws {
    try await PrivatePostgres.shared.withDatabase(connectionsPerLoop: 1) { pool in
      _ = try await pool.query("create table t (n bigint primary key)")
      let value = try await pool.transaction { connection in
        _ = try await connection.query("insert into t values (1)")
        return 5
      }
      #expect(value == 5)
      await #expect(throws: Refusal.self) {
        try await pool.transaction { connection in
          _ = try await connection.query("insert into t values (2)")
          throw Refusal()
        }
      }
      await #expect(throws: PostgresError.self) {
        try await pool.transaction { connection in
          _ = try await connection.query("insert into t values (3)")
          _ = try await connection.query("insert into t values (1)")
        }
      }
      #expect(try await pool.query("select n from t").map { try $0.int(0) } == [1])
    }
  }

  @Test func `a cancelled task's transaction is rolled back`() async throws {
    try await PrivatePostgres.shared.withDatabase { pool in
      _ = try await pool.query("create table t (n bigint)")
      let task = Task {
        try await pool.transaction { connection in
          _ = try await connection.query("insert into t values (1)")
          unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
        }
      }
      await #expect(throws: PostgresError.cancelled) { try await task.value }
      #expect(try await pool.query("select 1 from t").isEmpty)
    }
  }

  @Test func `an error that was swallowed does not pass for a commit`() async throws {
    try await PrivatePostgres.shared.withDatabase { pool in
      _ = try await pool.query("create table t (n bigint primary key)")
      let state = await sqlState {
        try await pool.transaction { connection in
          _ = try await connection.query("insert into t values (1)")
          let inner = await sqlState { try await connection.query("insert into t values (1)") }
          #expect(inner == "23505")
        }
      }
      #expect(state == "25P02")
      #expect(try await pool.query("select 1 from t").isEmpty)
    }
  }

  @Test func `a transaction inside another is undone alone`() async throws {
    try await PrivatePostgres.shared.withDatabase { pool in
      _ = try await pool.query("create table t (n bigint primary key)")
      try await pool.transaction { connection in
        let refusal = await failure {
          try await connection.transaction { inner in
            _ = try await inner.query("insert into t values (1)")
            throw Refusal()
          }
        }
        #expect(refusal is Refusal)
        try await connection.transaction { inner in
          _ = try await inner.query("insert into t values (2)")
        }
      }
      #expect(try await pool.query("select n from t").map { try $0.int(0) } == [2])
    }
  }

  @Test func `COPY and scripts take part in a transaction`() async throws {
    try await PrivatePostgres.shared.withDatabase { pool in
      _ = try await pool.query("create table t (n bigint primary key)")
      var rows = CopyWriter()
      rows.beginRow(columns: 1)
      rows.write(Int64(9))
      let copying = await failure {
        try await pool.transaction { connection in
          _ = try await connection.copyIn("copy t from stdin (format binary)", rows: rows)
          throw Refusal()
        }
      }
      #expect(copying is Refusal)
      let script = await failure {
        try await pool.transaction { connection in
          try await connection.execute(script: "insert into t values (1); insert into t values (2)")
          throw Refusal()
        }
      }
      #expect(script is Refusal)
      #expect(try await pool.query("select n from t").isEmpty)
    }
  }
}
