import CGSASL

/// A mechanism of libgsasl, with a library context of its own.
///
/// Unchecked: libgsasl keeps no global state past `gsasl_init`, and an exchange, whose value holds
/// the session, makes one step at a time.
@safe final class GSASLSession: @unchecked Sendable {
  private let context: OpaquePointer
  private let session: OpaquePointer

  init(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    service: SASLService
  ) throws(SASLError) {
    var context: OpaquePointer?
    guard unsafe gsasl_init(&context) == GSASL_OK.code, let context = unsafe context else {
      throw .unusable(reason: "libgsasl does not start")
    }
    var session: OpaquePointer?
    let status = unsafe gsasl_client_start(context, mechanism.rawValue, &session)
    guard status == GSASL_OK.code, let session = unsafe session else {
      unsafe gsasl_done(context)
      throw .unusable(reason: "libgsasl has no \(mechanism.rawValue)")
    }
    unsafe self.context = context
    unsafe self.session = session
    try set(GSASL_AUTHID, credentials.username)
    // A ticket has a name of its own: who is to be let in must be said, or it is the ticket's owner.
    if mechanism == .gssapi { try set(GSASL_AUTHZID, credentials.username) }
    try set(GSASL_SERVICE, service.name)
    try set(GSASL_HOSTNAME, service.host)
    if let password = credentials.password { try set(GSASL_PASSWORD, password) }
  }

  deinit {
    unsafe gsasl_finish(session)
    unsafe gsasl_done(context)
  }

  private func set(_ property: Gsasl_property, _ value: String) throws(SASLError) {
    guard !value.utf8.contains(0) else { throw .unusable(reason: "no NUL can be sent") }
    guard unsafe gsasl_property_set(session, property, value) == GSASL_OK.code else {
      throw .unusable(reason: "libgsasl has no memory")
    }
  }

  /// The response to `challenge`, and whether the mechanism has come to its end.
  func step(_ challenge: [UInt8]) throws(SASLError) -> (response: [UInt8], isDone: Bool) {
    var output: UnsafeMutablePointer<CChar>?
    var count = 0
    let status = unsafe challenge.withUnsafeBytes { bytes in
      let start = unsafe bytes.bindMemory(to: CChar.self).baseAddress
      return unsafe gsasl_step(session, start, bytes.count, &output, &count)
    }
    defer { unsafe gsasl_free(output) }
    guard status == GSASL_OK.code || status == GSASL_NEEDS_MORE.code else {
      throw Self.error(status)
    }
    var response: [UInt8] = []
    if let output = unsafe output {
      unsafe response.append(contentsOf: UnsafeRawBufferPointer(start: output, count: count))
    }
    return (response, status == GSASL_OK.code)
  }

  /// The error that `status` is: the server's fault, or that of what we were given.
  private static func error(_ status: Int32) -> SASLError {
    let name = unsafe gsasl_strerror_name(status).map { unsafe String(cString: $0) }
    let reason = name ?? "libgsasl error \(status)"
    switch status {
    case GSASL_MECHANISM_PARSE_ERROR.code, GSASL_AUTHENTICATION_ERROR.code,
      GSASL_INTEGRITY_ERROR.code, GSASL_MECHANISM_CALLED_TOO_MANY_TIMES.code,
      GSASL_GSSAPI_UNWRAP_ERROR.code, GSASL_GSSAPI_UNSUPPORTED_PROTECTION_ERROR.code:
      return .badServer(reason: reason)
    default:
      return .unusable(reason: reason)
    }
  }
}

extension Gsasl_rc {
  /// The number as libgsasl's functions return it.
  fileprivate var code: Int32 { Int32(bitPattern: rawValue) }
}
