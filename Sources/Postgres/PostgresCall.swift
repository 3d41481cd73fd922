import Net

/// One call on a connection: what is to be sent, and what came back so far.
final class PostgresCall: @unchecked Sendable {  // Touched only on the loop of its connection.
  /// What the call asks of the server.
  enum Work {
    /// Statements with values, all sent at once, with one sync behind them.
    case pipeline([SQL])
    /// Several statements in one text, without values; needs the connection out of pipeline mode.
    case script(String)
    /// A COPY whose data follows; needs the connection out of pipeline mode.
    case copy(String)
  }

  /// One thing in a pipeline that the server answers.
  enum Step {
    /// The end of a prepared statement that left the cache; its error changes nothing.
    case deallocate
    /// The sync that keeps what was sent so far apart from what follows.
    case sync
    /// The parse of a statement that was not prepared yet.
    case prepare(text: String, types: [UInt32], name: String)
    /// The run of a statement, whose rows the caller gets if `isKept`.
    case run(text: String, isKept: Bool)
  }

  let work: Work
  /// What was sent of a pipeline, in order.
  var steps: [Step] = []
  /// The step whose answer comes next.
  var position = 0
  /// Whether the answer of that step came, and only its end is missing.
  var awaitsEnd = false
  /// Whether the server takes rows of a COPY now.
  var isTakingRows = false
  /// The results that the caller gets.
  var results: [PostgresRows] = []
  /// The first error that the server reported.
  var error: PostgresError?
  /// Ends the call when its deadline passes.
  var timer: LoopTimer?
  /// Whether the call has its outcome.
  private(set) var isDone = false
  private var waiter: CheckedContinuation<Result<Void, PostgresError>, Never>?
  private var outcome: Result<Void, PostgresError>?

  init(_ work: Work) { self.work = work }

  /// Whether the call must be alone on its connection.
  var isExclusive: Bool {
    if case .pipeline = work { return false }
    return true
  }

  /// Suspends until `resume` or `finish`; runs `start` once the call can be resumed.
  func wait(_ start: () -> Void) async -> Result<Void, PostgresError> {
    if let outcome { return outcome }
    return await withCheckedContinuation { continuation in
      waiter = continuation
      start()
    }
  }

  /// Lets the waiter go on, the call not being over.
  func resume() {
    waiter?.resume(returning: .success(()))
    waiter = nil
  }

  /// Ends the call; a later outcome is ignored.
  func finish(_ result: Result<Void, PostgresError>) {
    guard !isDone else { return }
    isDone = true
    outcome = result
    timer?.cancel()
    timer = nil
    waiter?.resume(returning: result)
    waiter = nil
  }
}
