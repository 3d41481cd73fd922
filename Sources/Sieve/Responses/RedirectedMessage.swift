import MIME

extension ScriptRedirect {
  /// The name of the field that says through whose script a message went on.
  package static let traceField = "X-Sieve-Redirected-From"

  /// The message as it goes on: as it came, or as the script changed it, and above it whose script sent
  /// it on, by which a loop is found (RFC 5228 §10).
  package func outgoing(_ original: [UInt8], for envelope: ScriptEnvelope) -> [UInt8] {
    formatField(Self.traceField, text: envelope.to) + LineEnds.canonical(message ?? original)
  }
}
