/// How much one script may be, do and cost.
///
/// Compiling checks the first group and running the second; a run that exceeds a limit ends with an
/// error, and the message is kept (RFC 5228 §2.10.6).
package struct SieveLimits: Hashable, Sendable {
  /// How many bytes a script may have, and each script that it includes.
  package var scriptBytes = 256 << 10
  /// How deep blocks, tests and included scripts may nest, each counted by itself.
  package var nesting = 32
  /// How many commands and tests a script and all it includes may have together.
  package var nodes = 50_000
  /// How many scripts may be included, each counted once an `include`.
  package var includes = 255
  /// How many errors are told before the rest is not looked at.
  package var errors = 20
  /// How many bytes one regular expression may have.
  package var regexBytes = 4_096

  /// How many commands and tests one run may execute.
  package var instructions = 100_000
  /// How many actions of all kinds one run may take.
  package var actions = 32
  /// How many of them may redirect.
  package var redirects = 4
  /// How many of them may notify.
  package var notifications = 4
  /// How many comparisons of bytes the `:contains` and `:matches` of one run may cost together.
  package var matchSteps = 20_000_000
  /// How many internal steps of PCRE2 one match of a regular expression may cost.
  package var regexSteps: UInt32 = 100_000
  /// How often one run may match a regular expression.
  package var regexMatches = 1_000
  /// How many bytes a regular expression is matched against; what is behind them is not looked at.
  package var regexSubjectBytes = 16 << 10
  /// How many bytes a string may have once variables are put in; what is too long is cut.
  package var stringBytes = 1 << 20
  /// How many variables a script may have; RFC 5229 §6 demands 128.
  package var variables = 256
  /// How many bytes a variable holds before it is cut; RFC 5229 §6 demands 4,000.
  package var variableBytes = 8 << 10
  /// How many bytes of decoded text the body tests of one run read.
  package var bodyBytes = 32 << 20
  /// How often one run may change the message.
  package var edits = 100

  /// The default limits.
  package init() {}
}
