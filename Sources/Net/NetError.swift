/// Why a network call did not do what it was asked.
package enum NetError: Error, Equatable, Sendable {
  /// The stream is closed, by the peer or by us.
  case closed
  /// The deadline passed first.
  case timedOut
  /// The calling task was cancelled; the stream is closed.
  case cancelled
  /// The resolver knows no address for the host.
  case unresolved(host: String, reason: String)
  /// The outbound policy forbids the address that the host has.
  case refusedByPolicy(host: String, address: String)
  /// No address of the host accepted a connection; `reason` is of the last one tried.
  case connectFailed(host: String, port: UInt16, reason: String)
  /// A system call failed.
  case system(call: String, errno: Int32)
  /// The handshake failed, or a record was bad; a certificate that does not verify stands here.
  case tls(reason: String)
}
