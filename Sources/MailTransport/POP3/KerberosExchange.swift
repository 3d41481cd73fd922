import CKerberos

/// Where the ticket is that proves who we are.
package struct KerberosTicket: Hashable, Sendable {
  /// The credentials cache as libkrb5 spells it, such as `FILE:/run/restante/alice.cc`; the process's
  /// own where it is nil.
  package var cache: String?
  /// The configuration of the realm; the system's where it is nil.
  package var configurationFile: String?

  /// The ticket in `cache`.
  package init(cache: String? = nil, configurationFile: String? = nil) {
    self.cache = cache
    self.configurationFile = configurationFile
  }
}

/// Why a Kerberos exchange failed.
struct KerberosError: Error, Hashable, Sendable {
  /// What libkrb5 says.
  let reason: String
}

/// One mutual proof by Kerberos (RFC 4120 §3.2), of a client and a service.
///
/// Every method may wait for the KDC or the disk, and so belongs on a thread that may block.
@safe final class KerberosExchange: @unchecked Sendable {  // Used by one at a time.
  private let context: krb5_context
  private var authentication: krb5_auth_context?

  /// An exchange that reads the configuration of `ticket`.
  init(configurationOf ticket: KerberosTicket) throws(KerberosError) {
    var context: krb5_context?
    let code: krb5_error_code
    if let file = ticket.configurationFile {
      var profile: profile_t?
      code = unsafe file.withCString { path in
        var paths: [UnsafePointer<CChar>?] = unsafe [path, nil]
        let opened = unsafe krb5_error_code(profile_init(&paths, &profile))
        return unsafe opened != 0 ? opened : krb5_init_context_profile(profile, 0, &context)
      }
      if unsafe profile != nil { unsafe profile_release(profile) }
    } else {
      code = unsafe krb5_init_context(&context)
    }
    guard code == 0, let context = unsafe context else {
      throw KerberosError(reason: "libkrb5 does not start (\(code))")
    }
    unsafe self.context = context
  }

  deinit {
    unsafe krb5_auth_con_free(context, authentication)
    unsafe krb5_free_context(context)
  }

  /// A KRB_AP_REQ that shows the ticket for `service` of `host` and demands the server's proof.
  func request(
    service: String,
    host: String,
    ticket: KerberosTicket
  ) throws(KerberosError) -> [UInt8] {
    var cache: krb5_ccache?
    if let name = ticket.cache {
      try check(unsafe krb5_cc_resolve(context, name, &cache))
    } else {
      try check(unsafe krb5_cc_default(context, &cache))
    }
    defer { unsafe krb5_cc_close(context, cache) }
    var wanted = unsafe krb5_creds()
    defer { unsafe krb5_free_cred_contents(context, &wanted) }
    try check(unsafe krb5_cc_get_principal(context, cache, &wanted.client))
    let kind = krb5_int32(KRB5_NT_SRV_HST)
    try check(unsafe krb5_sname_to_principal(context, host, service, kind, &wanted.server))
    var credentials: UnsafeMutablePointer<krb5_creds>?
    try check(unsafe krb5_get_credentials(context, 0, cache, &wanted, &credentials))
    defer { unsafe krb5_free_creds(context, credentials) }
    var request = unsafe krb5_data()
    try check(
      unsafe krb5_mk_req_extended(
        context,
        &authentication,
        krb5_flags(AP_OPTS_MUTUAL_REQUIRED),
        nil,
        credentials,
        &request
      )
    )
    defer { unsafe krb5_free_data_contents(context, &request) }
    return unsafe [UInt8](
      UnsafeRawBufferPointer(start: request.data, count: Int(request.length))
    )
  }

  /// Checks the server's KRB_AP_REP: only who has the service's key can have made it.
  func verify(_ proof: [UInt8]) throws(KerberosError) {
    var reply: UnsafeMutablePointer<krb5_ap_rep_enc_part>?
    let code = unsafe withData(proof) { data in
      unsafe krb5_rd_rep(context, authentication, data, &reply)
    }
    unsafe krb5_free_ap_rep_enc_part(context, reply)
    try check(code)
  }

  /// What a KRB_ERROR says.
  func words(of error: [UInt8]) -> String {
    var decoded: UnsafeMutablePointer<krb5_error>?
    let code = unsafe withData(error) { unsafe krb5_rd_error(context, $0, &decoded) }
    guard code == 0, let decoded = unsafe decoded else { return "the server refuses the ticket" }
    defer { unsafe krb5_free_error(context, decoded) }
    // The numbers of the protocol begin at libkrb5's own (RFC 4120 §7.5.9).
    return unsafe message(krb5_error_code(ERROR_TABLE_BASE_krb5) + Int32(decoded.pointee.error))
  }

  private func withData(
    _ bytes: [UInt8],
    _ body: (UnsafePointer<krb5_data>) -> krb5_error_code
  ) -> krb5_error_code {
    var bytes = bytes
    return unsafe bytes.withUnsafeMutableBytes { buffer in
      var data = unsafe krb5_data()
      unsafe data.data = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      unsafe data.length = UInt32(buffer.count)
      return unsafe body(&data)
    }
  }

  private func check(_ code: krb5_error_code) throws(KerberosError) {
    guard code != 0 else { return }
    throw KerberosError(reason: message(code))
  }

  private func message(_ code: krb5_error_code) -> String {
    guard let text = unsafe krb5_get_error_message(context, code) else { return "error \(code)" }
    defer { unsafe krb5_free_error_message(context, text) }
    return unsafe String(cString: text)
  }
}
