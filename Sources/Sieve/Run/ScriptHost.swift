/// Something that only the host of a script knows.
///
/// The interpreter does no I/O: it asks, and where the host has no answer yet the run ends with the
/// question; the host finds the answer and runs the script anew, which costs microseconds.
package enum ScriptQuestion: Hashable, Sendable {
  /// Which second it is, counted from 1970-01-01T00:00:00Z.
  case now
  /// How many minutes east of Greenwich the user's clock is at an instant.
  case zoneOffset(seconds: Int64)
  /// Whether a mailbox exists and messages can be put into it (RFC 5490 §3.1).
  case mailboxExists(String)
  /// Whether a mailbox of this object id exists (RFC 9042 §5).
  case mailboxIDExists(String)
  /// Whether a mailbox has a special use; without a mailbox, whether any has it (RFC 8579 §3).
  case specialUseExists(use: String, mailbox: String?)
  /// The value of an annotation of a mailbox, or without one of the server (RFC 5490 §3.3, §4.3).
  case metadata(annotation: String, mailbox: String?)
  /// Whether a value was remembered and is not forgotten yet (RFC 7352 §3).
  case wasSeen(DuplicateMark)
  /// Whether a value is in an external list (RFC 6134 §2.4).
  case isInList(name: String, value: String)
  /// Whether there is an external list of this name (RFC 6134 §2.7).
  case listExists(String)
  /// An item of the environment (RFC 5183 §4).
  case environment(String)
  /// What a spam filter found, from 0 to 100 for certain spam; `.text(nil)` where none looked.
  case spamPercent
  /// What a virus filter found, from 0 for nothing known and 1 for clean to 5 for infected.
  case virusLevel
  /// Whether an address is the user's own, beside that of the envelope (RFC 5230 §4.5).
  case isOwnAddress(String)
  /// A capability of a notification method (RFC 5435 §5).
  case notifyCapability(method: String, name: String)
}

/// What a host answers.
package enum ScriptAnswer: Hashable, Sendable {
  case flag(Bool)
  case number(Int64)
  /// A text; nil where there is none.
  case text(String?)
}

/// What runs scripts and knows the world.
package protocol ScriptHost {
  /// The answer to a question; nil where it is not known yet.
  func answer(_ question: ScriptQuestion) -> ScriptAnswer?
}

/// A value that `duplicate` asked for, and that is to be remembered where the run succeeds.
package struct DuplicateMark: Hashable, Sendable {
  /// Keeps values of different tests apart; empty where the script gives none.
  package var handle: String
  /// The value.
  package var id: String
  /// For how many seconds it is remembered.
  package var seconds: Int64
  /// Whether each occurrence begins these seconds anew.
  package var isExtended: Bool
}
