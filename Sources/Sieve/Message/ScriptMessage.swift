package import MIME

/// A message as a script sees it.
package struct ScriptMessage: Sendable {
  /// Its header.
  package var header: HeaderFields
  /// Its size in bytes.
  package var size: Int
  /// The whole of it; a script that does not need the body runs without.
  package var parsed: ParsedMessage?

  /// A whole message.
  package init(_ parsed: ParsedMessage) {
    header = parsed.header
    size = parsed.bytes.count
    self.parsed = parsed
  }

  /// A message of which only the header is at hand.
  package init(header: HeaderFields, size: Int) {
    self.header = header
    self.size = size
  }
}

/// The SMTP envelope that a message came in (RFC 5228 §5.4).
package struct ScriptEnvelope: Hashable, Sendable {
  /// The reverse-path; empty for the null one.
  package var from: String
  /// The recipient that this delivery is for.
  package var to: String
  /// Whom the sender authenticated as (RFC 4954 §5).
  package var authenticated: String?
  /// The NOTIFY parameter of the recipient (RFC 3461 §4.1).
  package var dsnNotify: String?
  /// The ORCPT parameter of the recipient (RFC 3461 §4.2).
  package var dsnOriginalRecipient: String?
  /// The RET parameter (RFC 3461 §4.3).
  package var dsnReturn: String?
  /// The ENVID parameter (RFC 3461 §4.4).
  package var dsnEnvelopeID: String?

  /// An envelope of two addresses.
  package init(from: String, to: String) {
    self.from = from
    self.to = to
  }
}
