import COpenSSL
import Foundation

/// One TLS connection as OpenSSL keeps it, over a channel's descriptor; confined to the loop.
@safe final class TLSSession: @unchecked Sendable {
  // Unchecked: touched only by the loop's own thread, and by `deinit` when nobody else can.
  private let channel: Channel
  private var ssl: OpaquePointer?
  /// Whether a fatal error was seen, after which OpenSSL allows no further call.
  private var isBroken = false

  /// What a call came to.
  enum Step {
    case done, wantsRead, wantsWrite, ended
  }

  init(_ context: OpaquePointer, over channel: Channel) throws(NetError) {
    try channel.requireOpen()
    ERR_clear_error()
    guard let ssl = unsafe SSL_new(context) else { throw NetError.tls(reason: TLSLibrary.reason()) }
    guard unsafe SSL_set_fd(ssl, channel.descriptor) == 1 else {
      unsafe SSL_free(ssl)
      throw NetError.tls(reason: TLSLibrary.reason())
    }
    self.channel = channel
    unsafe self.ssl = unsafe ssl
  }

  deinit {
    unsafe SSL_free(ssl)
  }

  /// Asks the server to prove that it is `name`, a host name or an IP literal.
  func expect(_ name: String) throws(NetError) {
    // OpenSSL takes an empty name as "do not check".
    let host = name.hasSuffix(".") ? String(name.dropLast()) : name
    guard !host.isEmpty, !host.utf8.contains(0) else {
      throw NetError.tls(reason: "there is no server name to verify")
    }
    var status: Int32
    if SocketAddress(ip: host, port: 0) != nil {
      status = unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host)
    } else {
      unsafe SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      status = unsafe SSL_set1_host(ssl, host)
      if status == 1 { status = unsafe Int32(restante_SSL_set_tlsext_host_name(ssl, host)) }
    }
    guard status == 1 else { throw NetError.tls(reason: "the server name cannot be verified") }
  }

  /// Makes `call` once; it gives 1 where it succeeds.
  func attempt(_ call: (OpaquePointer) -> Int32) throws(NetError) -> Step {
    try channel.requireOpen()
    guard let ssl = unsafe ssl, !isBroken else { throw NetError.closed }
    ERR_clear_error()
    errno = 0
    let result = unsafe call(ssl)
    if result == 1 { return .done }
    let code = errno
    switch unsafe SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ:
      channel.clearReadiness(.read)
      return .wantsRead
    case SSL_ERROR_WANT_WRITE:
      channel.clearReadiness(.write)
      return .wantsWrite
    case SSL_ERROR_ZERO_RETURN:
      return .ended
    case SSL_ERROR_SYSCALL:
      isBroken = true
      ERR_clear_error()
      throw [0, ECONNRESET, EPIPE].contains(code)
        ? NetError.closed : NetError.system(call: "TLS", errno: code)
    default:
      isBroken = true
      throw failure()
    }
  }

  /// Makes `call` until it is done or the stream has ended, waiting in between.
  func complete(
    by deadline: Deadline,
    _ call: (OpaquePointer) -> Int32
  ) async throws(NetError) -> Step {
    while true {
      switch unsafe try attempt(call) {
      case .wantsRead: try await channel.wait(for: .read, until: deadline)
      case .wantsWrite: try await channel.wait(for: .write, until: deadline)
      case let step: return step
      }
    }
  }

  /// Judges the server's certificate after a handshake that did not.
  func requirePinned(_ pin: [UInt8]) throws(NetError) {
    let verdict = unsafe SSL_get_verify_result(ssl)
    guard let digest = certificateSHA256() else {
      throw NetError.tls(reason: "the server showed no certificate")
    }
    guard verdict == X509_V_OK || digest == pin else {
      throw NetError.tls(reason: TLSSession.words(forVerdict: verdict))
    }
  }

  /// The SHA-256 of the peer's certificate, DER; nil where it showed none.
  func certificateSHA256() -> [UInt8]? {
    guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return nil }
    defer { unsafe X509_free(certificate) }
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    guard unsafe X509_digest(certificate, EVP_sha256(), &digest, &length) == 1 else { return nil }
    return digest
  }

  /// Whether bytes of a record that came whole were not read yet.
  var hasUnreadBytes: Bool {
    guard let ssl = unsafe ssl, !isBroken else { return false }
    return unsafe SSL_pending(ssl) > 0
  }

  /// The protocol agreed on, such as "TLSv1.3".
  var version: String {
    guard let ssl = unsafe ssl, let text = unsafe SSL_get_version(ssl) else { return "" }
    return unsafe String(cString: text)
  }

  /// Whether the server took up an earlier session, and showed no certificate.
  var isResumed: Bool {
    guard let ssl = unsafe ssl else { return false }
    return unsafe SSL_session_reused(ssl) == 1
  }

  /// Offers the server the last session with it; when that began by a certificate, nil where there is none.
  func resume(_ resumption: TLSResumption, _ server: String, now: Deadline) -> Deadline? {
    guard let ssl = unsafe ssl else { return nil }
    return unsafe resumption.offer(ssl, to: server, now: now)
  }

  /// Remembers the session for the next connection, once the server has sent what it takes; whether it had.
  func keep(
    for resumption: TLSResumption,
    _ server: String,
    verifiedAt instant: Deadline
  ) -> Bool {
    guard let ssl = unsafe ssl else { return true }
    return unsafe resumption.keep(ssl, of: server, verifiedAt: instant)
  }

  /// Tells the peer that we end, as far as that goes without a wait, and frees OpenSSL's state.
  func end() {
    guard let ssl = unsafe ssl else { return }
    unsafe self.ssl = nil
    if channel.failure == nil, !isBroken, unsafe SSL_is_init_finished(ssl) == 1 {
      ERR_clear_error()
      _ = unsafe SSL_shutdown(ssl)
    }
    ERR_clear_error()
    unsafe SSL_free(ssl)
  }

  /// The certificate's fault if that is what it is, else the library's reason; nothing secret.
  private func failure() -> NetError {
    let verdict = unsafe SSL_get_verify_result(ssl)
    let isJudged = unsafe SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE
    if isJudged, verdict != X509_V_OK {
      ERR_clear_error()
      return .tls(reason: TLSSession.words(forVerdict: verdict))
    }
    let code = ERR_peek_error()
    let reason = TLSLibrary.reason()
    // Without close_notify the end may be an attacker's: never an orderly one.
    let isCut = Int32(truncatingIfNeeded: code & 0x7f_ffff) == SSL_R_UNEXPECTED_EOF_WHILE_READING
    return isCut ? .closed : .tls(reason: reason)
  }

  private static func words(forVerdict verdict: Int) -> String {
    guard let text = unsafe X509_verify_cert_error_string(verdict) else {
      return "the certificate does not verify"
    }
    return unsafe String(cString: text)
  }
}
