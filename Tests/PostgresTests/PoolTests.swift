import Net
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite("The pool", .timeLimit(.minutes(6))) struct PoolTests {
  let server = PrivatePostgres.shared

  /// A pool with one connection on one loop, and that loop's group.
  private func smallPool(
    _ adjust: (inout PostgresConfiguration) -> Void = { _ in }
  ) async throws -> (PostgresPool, EventLoopGroup) {
    var configuration = PostgresConfiguration(connectionInfo: try await server.database())
    configuration.connectionsPerLoop = 1
    adjust(&configuration)
    let group = try EventLoopGroup(loopCount: 1)
    return (PostgresPool(configuration: configuration, group: group), group)
  }

  @Test func `who waits in line gets the connection that comes back`() async throws {
    let (pool, _) = try await smallPool()
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 1...50 {
        group.addTask { try await pool.query("select \(number)")[0].int(0) }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 1275)
    #expect(
      try await pool.query(
        "select count(*) from pg_stat_activity where datname = current_database()"
      )[0].int(0) == 1
    )
    await pool.close()
  }

  @Test func `who waits too long, or behind too many, is told so`() async throws {
    let (pool, _) = try await smallPool {
      $0.waitTimeout = .seconds(2)  // Also what the first connection may take.
      $0.waitLimit = 1
    }
    let outcome = try await pool.withConnection { _ in
      let late = Task { try await pool.query("select 1") }
      let surplus = Task { try await pool.query("select 1") }
      return [await failure { try await late.value }, await failure { try await surplus.value }]
    }
    #expect(outcome.compactMap { $0 as? PostgresError } == [.poolExhausted, .poolExhausted])
    #expect(try await pool.query("select 1")[0].int(0) == 1)
    await pool.close()
  }

  @Test func `a cancelled caller leaves the line`() async throws {
    let (pool, _) = try await smallPool()
    let error = try await pool.withConnection { _ in
      let waiting = Task { try await pool.query("select 1") }
      waiting.cancel()
      return await failure { try await waiting.value }
    }
    #expect(error as? PostgresError == .cancelled)
    await pool.close()
  }

  @Test func `a connection left in a transaction is not lent again`() async throws {
    let (pool, _) = try await smallPool()
    let first = try await pool.withConnection { connection in
      _ = try await connection.query("begin")
      return try await connection.query("select pg_backend_pid()")[0].int(0)
    }
    let second = try await pool.query("select pg_backend_pid()")[0].int(0)
    #expect(first != second)
    await pool.close()
  }

  @Test func `an idle connection that the server ended is replaced`() async throws {
    let (pool, _) = try await smallPool()
    let pid = try await pool.query("select pg_backend_pid()")[0].int32(0)
    try await server.withDatabase { other in
      _ = try await other.query("select pg_terminate_backend(\(pid))")
    }
    try await eventually("a new connection") {
      do {
        return try await pool.query("select pg_backend_pid()")[0].int32(0) != pid
      } catch let error as PostgresError where error.isRetryable {
        return false
      }
    }
    await pool.close()
  }

  @Test func `a server that cannot be reached is unavailable, at once and with the reason`()
    async throws
  {
    let group = try EventLoopGroup(loopCount: 1)
    for info in ["host=/nonexistent", "host=127.0.0.1 port=1", "host=localhost port=1"] {
      let pool = PostgresPool(
        configuration: PostgresConfiguration(connectionInfo: info),
        group: group
      )
      let error = await #expect(throws: PostgresError.self) { try await pool.query("select 1") }
      guard case .unavailable(let reason) = error else {
        Issue.record("got \(String(describing: error))")
        continue
      }
      #expect(!reason.isEmpty && error?.isRetryable == true)
      await pool.close()
    }
    await group.shutdown()
  }

  @Test func `a connection string that is none is unavailable without being quoted`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let pool = PostgresPool(
      configuration: PostgresConfiguration(connectionInfo: "host=x pass=hunter2"),
      group: group
    )
    let error = await #expect(throws: PostgresError.self) { try await pool.query("select 1") }
    #expect(!String(describing: error).contains("hunter2"))
    await pool.close()
    await group.shutdown()
  }

  @Test func `the first of several hosts that answers is taken`() async throws {
    let info = try await server.database()
    let directory = try #require(info.split(separator: "'").dropFirst().first)
    let name = try #require(info.split(separator: "=").last)
    let group = try EventLoopGroup(loopCount: 1)
    let several =
      "host='/nonexistent,\(directory)' user=restante dbname=\(name) target_session_attrs=read-write"
    let pool = PostgresPool(
      configuration: PostgresConfiguration(connectionInfo: several),
      group: group
    )
    #expect(try await pool.query("select 1")[0].int(0) == 1)
    await pool.close()
    await group.shutdown()
  }

  @Test func `a closed pool refuses`() async throws {
    let (pool, _) = try await smallPool()
    _ = try await pool.query("select 1")
    await pool.close()
    await #expect(throws: PostgresError.self) { try await pool.query("select 1") }
  }
}

@Suite("Notifications", .timeLimit(.minutes(6))) struct NotificationTests {
  @Test func `payloads arrive in order, also after the connection broke`() async throws {
    try await PrivatePostgres.shared.withDatabase { (pool) async throws in
      var heard = pool.listen(channel: "odd \"name\"").makeAsyncIterator()
      #expect(await heard.next() == "")
      for text in ["one", "two"] {
        _ = try await pool.query("select pg_notify(\("odd \"name\"")::text, \(text)::text)")
      }
      #expect(await heard.next() == "one")
      #expect(await heard.next() == "two")
      _ = try await pool.query(
        """
        select pg_terminate_backend(pid) from pg_stat_activity
        where query like 'listen%' and datname = current_database()
        """
      )
      #expect(await heard.next() == "")
      _ = try await pool.query("select pg_notify(\("odd \"name\"")::text, 'three')")
      #expect(await heard.next() == "three")
      await pool.close()
      #expect(await heard.next() == nil)
    }
  }
}
