/// A keyword of the reply to EHLO (RFC 5321 §2.2), in upper case: an open set.
package struct SMTPExtension: RawRepresentable, Hashable, Sendable {
  /// The keyword in upper case.
  package let rawValue: String

  /// An extension by its keyword in any case.
  package init(rawValue: String) {
    self.rawValue = rawValue.uppercased()
  }

  /// Message size declaration (RFC 1870).
  package static let size = Self(rawValue: "SIZE")
  /// Commands sent ahead of replies (RFC 2920).
  package static let pipelining = Self(rawValue: "PIPELINING")
  /// Bytes above 127 in the body (RFC 6152, once 1652).
  package static let eightBitMIME = Self(rawValue: "8BITMIME")
  /// UTF-8 in addresses and header (RFC 6531).
  package static let smtpUTF8 = Self(rawValue: "SMTPUTF8")
  /// The upgrade to TLS (RFC 3207).
  package static let startTLS = Self(rawValue: "STARTTLS")
  /// Authentication by SASL (RFC 4954).
  package static let auth = Self(rawValue: "AUTH")
  /// BDAT in place of DATA (RFC 3030); noted, not used.
  package static let chunking = Self(rawValue: "CHUNKING")
  /// Delivery status notifications on request (RFC 3461); noted, not used.
  package static let dsn = Self(rawValue: "DSN")
  /// Enhanced status codes in replies (RFC 2034).
  package static let enhancedStatusCodes = Self(rawValue: "ENHANCEDSTATUSCODES")
}
