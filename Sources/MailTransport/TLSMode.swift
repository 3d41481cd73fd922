/// How a connection to a mail server is protected (RFC 8314).
package enum TLSMode: String, Sendable {
  /// TLS from the first byte.
  case implicit
  /// TLS by STARTTLS, without which nothing is said.
  case starttls
  /// No protection.
  case none
}
