import Bytes

/// One run of a script on one message: all that changes while it goes on.
final class Run {
  let host: any ScriptHost
  let limits: SieveLimits
  let envelope: ScriptEnvelope
  let message: MessageState
  var actions = ActionList()
  /// The flags of the internal variable (RFC 5232 §2).
  var flags: [String] = []
  var marks: [DuplicateMark] = []
  /// The fields that were added to the header and deleted from it.
  var headerEdits: [ScriptEdit] = []
  /// Who is notified already, by the keys of their addresses.
  var notified: Set<String> = []
  /// The variables of the script that is running, by their slots.
  var variables: [[UInt8]]
  /// Variables that all scripts share, by name (RFC 6609 §3.4).
  var globals: [String: [UInt8]] = [:]
  /// What the last successful match left for `${1}` and so on; the whole at 0 (RFC 5229 §3.2).
  var matched: [[UInt8]] = []
  /// Whether any script of this run refers to matches, so that they are kept.
  let keepsMatches: Bool
  /// Scripts that were included and must not be again with `:once` (RFC 6609 §3.2).
  var included: Set<IncludedScript> = []
  /// How deep scripts are included at this moment.
  var includeDepth = 0
  /// The parts that the loops around are at, innermost last (RFC 5703 §3).
  var parts: [PartPlace] = []
  /// Where the command or the test stands that is executed, for errors that no value of its own is at fault of.
  var place = 0
  private var instructions = 0
  var matchSteps = 0
  var regexMatches = 0
  private var bodyBytes = 0
  private var edits = 0

  init(
    host: any ScriptHost,
    limits: SieveLimits,
    envelope: ScriptEnvelope,
    message: MessageState,
    variableCount: Int,
    keepsMatches: Bool
  ) {
    self.host = host
    self.limits = limits
    self.envelope = envelope
    self.message = message
    self.keepsMatches = keepsMatches
    variables = Array(repeating: [], count: variableCount)
  }

  /// Counts a command or a test that is executed.
  @inline(__always)
  func count() throws(RunStop) {
    instructions += 1
    guard instructions <= limits.instructions else {
      throw RunStop(
        at: place,
        "the script executes more than \(limits.instructions) commands and tests"
      )
    }
  }

  /// Counts what costs as much as this many commands and tests.
  func count(_ cost: Int) throws(RunStop) {
    instructions += cost
    try count()
  }

  /// Counts a change of the message.
  func countEdit() throws(RunStop) {
    edits += 1
    guard edits <= limits.edits else {
      throw RunStop(at: place, "the script changes the message more than \(limits.edits) times")
    }
  }

  /// Counts bytes of bodies that are read.
  func countBody(_ bytes: Int) throws(RunStop) {
    bodyBytes += bytes
    guard bodyBytes <= limits.bodyBytes else {
      throw RunStop(at: place, "the script reads more than \(limits.bodyBytes) bytes of bodies")
    }
  }

  /// What a template is in this run.
  func expand(_ pieces: [StringPiece]) -> [UInt8] {
    var bytes: [UInt8] = []
    for piece in pieces {
      switch piece {
      case .literal(let literal): bytes += literal
      case .variable(let slot): if slot < variables.count { bytes += variables[slot] }
      case .match(let index): if index < matched.count { bytes += matched[index] }
      case .global(let name): bytes += globals[name] ?? []
      case .lookup(let find): bytes += find(self)
      }
      // A variable is short, but a template may name it thousands of times.
      if bytes.count > limits.stringBytes { break }
    }
    instructions += bytes.count / 4_096
    return bytes
  }

  // MARK: Questions

  /// The host's answer to a question of yes or no.
  func flag(_ question: ScriptQuestion) throws(RunStop) -> Bool {
    switch host.answer(question) {
    case .flag(let flag): flag
    case nil: throw .question(question)
    default: false
    }
  }

  /// The host's answer to a question for a number.
  func number(_ question: ScriptQuestion) throws(RunStop) -> Int64? {
    switch host.answer(question) {
    case .number(let number): number
    case nil: throw .question(question)
    default: nil
    }
  }

  /// The host's answer to a question for a text.
  func text(_ question: ScriptQuestion) throws(RunStop) -> String? {
    switch host.answer(question) {
    case .text(let text): text
    case nil: throw .question(question)
    default: nil
    }
  }
}
