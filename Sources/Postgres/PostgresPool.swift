package import Net
import Synchronization

/// The connections of the service: some for each event loop, lent to one caller at a time.
///
/// Callers run on one of the group's loops and get a connection of that loop; a task that runs
/// elsewhere is moved to a loop for the call. Settings changed on a connection (`set`, `listen`) stay
/// when it is returned: use `set local` in a transaction, and `listen(channel:)` of the pool.
package final class PostgresPool: Sendable {
  /// The loops that the connections belong to.
  package let group: EventLoopGroup
  private let configuration: PostgresConfiguration
  private let pools: [LoopPool]
  private let listeners = Mutex<[Task<Void, Never>]>([])

  /// A pool that connects when it is first asked for a connection.
  package init(configuration: PostgresConfiguration, group: EventLoopGroup) {
    self.group = group
    self.configuration = configuration
    pools = group.loops.map { LoopPool(loop: $0, configuration: configuration) }
  }

  /// Lends a connection to `body`.
  ///
  /// Throws `PostgresError.poolExhausted` if none becomes free in time and `unavailable`, at once,
  /// while the server cannot be reached.
  package func withConnection<R>(
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    guard let pool = currentPool else {
      return try await withTaskExecutorPreference(group.next()) {
        try await lend(requiredPool(), body)
      }
    }
    return try await lend(pool, body)
  }

  /// Runs one statement on any connection.
  package func query(
    _ sql: SQL,
    deadline: Deadline? = nil
  ) async throws(PostgresError) -> PostgresRows {
    guard let pool = currentPool else {
      return try await withTaskExecutorPreference(group.next()) { () throws(PostgresError) in
        try await query(sql, deadline, on: requiredPool())
      }
    }
    return try await query(sql, deadline, on: pool)
  }

  /// Runs the statements in order and in one transaction, in one round trip, on any connection.
  package func pipeline(
    _ statements: [SQL],
    deadline: Deadline? = nil
  ) async throws(PostgresError) -> [PostgresRows] {
    guard let pool = currentPool else {
      return try await withTaskExecutorPreference(group.next()) { () throws(PostgresError) in
        try await pipeline(statements, deadline, on: requiredPool())
      }
    }
    return try await pipeline(statements, deadline, on: pool)
  }

  /// Runs `body` in a transaction of its own, committed when it returns, rolled back when it throws.
  package func transaction<R>(
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    try await withConnection { connection in try await connection.transaction(body) }
  }

  /// Makes a connection on the current loop that the pool does not lend; whoever asks closes it.
  package func connect() async throws(PostgresError) -> PostgresConnection {
    try await PostgresConnection.connect(
      configuration,
      canceller: QueryCanceller(),
      on: try requiredPool().loop
    )
  }

  /// The payloads of a channel's notifications, received on a connection of their own.
  ///
  /// The connection is made anew whenever it breaks. An empty payload comes after each time it was
  /// made, since notifications sent in between are lost.
  package func listen(channel: String) -> PostgresNotifications {
    let loop = group.next()
    let (stream, continuation) = AsyncStream.makeStream(
      of: String.self,
      bufferingPolicy: .bufferingNewest(PostgresNotifications.bufferSize)
    )
    let listener = NotificationListener(
      channel: channel,
      configuration: configuration,
      loop: loop,
      output: continuation
    )
    let task = Task(executorPreference: loop) { await listener.run() }
    continuation.onTermination = { _ in task.cancel() }
    listeners.withLock { $0.append(task) }
    return PostgresNotifications(stream: stream)
  }

  /// Ends the listeners, closes what is idle and waits until the rest is returned.
  package func close() async {
    let tasks = listeners.withLock { tasks in
      defer { tasks = [] }
      return tasks
    }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
    for pool in pools {
      await withTaskExecutorPreference(pool.loop) { await pool.close() }
    }
  }

  private var currentPool: LoopPool? {
    guard let loop = EventLoop.current else { return nil }
    return pools.first { $0.loop === loop }
  }

  /// The pool of the current loop, for a caller that was just moved to one.
  private func requiredPool() throws(PostgresError) -> LoopPool {
    guard let pool = currentPool else {
      // Code of an actor with an executor of its own cannot be moved.
      throw .unavailable(reason: "the caller is bound to an executor that is no event loop")
    }
    return pool
  }

  private func lend<R>(
    _ pool: LoopPool,
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    let connection = try await pool.acquire(deadline: nil)
    defer { pool.release(connection) }
    return try await body(connection)
  }

  private func query(
    _ sql: SQL,
    _ deadline: Deadline?,
    on pool: LoopPool
  ) async throws(PostgresError) -> PostgresRows {
    let connection = try await pool.acquire(deadline: deadline)
    defer { pool.release(connection) }
    return try await connection.query(sql, deadline: deadline)
  }

  private func pipeline(
    _ statements: [SQL],
    _ deadline: Deadline?,
    on pool: LoopPool
  ) async throws(PostgresError) -> [PostgresRows] {
    let connection = try await pool.acquire(deadline: deadline)
    defer { pool.release(connection) }
    return try await connection.pipeline(statements, deadline: deadline)
  }
}
