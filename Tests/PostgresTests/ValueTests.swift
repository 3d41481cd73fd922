import Bytes
import Postgres
import TestSupport
import Testing

@Suite("Values both ways", .timeLimit(.minutes(6))) struct ValueTests {
  let server = PrivatePostgres.shared

  @Test func `whole values come back as they went`() async throws {
    try await server.withDatabase { pool in
      let rows = try await pool.query(
        """
        select \(true), \(Int16.min), \(Int32.max), \(Int64.min), \(42), \(-0.5),
          \("Grüße, 世界 🎉\n\"'\\")::text, \([0, 255, 10] as [UInt8]),
          \(Timestamp(microseconds: -1_234_567)), \(JSONText(#"{"a": [1]}"#))
        """
      )
      let row = try #require(rows.first)
      #expect(try row.bool(0))
      #expect(try row.int16(1) == Int16.min)
      #expect(try row.int32(2) == Int32.max)
      #expect(try row.int64(3) == Int64.min)
      #expect(try row.int(4) == 42)
      #expect(try row.double(5) == -0.5)
      #expect(try row.string(6) == "Grüße, 世界 🎉\n\"'\\")
      #expect(try row.byteArray(7) == [0, 255, 10])
      #expect(try row.timestamp(8) == Timestamp(microseconds: -1_234_567))
      #expect(try row.string(9) == #"{"a": [1]}"#)
      #expect(row.bytes(9).array == Array(#"{"a": [1]}"#.utf8))
    }
  }

  @Test func `NULL is nil, and an error where a value is required`() async throws {
    try await server.withDatabase { pool in
      let rows = try await pool.query(
        """
        select \(nil as Bool?), \(nil as Int64?), \(nil as String?)::text, \(nil as [UInt8]?),
          \(nil as Timestamp?), \(nil as [String]?), \(Optional(7))
        """
      )
      let row = try #require(rows.first)
      #expect(try row.optionalBool(0) == nil)
      #expect(try row.optionalInt64(1) == nil)
      #expect(try row.optionalString(2) == nil)
      #expect(try row.optionalByteArray(3) == nil)
      #expect(try row.optionalTimestamp(4) == nil)
      #expect(try row.optionalStringArray(5) == nil)
      #expect(try row.int(6) == 7)
      #expect(row.isNull(0) && row.bytes(2).isEmpty)
      #expect(throws: PostgresError.self) { try row.int64(1) }
    }
  }

  @Test func `arrays come back with their NULLs and without`() async throws {
    try await server.withDatabase { pool in
      let rows = try await pool.query(
        """
        select \([1, -2, 3] as [Int64]), \([] as [String]), \(["a", "", "ü,\"{}"]),
          \([1, nil] as [Int64?]), (\([[1, 2], []] as [[UInt8]]))[1], \([Int32(5)]),
          (\([Timestamp(microseconds: 0)]))[1]
        """
      )
      let row = try #require(rows.first)
      #expect(try row.int64Array(0) == [1, -2, 3])
      #expect(try row.stringArray(1) == [])
      #expect(try row.stringArray(2) == ["a", "", "ü,\"{}"])
      #expect(throws: PostgresError.self) { try row.int64Array(3) }
      #expect(try row.optionalByteArray(4) == [1, 2])
      #expect(try row.int64Array(5) == [5])
      #expect(try row.optionalTimestamp(6) == Timestamp(microseconds: 0))
      let joined = try await pool.query("select array_to_string(\([1, nil] as [Int64?]), ',', '-')")
      #expect(try joined[0].string(0) == "1,-")
    }
  }

  @Test func `an empty text and empty bytes are not NULL`() async throws {
    try await server.withDatabase { pool in
      let rows = try await pool.query("select \("")::text, \([] as [UInt8])")
      #expect(try rows[0].string(0) == "")
      #expect(try rows[0].byteArray(1) == [])
    }
  }

  @Test func `ten megabytes go and come back`() async throws {
    try await server.withDatabase { pool in
      let large = (0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let rows = try await pool.query("select \(large), length(\(large))")
      #expect(try rows[0].byteArray(0) == large)
      #expect(try rows[0].int(1) == large.count)
    }
  }

  @Test func `text fits whatever type its place has`() async throws {
    try await server.withDatabase { pool in
      try await pool.withConnection { connection in
        try await connection.execute(script: "create type mood as enum ('glad', 'sad')")
      }
      let rows = try await pool.query(
        "select \("glad")::mood, host(\("10.0.0.1")::inet), \("a")::varchar, \("n")::name"
      )
      #expect(try rows[0].string(0) == "glad")
      #expect(try rows[0].string(1) == "10.0.0.1")
    }
  }

  @Test func `a column of another type or place is a decoding error`() async throws {
    try await server.withDatabase { pool in
      let rows = try await pool.query("select 'x'::text as label, 70000::int as number")
      #expect(throws: PostgresError.decoding(column: "label", expected: "integer")) {
        try rows.int64(0, 0)
      }
      #expect(throws: PostgresError.decoding(column: "number", expected: "integer of 16 bits")) {
        try rows.int16(0, 1)
      }
      #expect(throws: PostgresError.self) { try rows.string(0, 2) }
      #expect(throws: PostgresError.self) { try rows.string(1, 0) }
      #expect(throws: PostgresError.self) { try rows.int64(-1, -1) }
      #expect(rows.isNull(5, 5) && rows.bytes(5, 5).isEmpty)
      #expect(rows.column(named: "number") == 1 && rows.column(named: "none") == nil)
    }
  }

  @Test(arguments: [
    "'; drop table t; --", "$1", "\\", "'", "\"", "%s", "a\u{0}b".replacing("\u{0}", with: ""),
  ])
  func `a bound value is never part of the statement`(_ value: String) async throws {
    try await server.withDatabase { pool in
      let rows = try await pool.query("select \(value)::text, \(value.utf8.count)")
      #expect(try rows[0].string(0) == value)
    }
  }

  @Test func `a NUL in a text is refused, not cut at`() async throws {
    try await server.withDatabase { pool in
      await #expect(throws: PostgresError.self) {
        try await pool.query("select \("a\u{0}b")::text")
      }
      await #expect(throws: PostgresError.self) { try await pool.query("select \(["a\u{0}b"])") }
    }
  }

  @Test func `an error never quotes a bound value`() async throws {
    try await server.withDatabase { pool in
      let error = await #expect(throws: PostgresError.self) {
        try await pool.query("select \("secret-value")::integer")
      }
      #expect(!"\(String(describing: error))".contains("secret"))
      guard case .server("22P02", _, _) = error else {
        Issue.record("got \(String(describing: error))")
        return
      }
    }
  }
}

@Suite("Statements") struct SQLTests {
  @Test func `joined statements number their values through`() {
    let filter: SQL = "a = \(1) and b = \("x")"
    var statement: SQL = "select \(2) where \(filter) or c = \(3)"
    statement += " limit \(4)"
    #expect(statement.text == "select $1 where a = $2 and b = $3 or c = $4 limit $5")
    let many = (1...12).reduce(into: SQL("")) { $0 += "\($1)," }
    #expect((SQL("x \(0) ") + many).text.hasSuffix("$12,$13,"))
    let spliced: SQL = "select \(unsafeSQL: "a, b") from t"
    #expect(spliced.text == "select a, b from t")
  }
}
