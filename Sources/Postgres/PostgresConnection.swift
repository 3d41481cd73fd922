// A connection is a queue of calls over libpq's non-blocking interface.
//
// Every call is appended to `calls`; the first `sentCount` of them are with the server. Calls of
// statements are sent at once, one sync behind each, even while earlier ones run (pipeline mode): an
// error in one leaves the others alone. Scripts and COPY need the connection to themselves, out of
// pipeline mode, so they wait until what was sent before is answered, and hold up what comes after.
//
// The socket's readiness drives everything: readable → PQconsumeInput → results to the first call;
// writable is asked for only while PQflush says that bytes are left. A call that is cancelled or late
// takes its connection with it: the server is told to cancel, the handle is closed, and the other
// calls fail as `connectionLost`. So no connection is ever in a state that nobody knows.

import CPostgres
package import Net

/// One connection to PostgreSQL, used on its own event loop only.
///
/// Calls may overlap: they are sent in order without waiting for one another.
@safe
package final class PostgresConnection: @unchecked Sendable {  // Touched only on its loop.
  /// The loop that owns the connection.
  package let loop: EventLoop
  /// Why the connection can no longer be used; nil while it can.
  package internal(set) var failure: PostgresError?

  let handle: OpaquePointer
  let configuration: PostgresConfiguration
  let canceller: QueryCanceller
  var watch: Watch?
  var statements: StatementCache
  /// The calls not yet answered, those sent to the server first.
  var calls: [PostgresCall] = []
  var sentCount = 0
  var isPipelining = false
  var isWaitingToWrite = false
  /// How many transactions are open, savepoints included.
  var transactionDepth = 0
  /// Whether a transaction was begun of which the server does not know yet.
  var owesBegin = false
  /// Statements that travel with the commit of the outermost transaction under way; their results are nobody's.
  package var beforeCommit: [SQL] = []
  /// Called once when the outermost transaction under way has been committed; forgotten where it is rolled back.
  package var afterCommit: (() -> Void)?
  /// Called once, when the connection breaks or is closed.
  var onBreak: (() -> Void)?
  /// Called with the payload of each notification.
  var onNotification: ((String) -> Void)?

  /// Takes over a handle that is connected, on its loop.
  init(
    adopting handle: OpaquePointer,
    configuration: PostgresConfiguration,
    canceller: QueryCanceller,
    on loop: EventLoop
  ) throws(PostgresError) {
    unsafe self.handle = unsafe handle
    self.configuration = configuration
    self.canceller = canceller
    self.loop = loop
    statements = StatementCache(capacity: configuration.statementCacheSize)
    try start()
  }

  deinit { if failure == nil { unsafe PQfinish(handle) } }

  private func start() throws(PostgresError) {
    unsafe PQsetNoticeReceiver(handle, { _, _ in }, nil)
    guard unsafe PQsetnonblocking(handle, 1) == 0 else {
      throw .unavailable(reason: unsafe LibPQ.message(handle))
    }
    do throws(NetError) {
      watch = try Watch(unsafe PQsocket(handle), on: loop) { [weak self] in self?.ready($0) }
      watch?.update(readable: true, writable: false)
    } catch {
      throw .unavailable(reason: "the socket cannot be watched: \(error)")
    }
  }

  /// Runs one statement.
  package func query(
    _ sql: SQL,
    deadline: Deadline? = nil
  ) async throws(PostgresError) -> PostgresRows {
    let results = try await pipeline([sql], deadline: deadline)
    guard let rows = results.first else {
      throw .connectionLost(reason: "the server sent no result")
    }
    return rows
  }

  /// Runs the statements in order, sent at once and answered in one round trip.
  ///
  /// Outside of a transaction they are one: an error undoes all. The first error is thrown; what
  /// follows it was not run.
  package func pipeline(
    _ statements: [SQL],
    deadline: Deadline? = nil
  ) async throws(PostgresError) -> [PostgresRows] {
    if statements.isEmpty { return [] }
    for statement in statements { try statement.validate() }
    let call = PostgresCall(.pipeline(statements))
    try await run(call, deadline: deadline).get()
    guard call.results.count == statements.count else {
      throw .connectionLost(reason: "the server sent too few results")
    }
    return call.results
  }

  /// Runs a text of several statements that bind nothing, in one transaction unless it says otherwise.
  package func execute(script: String, deadline: Deadline? = nil) async throws(PostgresError) {
    try await beginIfOwed()
    try await run(PostgresCall(.script(script)), deadline: deadline).get()
  }

  /// Closes the connection at once; calls under way fail.
  package func close() { fail(.connectionLost(reason: "the connection was closed"), culprit: nil) }

  /// Whether nothing is under way and no transaction open, so that somebody else may have it.
  var isReusable: Bool {
    guard failure == nil, calls.isEmpty, transactionDepth == 0 else { return false }
    return unsafe PQtransactionStatus(handle) == PQTRANS_IDLE
  }
}

extension SQL {
  /// The most values that the protocol can carry.
  private static let maximumBindings = 65_535

  /// Refuses what libpq would cut off or the protocol cannot carry.
  func validate() throws(PostgresError) {
    if bindings.hasNUL {
      throw .server(sqlState: "22021", message: "a text value holds a NUL", constraint: nil)
    }
    if bindings.entries.count > Self.maximumBindings {
      throw .server(
        sqlState: "54023",
        message: "a statement binds too many values",
        constraint: nil
      )
    }
  }
}
