/// A compiled command.
///
/// Commands and tests are objects: a run only goes through them, and an object is held by one reference
/// count where a value in a protocol's box is copied.
protocol Statement: AnyObject, Sendable {
  /// Executes the command and says how the script goes on.
  func execute(_ run: Run) throws(RunStop) -> Flow
}

/// A compiled test.
protocol Test: AnyObject, Sendable {
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
final class Block: Statement {
  private let statements: [any Statement]
  /// Where each stands in the script.
  private let places: [Int]

  init(_ statements: [(statement: any Statement, place: Int)]) {
    self.statements = statements.map(\.statement)
    places = statements.map(\.place)
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    for index in statements.indices {
      run.place = places[index]
      try run.count()
      switch try statements[index].execute(run) {
      case .next: continue
      case let flow: return flow
      }
    }
    return .next
  }
}

/// `if`, `elsif` and `else` (RFC 5228 §3.1).
final class Conditional: Statement {
  /// A test, where it stands, and what is done where it holds.
  typealias Branch = (condition: any Test, place: Int, body: Block)

  private let conditions: [any Test]
  /// Where each of them stands in the script.
  private let places: [Int]
  /// The block of each condition.
  private let bodies: [Block]
  private let otherwise: Block?

  /// Branches that are tried in turn; not one in the other, for there may be thousands.
  init(_ branches: [Branch], otherwise: Block?) {
    conditions = branches.map(\.condition)
    places = branches.map(\.place)
    bodies = branches.map(\.body)
    self.otherwise = otherwise
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    for index in conditions.indices {
      run.place = places[index]
      if try conditions[index].evaluate(run) { return try bodies[index].execute(run) }
    }
    return try otherwise?.execute(run) ?? .next
  }
}

/// A command of an extension that is not there; it fails only where it is reached (RFC 5463 §4).
final class UnavailableCommand: Statement {
  private let message: String
  private let offset: Int

  init(message: String, offset: Int) {
    self.message = message
    self.offset = offset
  }

  func execute(_ run: Run) throws(RunStop) -> Flow { throw RunStop(at: offset, message) }
}

/// A test of an extension that is not there.
final class UnavailableTest: Test {
  private let message: String
  private let offset: Int

  init(message: String, offset: Int) {
    self.message = message
    self.offset = offset
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool { throw RunStop(at: offset, message) }
}

/// A command that a closure executes, for those that need no type of their own.
final class Command: Statement {
  private let body: @Sendable (Run) throws(RunStop) -> Flow

  init(_ body: @escaping @Sendable (Run) throws(RunStop) -> Flow) { self.body = body }

  func execute(_ run: Run) throws(RunStop) -> Flow { try body(run) }
}

/// A test that a closure evaluates, for those that need no type of their own.
final class Condition: Test {
  private let body: @Sendable (Run) throws(RunStop) -> Bool

  init(_ body: @escaping @Sendable (Run) throws(RunStop) -> Bool) { self.body = body }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    return try body(run)
  }
}
