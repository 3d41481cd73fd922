/// A compiled command.
protocol Statement: Sendable {
  /// Executes the command and says how the script goes on.
  func execute(_ run: Run) throws(RunStop) -> Flow
}

/// A compiled test.
protocol Test: Sendable {
  /// Whether the test holds.
  func evaluate(_ run: Run) throws(RunStop) -> Bool
}

/// How a script goes on after a command.
enum Flow: Equatable {
  case next
  /// The whole script ends (RFC 5228 §3.3).
  case stop
  /// The included script ends (RFC 6609 §3.3).
  case `return`
  /// The loop that is this many loops further out ends (RFC 5703 §3).
  case `break`(Int)
}

/// Why a run ends early.
enum RunStop: Error {
  /// The script failed, at this offset.
  case failure(message: String, offset: Int)
  /// The host has to answer first; then the script is run anew.
  case question(ScriptQuestion)

  init(at offset: Int, _ message: String) { self = .failure(message: message, offset: offset) }
}

/// Commands one after the other.
struct Block: Statement {
  private let statements: [any Statement]

  init(_ statements: [any Statement]) { self.statements = statements }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    for statement in statements {
      try run.count()
      let flow = try statement.execute(run)
      if flow != .next { return flow }
    }
    return .next
  }
}

/// `if`, `elsif` and `else` (RFC 5228 §3.1).
struct Conditional: Statement {
  struct Branch {
    let condition: any Test
    let body: Block
  }

  let branches: [Branch]
  let otherwise: Block?

  func execute(_ run: Run) throws(RunStop) -> Flow {
    for branch in branches where try branch.condition.evaluate(run) {
      return try branch.body.execute(run)
    }
    return try otherwise?.execute(run) ?? .next
  }
}

/// A command of an extension that is not there; it fails only where it is reached (RFC 5463 §4).
struct UnavailableCommand: Statement {
  let message: String
  let offset: Int

  func execute(_ run: Run) throws(RunStop) -> Flow { throw RunStop(at: offset, message) }
}

/// A test of an extension that is not there.
struct UnavailableTest: Test {
  let message: String
  let offset: Int

  func evaluate(_ run: Run) throws(RunStop) -> Bool { throw RunStop(at: offset, message) }
}

/// A command that a closure executes, for those that need no type of their own.
struct Command: Statement {
  let body: @Sendable (Run) throws(RunStop) -> Flow

  init(_ body: @escaping @Sendable (Run) throws(RunStop) -> Flow) { self.body = body }

  func execute(_ run: Run) throws(RunStop) -> Flow { try body(run) }
}

/// A test that a closure evaluates, for those that need no type of their own.
struct Condition: Test {
  let body: @Sendable (Run) throws(RunStop) -> Bool

  init(_ body: @escaping @Sendable (Run) throws(RunStop) -> Bool) { self.body = body }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    return try body(run)
  }
}
