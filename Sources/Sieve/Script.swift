/// A compiled Sieve script (RFC 5228), ready to run on any number of messages.
///
///     require ["fileinto"];
///     if header :contains "list-id" "example.org" { fileinto "Lists"; }
///
/// Compiling finds every error that does not depend on a message. Running asks its host questions, takes
/// no action by itself, and returns what the script wants to be done.
package struct Script: Sendable {
  private let program: Program
  /// The names of the header fields that it looks at, in lower case.
  package let fieldNames: [String]
  /// Whether it looks at, or changes, more than the header: then messages must be whole.
  package let needsBody: Bool
  private let names: [[UInt8]]
  private let keepsMatches: Bool

  /// Compiles a script; throws everything that is wrong with it.
  ///
  /// To it and all that it includes the extensions `missing` are not there.
  package init(
    compiling source: [UInt8],
    limits: SieveLimits = SieveLimits(),
    scripts: any ScriptSource = NoScripts(),
    without missing: Set<String> = []
  ) throws(ScriptErrors) {
    let compilation = Compilation(limits: limits, source: scripts, missing: missing)
    program = try Compiler(compilation).compile(source)
    names = compilation.fieldNames
    fieldNames = names.map(\.text)
    needsBody = compilation.needsBody
    keepsMatches = compilation.keepsMatches
  }

  /// Runs the script on a message.
  package func run(
    on message: ScriptMessage,
    envelope: ScriptEnvelope,
    host: any ScriptHost,
    limits: SieveLimits = SieveLimits()
  ) -> ScriptResult {
    let run = Run(
      host: host,
      limits: limits,
      envelope: envelope,
      message: MessageState(message, names: names),
      variableCount: program.variableCount,
      keepsMatches: keepsMatches
    )
    do throws(RunStop) {
      _ = try program.body.execute(run)
      return .finished(finish(run))
    } catch {
      switch error {
      case .question(let question): return .needs(question)
      case .failure(let message, let offset):
        let (line, column) = program.place(of: offset)
        let failure = ScriptError(line: line, column: column, message: message)
        return .finished(ScriptOutcome(failure: failure))
      }
    }
  }

  private func finish(_ run: Run) -> ScriptOutcome {
    var outcome = ScriptOutcome()
    outcome.actions = run.actions.actions
    outcome.isImplicitlyKept = !run.actions.cancelsImplicitKeep
    if outcome.isImplicitlyKept {
      outcome.implicitKeep.flags = run.flags
      outcome.implicitKeep.message = run.message.edited
    }
    outcome.marks = run.marks
    outcome.edits = run.headerEdits
    return outcome
  }
}
