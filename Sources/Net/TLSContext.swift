import COpenSSL

/// How the certificate of a server that we connect to is judged.
package struct TLSClientConfiguration: Sendable {
  /// The authorities whose certificates are believed.
  package enum Roots: Sendable, Hashable {
    /// Those the operating system trusts.
    case system
    /// Those in a PEM file, and no others.
    case file(String)
  }

  /// The authorities whose certificates are believed.
  package var roots: Roots
  /// The SHA-256 of one certificate (DER) that is accepted though it does not verify.
  ///
  /// The exception that a user names for a server of their own; any other certificate must verify.
  package var pinnedSHA256: [UInt8]?

  /// A configuration that believes `roots`, and without conditions the pinned certificate.
  package init(roots: Roots = .system, pinnedSHA256: [UInt8]? = nil) {
    self.roots = roots
    self.pinnedSHA256 = pinnedSHA256
  }

  /// Full verification against the system's authorities.
  package static var `default`: TLSClientConfiguration { TLSClientConfiguration() }
}

/// What the TLS connections to servers share: their roots and settings.
@safe package final class TLSClientContext: Sendable {
  /// OpenSSL counts the references to a context with atomics, and we never change it after `init`.
  nonisolated(unsafe) let pointer: OpaquePointer
  let pinnedSHA256: [UInt8]?
  let resumption: TLSResumption

  /// Reads the roots, which may be a file; `NetError.tls` says why they are no good.
  package init(
    _ configuration: TLSClientConfiguration,
    resumption limits: TLSResumptionLimits = TLSResumptionLimits()
  ) throws(NetError) {
    let context = try unsafe TLSLibrary.context(TLS_client_method())
    let status: Int32
    switch configuration.roots {
    case .system:
      status = unsafe SSL_CTX_set_default_verify_paths(context)
    case .file(let path):
      status = unsafe SSL_CTX_load_verify_file(context, path)
    }
    guard status == 1 else {
      let reason = TLSLibrary.reason()
      unsafe SSL_CTX_free(context)
      throw NetError.tls(reason: "the trusted certificates cannot be read: \(reason)")
    }
    // With a pin the handshake goes on, and we judge the verdict and the certificate after it.
    let mode = configuration.pinnedSHA256 == nil ? SSL_VERIFY_PEER : SSL_VERIFY_NONE
    unsafe SSL_CTX_set_verify(context, mode, nil)
    unsafe self.pointer = context
    self.pinnedSHA256 = configuration.pinnedSHA256
    resumption = TLSResumption(limits)
  }

  deinit {
    unsafe SSL_CTX_free(pointer)
  }
}

/// The certificate and key that our own listener shows.
@safe package final class TLSServerContext: Sendable {
  /// OpenSSL counts the references to a context with atomics, and we never change it after `init`.
  nonisolated(unsafe) let pointer: OpaquePointer

  /// Reads a PEM file with the certificate and its chain, and one with its key; `NetError.tls` says which of them is no good.
  package init(certificateFile: String, keyFile: String) throws(NetError) {
    let context = try unsafe TLSLibrary.context(TLS_server_method())
    if let fault = unsafe Self.fault(context, certificateFile, keyFile) {
      ERR_clear_error()
      unsafe SSL_CTX_free(context)
      throw NetError.tls(reason: fault)
    }
    unsafe self.pointer = context
  }

  /// Has `context` show the certificate; why it cannot, where it cannot.
  ///
  /// The library's own words for a file that is none of PEM are "no start line" and "unsupported".
  private static func fault(
    _ context: OpaquePointer,
    _ certificateFile: String,
    _ keyFile: String
  ) -> String? {
    guard unsafe SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
      return "\(certificateFile) is no PEM certificate"
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1 else {
      let reason = TLSLibrary.reason()
      return reason.contains("mismatch")
        ? "the key in \(keyFile) is not that of the certificate" : "\(keyFile) is no PEM key"
    }
    guard unsafe SSL_CTX_check_private_key(context) == 1 else {
      return "the key in \(keyFile) is not that of the certificate"
    }
    return nil
  }

  deinit {
    unsafe SSL_CTX_free(pointer)
  }
}

/// What the contexts and sessions ask of OpenSSL.
enum TLSLibrary {
  /// SSL_OP_NO_RENEGOTIATION, a macro that Swift does not import.
  private static let noRenegotiation: UInt64 = 1 << 30

  /// A context with the settings that both sides share.
  static func context(_ method: OpaquePointer?) throws(NetError) -> OpaquePointer {
    ERR_clear_error()
    guard let context = unsafe SSL_CTX_new(method) else {
      throw NetError.tls(reason: reason())
    }
    _ = unsafe restante_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
    _ = unsafe SSL_CTX_set_options(context, noRenegotiation)
    // A write is repeated from another address after a wait, may be cut at a record's end, and an idle
    // connection gives its buffers back: 22 KB instead of 37 each.
    let mode =
      SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
      | SSL_MODE_RELEASE_BUFFERS
    _ = unsafe restante_SSL_CTX_set_mode(context, Int(mode))
    return unsafe context
  }

  /// The words for the first error in this thread's queue, which is emptied.
  static func reason() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let text = unsafe ERR_reason_error_string(code) else {
      return "the TLS library gives no reason"
    }
    return unsafe String(cString: text)
  }
}
