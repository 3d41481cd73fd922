import Foundation
import Net
import Postgres
import TestSupport
import Testing

@Suite("The embedded cluster", .timeLimit(.minutes(6))) struct EmbeddedClusterTests {
  private func cluster(
    _ name: String = "data",
    in directory: TemporaryDirectory,
    _ group: EventLoopGroup
  ) throws -> EmbeddedCluster {
    let cluster = EmbeddedCluster(
      dataDirectory: directory.file(name),
      settings: PrivatePostgres.settings,
      group: group
    )
    return cluster
  }

  /// Runs `body` with a pool on the cluster.
  private func with<R>(
    _ info: String,
    _ group: EventLoopGroup,
    _ body: (PostgresPool) async throws -> R
  ) async throws -> R {
    let pool = PostgresPool(
      configuration: PostgresConfiguration(connectionInfo: info),
      group: group
    )
    do {
      let value = try await body(pool)
      await pool.close()
      return value
    } catch {
      await pool.close()
      throw error
    }
  }

  @Test func `what was written is there after a stop, a kill and a take-over`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let directory = try TemporaryDirectory("cluster")
    let first = try cluster(in: directory, group)
    try PrivatePostgres.watch(directory, first)

    try await with(first.start(), group) { (pool) async throws in
      _ = try await pool.query("create table t (n bigint)")
      _ = try await pool.query("insert into t values (1)")
      let rows = try await pool.query(
        "select current_setting('listen_addresses'), current_setting('server_encoding')"
      )
      #expect(try rows[0].string(0) == "" && rows[0].string(1) == "UTF8")
    }
    await first.stop()
    #expect(first.processID == nil)

    try await with(first.start(), group) { (pool) async throws in
      #expect(try await pool.query("select n from t")[0].int(0) == 1)
    }
    let pid = try #require(first.processID)
    kill(pid, SIGKILL)
    try await with(first.start(), group) { (pool) async throws in
      #expect(try await pool.query("select n from t")[0].int(0) == 1)
    }
    #expect(first.processID != pid)

    // As another process of ours would after we were killed.
    let second = try cluster(in: directory, group)
    try await with(second.start(), group) { (pool) async throws in
      #expect(try await pool.query("select n from t")[0].int(0) == 1)
    }
    #expect(second.processID == first.processID)
    await second.stop()
    await group.shutdown()
  }

  @Test func `a lock file whose number is another process's by now does not stop the start`()
    async throws
  {
    let group = try EventLoopGroup(loopCount: 1)
    let directory = try TemporaryDirectory("cluster")
    let cluster = try cluster(in: directory, group)
    try PrivatePostgres.watch(directory, cluster)
    _ = try await cluster.start()
    await cluster.stop()
    let stale = "\(getpid())\n\(directory.file("data/cluster"))\n1\n5432\n/nowhere\n\n0 0\nready\n"
    try directory.write(stale, to: "data/cluster/postmaster.pid")
    try await with(cluster.start(), group) { (pool) async throws in
      _ = try await pool.query("select 1")
    }
    await cluster.stop()
    await group.shutdown()
  }

  @Test func `an initdb that was cut off is done again`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let directory = try TemporaryDirectory("cluster")
    let cluster = try cluster(in: directory, group)
    try PrivatePostgres.watch(directory, cluster)
    _ = try await cluster.start()
    await cluster.stop()
    try FileManager.default.moveItem(
      atPath: directory.file("data/cluster"),
      toPath: directory.file("data/cluster.new")
    )
    try await with(cluster.start(), group) { pool in _ = try await pool.query("select 1") }
    await cluster.stop()
    await group.shutdown()
  }

  @Test func `a path too long for a socket gets its socket elsewhere`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let directory = try TemporaryDirectory("cluster")
    let name = String(repeating: "long,'", count: 16)
    let cluster = try cluster(name, in: directory, group)
    try await with(cluster.start(), group) { (pool) async throws in
      _ = try await pool.query("select 1")
    }
    await cluster.stop()
    await group.shutdown()
  }

  @Test func `a killed server is started again while it is supervised`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let directory = try TemporaryDirectory("cluster")
    let cluster = try cluster(in: directory, group)
    try PrivatePostgres.watch(directory, cluster)
    let info = try await cluster.start()
    try await with(info, group) { (pool) async throws in
      _ = try await pool.query("create table t (n bigint primary key)")
      let supervisor = Task { await cluster.supervise(every: .milliseconds(20)) }
      let pid = try #require(cluster.processID)
      let load = Task {
        var next: Int64 = 0
        var failures = 0
        while next < 400 || failures == 0 {
          do {
            _ = try await pool.query("insert into t values (\(next)) on conflict do nothing")
            next += 1
            if next == 100 { kill(pid, SIGKILL) }
          } catch let error as PostgresError {
            guard error.isRetryable else { throw error }
            failures += 1
            await Task.yield()
          }
        }
        return next
      }
      let written = try await load.value
      #expect(try await Self.count(pool) == written)
      supervisor.cancel()
      await supervisor.value
    }
    await cluster.stop()
    await group.shutdown()
  }

  @Test func `a restart under load fails calls that can be repeated and loses none`() async throws {
    let group = try EventLoopGroup(loopCount: 2)
    let directory = try TemporaryDirectory("cluster")
    let cluster = try cluster(in: directory, group)
    try PrivatePostgres.watch(directory, cluster)
    let info = try await cluster.start()
    try await with(info, group) { (pool) async throws in
      _ = try await pool.query("create table t (worker bigint, n bigint, primary key (worker, n))")
      let restarting = Task {
        await cluster.stop()
        return try await cluster.start()
      }
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for worker in 0..<8 {
          tasks.addTask {
            for number in 0..<200 {
              try await Self.insert(worker, number, pool)
            }
          }
        }
        try await tasks.waitForAll()
      }
      #expect(try await restarting.value == info)
      #expect(try await Self.count(pool) == 1600)
    }
    await cluster.stop()
    await group.shutdown()
  }

  /// How many rows there are, asked until the pool has found the server again.
  private static func count(_ pool: PostgresPool) async throws -> Int64 {
    try await eventuallyFind("the rows to be there again") {
      do {
        return try await pool.query("select count(*) from t")[0].int64(0)
      } catch let error as PostgresError where error.isRetryable {
        return nil
      }
    }
  }

  private static func insert(_ worker: Int, _ number: Int, _ pool: PostgresPool) async throws {
    while true {
      do {
        try await pool.transaction { connection in
          _ = try await connection.query(
            "insert into t values (\(worker), \(number)) on conflict do nothing"
          )
        }
        return
      } catch let error as PostgresError {
        guard error.isRetryable else { throw error }
        await Task.yield()
      }
    }
  }
}
