import Net
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("Calls on a connection", .timeLimit(.minutes(6))) struct ConnectionTests {
  let server = PrivatePostgres.shared

  @Test func `a pipeline answers each statement, and is one transaction`() async throws {
    try await server.withDatabase { pool in
      let results = try await pool.pipeline([
        "create table t (n bigint primary key)", "insert into t values (\(1)), (\(2))",
        "select n from t order by n",
      ])
      #expect(results.count == 3 && results[1].affected == 2 && results[2].count == 2)
      let error = await #expect(throws: PostgresError.self) {
        try await pool.pipeline([
          "insert into t values (\(3))", "insert into t values (\(1))", "select 1",
        ])
      }
      guard case .server("23505", _, "t_pkey")? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(try await pool.query("select count(*) from t")[0].int(0) == 2)
    }
  }

  @Test func `overlapping calls share a connection without sharing errors`() async throws {
    try await server.withDatabase { pool in
      try await pool.withConnection { connection in
        async let first = connection.query("select \(1)")
        async let broken = connection.query("select nothing")
        async let last = connection.query("select \(3)")
        #expect(try await first[0].int(0) == 1)
        do {
          _ = try await broken
          Issue.record("no error")
        } catch let error as PostgresError {
          guard case .server("42703", _, _) = error else { throw error }
        }
        #expect(try await last[0].int(0) == 3)
      }
    }
  }

  @Test func `more statements than the cache holds are dropped from the server too`() async throws {
    let info = try await server.database()
    var configuration = PostgresConfiguration(connectionInfo: info)
    configuration.statementCacheSize = 4
    configuration.connectionsPerLoop = 1
    let pool = PostgresPool(configuration: configuration, group: server.group)
    try await pool.withConnection { connection in
      for round in 0..<3 {
        for number in 0..<12 {
          let rows = try await connection.query(
            "select \(number) + \(unsafeSQL: String(number)) + \(round)"
          )
          #expect(try rows[0].int(0) == 2 * number + round)
        }
      }
      let rows = try await connection.query("select count(*) from pg_prepared_statements")
      #expect(try rows[0].int(0) <= 6)
    }
    await pool.close()
  }

  @Test func `one text with other types of values is prepared again`() async throws {
    try await server.withDatabase(connectionsPerLoop: 1) { pool in
      try await pool.withConnection { (connection) async throws in
        let narrow: SQL = "select pg_typeof(\(Int32(1)))::text"
        let wide: SQL = "select pg_typeof(\(Int64(1)))::text"
        #expect(try await connection.query(narrow)[0].string(0) == "integer")
        #expect(try await connection.query(wide)[0].string(0) == "bigint")
        #expect(try await connection.query(narrow)[0].string(0) == "integer")
      }
    }
  }

  @Test func `a statement is usable again after the table under it changed`() async throws {
    try await server.withDatabase(connectionsPerLoop: 1) { pool in
      try await pool.withConnection { connection in
        try await connection.execute(script: "create table t (a int); insert into t values (1)")
        _ = try await connection.query("select * from t")
        try await connection.execute(script: "alter table t add b text")
        await #expect(throws: PostgresError.self) { try await connection.query("select * from t") }
        #expect(try await connection.query("select * from t").columnCount == 2)
      }
    }
  }

  @Test func `a deadline that passes ends the statement and the connection, not the pool`()
    async throws
  {
    try await server.withDatabase(connectionsPerLoop: 1) { pool in
      await #expect(throws: PostgresError.timedOut) {
        try await pool.query(
          "select pg_sleep(60)",
          deadline: ContinuousClock.now + .milliseconds(50)
        )
      }
      #expect(try await pool.query("select 1")[0].int(0) == 1)
      try await eventually("the server to stop sleeping") {
        try await pool.query(
          "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"
        )[0].int(0) == 0
      }
    }
  }

  @Test func `a cancelled task's statement is cancelled on the server`() async throws {
    try await server.withDatabase { pool in
      let task = Task { try await pool.query("select pg_sleep(61)") }
      let running: SQL =
        "select count(*) from pg_stat_activity where query like 'select pg_sleep(61)%'"
      try await eventually("the sleep to begin") { try await pool.query(running)[0].int(0) == 1 }
      task.cancel()
      await #expect(throws: PostgresError.cancelled) { try await task.value }
      try await eventually("the sleep to end") { try await pool.query(running)[0].int(0) == 0 }
    }
  }

  @Test func `COPY in batches brings a hundred thousand rows`() async throws {
    try await server.withDatabase { pool in
      try await pool.withConnection { connection in
        try await connection.execute(
          script: "create table t (id bigint, label text, at timestamptz, data bytea)"
        )
        var next: Int64 = 0
        let copied = try await connection.copyIn("copy t from stdin (format binary)") {
          (writer) throws(PostgresError) in
          for _ in 0..<1000 {
            writer.beginRow(columns: 4)
            writer.write(next)
            writer.write(next % 7 == 0 ? nil : "row \(next)")
            writer.writeNull()
            writer.write([1, 2, 3] as [UInt8])
            next += 1
          }
          return next < 100_000
        }
        #expect(copied == 100_000)
        let sums = try await connection.query(
          "select count(*), sum(id)::bigint, count(label), sum(length(data)) from t"
        )
        #expect(try sums[0].int(0) == 100_000)
        #expect(try sums[0].int(1) == 4_999_950_000)
        #expect(try sums[0].int(3) == 300_000)
      }
    }
  }

  @Test func `rows written for COPY go in several commands, each row once`() async throws {
    try await server.withDatabase { pool in
      try await pool.withConnection { connection in
        try await connection.execute(script: "create table t (id bigint primary key)")
        for count in [0, 1, 1999, 2000, 2001, 4500] {
          var rows = CopyWriter()
          for id in 0..<Int64(count) {
            rows.beginRow(columns: 1)
            rows.write(id)
          }
          let copied = try await connection.copyIn("copy t from stdin (format binary)", rows: rows)
          let found = try await connection.query("select count(*), coalesce(max(id), -1) from t")
          #expect(copied == count)
          #expect(try found.int64(0, 0) == Int64(count))
          #expect(try found.int64(0, 1) == Int64(count - 1))
          _ = try await connection.query("truncate t")
        }
      }
    }
  }

  @Test func `rows written for COPY are inserted alike, each by a statement`() async throws {
    try await server.withDatabase { pool in
      try await pool.withConnection { connection in
        try await connection.execute(
          script:
            "create table t (id bigint, name text, digest bytea, words text[], is_seen boolean)"
        )
        let columns: [(column: String, type: PostgresType)] = [
          ("id", .int8), ("name", .text), ("digest", .bytea), ("words", .textArray),
          ("is_seen", .bool),
        ]
        var rows = CopyWriter()
        for id in 0..<Int64(3) {
          rows.beginRow(columns: columns.count)
          rows.write(id)
          rows.write(id == 1 ? nil : "näme '\(id)'")
          let digest: [UInt8] = id == 2 ? [] : [0, 255]
          rows.write(digest)
          rows.write(["a", "b,c"])
          rows.write(id == 0)
        }
        _ = try await connection.pipeline(rows.inserts(into: "t", types: columns))
        try await connection.execute(script: "create table u (like t)")
        _ = try await connection.copyIn("copy u from stdin (format binary)", rows: rows)
        let differing = try await connection.query(
          "select count(*) from (select * from t except select * from u) as d"
        )
        #expect(try differing.int64(0, 0) == 0)
        let found = try await connection.query(
          """
          select count(*), count(name), max(name), min(length(digest)), bool_and(words[2] = 'b,c')
          from t
          """
        )
        #expect(try found.int64(0, 0) == 3)
        #expect(try found.int64(0, 1) == 2)
        #expect(try found.string(0, 2) == "näme '2'")
        #expect(try found.int32(0, 3) == 0)
        #expect(try found.bool(0, 4))
      }
    }
  }

  @Test func `a COPY that fails, on either side, leaves the connection usable`() async throws {
    try await server.withDatabase { pool in
      try await pool.withConnection { connection in
        try await connection.execute(script: "create table t (id bigint primary key)")
        var rows = CopyWriter()
        for _ in 0..<2 {
          rows.beginRow(columns: 1)
          rows.write(Int64(1))
        }
        let refused = await #expect(throws: PostgresError.self) {
          try await connection.copyIn("copy t from stdin (format binary)", rows: rows)
        }
        if case .server("23505", _, _)? = refused {} else { Issue.record("\(refused as Any)") }
        await #expect(throws: PostgresError.poolExhausted) {
          try await connection.copyIn("copy t from stdin (format binary)") {
            (_) throws(PostgresError) in throw PostgresError.poolExhausted
          }
        }
        await #expect(throws: PostgresError.self) {
          try await connection.copyIn("copy nothing from stdin (format binary)", rows: rows)
        }
        #expect(try await connection.query("select count(*) from t")[0].int(0) == 0)
      }
    }
  }
}
