/// What a run of a script came to.
package struct ScriptOutcome: Hashable, Sendable {
  /// The explicit actions in their order.
  package var actions: [ScriptAction] = []
  /// Whether the message is also kept without the script having said so (RFC 5228 §2.10.2).
  package var isImplicitlyKept = true
  /// How the header was changed (RFC 5293), in order.
  package var edits: [ScriptEdit] = []
  /// How it is kept then.
  package var implicitKeep = ScriptDelivery()
  /// What is to be remembered for later runs (RFC 7352 §3).
  package var marks: [DuplicateMark] = []
  /// Why the run failed: no action counts, and the message is kept.
  package var error: ScriptError?

  init() {}

  /// The outcome of a run that failed: the message is kept (RFC 5228 §2.10.6).
  package init(failure: ScriptError) { error = failure }
}

/// A field that a script added to the header of the message, or deleted from it (RFC 5293).
package struct ScriptEdit: Hashable, Sendable {
  /// What became of the field.
  package enum Kind: Hashable, Sendable {
    /// It stands before all others now, or with `isLast` behind them.
    case added(isLast: Bool)
    case deleted
  }

  package var kind: Kind
  /// The name of the field as it is written.
  package var name: String
  /// Its value, unfolded and decoded.
  package var value: String
  /// How many actions the script had taken before.
  package var actionsBefore: Int
}

/// How a run ends.
package enum ScriptResult: Hashable, Sendable {
  case finished(ScriptOutcome)
  /// The host must answer this, and run the script anew.
  case needs(ScriptQuestion)
}
