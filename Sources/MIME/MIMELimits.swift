/// How much of one message the parser takes apart; what is beyond stays readable as raw bytes.
///
/// No limit loses a byte: the part where one is met is a leaf, and a `Defect` says so.
package struct MIMELimits: Hashable, Sendable {
  /// How deep multiparts and embedded messages may nest; real mail stays below 10.
  package var depth = 50
  /// How many parts a message may have, all levels counted; real mail stays below 200.
  package var parts = 2_000
  /// How many fields one header may have; what follows the last is read as body.
  package var headerFields = 5_000
  /// How many bytes one header may have; what follows is read as body.
  package var headerBytes = 4 << 20
  /// How many bytes of embedded messages may be transfer-decoded so that their parts can be listed.
  package var embeddedBytes = 64 << 20

  /// The default limits.
  package init() {}
}
