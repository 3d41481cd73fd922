/// What went wrong, as a stable code of the API; `docs/errors.md` lists them all.
package struct ErrorCode: RawRepresentable, Hashable, Sendable {
  package var rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }

  private init(_ rawValue: String) { self.rawValue = rawValue }

  /// The request's text is not JSON.
  package static let jsonMalformed = ErrorCode("json_malformed")
  /// One or more members or parameters are wrong; `errors` names each.
  package static let invalidRequest = ErrorCode("invalid_request")
  /// Well formed, but it cannot be carried out; `errors` names the members.
  package static let unprocessable = ErrorCode("unprocessable")
  /// A query parameter that the route does not know.
  package static let unknownParameter = ErrorCode("unknown_parameter")
  /// A cursor that this service did not sign for this list.
  package static let cursorInvalid = ErrorCode("cursor_invalid")
  /// No token, or one that is unknown, expired or revoked.
  package static let unauthenticated = ErrorCode("unauthenticated")
  /// The token lacks the scope or the account.
  package static let forbidden = ErrorCode("forbidden")
  /// No such resource, or none that the token may see.
  package static let notFound = ErrorCode("not_found")
  /// The path exists, the method does not.
  package static let methodNotAllowed = ErrorCode("method_not_allowed")
  /// No offered media type is acceptable.
  package static let notAcceptable = ErrorCode("not_acceptable")
  /// The request's media type is not supported.
  package static let unsupportedMediaType = ErrorCode("unsupported_media_type")
  /// The request's body is larger than the limit.
  package static let bodyTooLarge = ErrorCode("body_too_large")
  /// The resource changed since the `If-Match` tag.
  package static let preconditionFailed = ErrorCode("precondition_failed")
  /// It is in a state that does not allow the change.
  package static let conflict = ErrorCode("conflict")
  /// The same idempotency key came with another body.
  package static let idempotencyKeyReused = ErrorCode("idempotency_key_reused")
  /// The first request with the idempotency key still runs.
  package static let idempotencyInProgress = ErrorCode("idempotency_in_progress")
  /// The first answer held a secret and was not kept.
  package static let idempotencyNotReplayable = ErrorCode("idempotency_not_replayable")
  /// The account may not keep as many bytes here.
  package static let overQuota = ErrorCode("over_quota")
  /// The `since` state is too old, or of another feed.
  package static let stateTooOld = ErrorCode("state_too_old")
  /// Settings without `incoming` need discovery, which does not exist yet.
  package static let discoveryUnavailable = ErrorCode("discovery_unavailable")
  /// The host's address is refused by the outbound policy.
  package static let hostNotAllowed = ErrorCode("host_not_allowed")
  /// A back end's host, port, protocol or tls changed without its secret.
  package static let secretRequired = ErrorCode("secret_required")
  /// A password would cross the network in the clear.
  package static let cleartextRefused = ErrorCode("cleartext_refused")
  /// The back end's host name has no address.
  package static let backendUnresolved = ErrorCode("backend_unresolved")
  /// The back end does not accept connections.
  package static let backendUnreachable = ErrorCode("backend_unreachable")
  /// The TLS handshake with the back end failed.
  package static let backendTLSFailed = ErrorCode("backend_tls_failed")
  /// The back end refused the credentials.
  package static let backendAuthenticationFailed = ErrorCode("backend_authentication_failed")
  /// The back end, or our own limit for it, allows no further connection or login at present.
  package static let backendLimited = ErrorCode("backend_limited")
  /// The back end refused the command.
  package static let backendRefused = ErrorCode("backend_refused")
  /// The back end broke its protocol or the connection.
  package static let backendBroken = ErrorCode("backend_broken")
  /// The back end did not answer in time.
  package static let backendTimedOut = ErrorCode("backend_timed_out")
  /// The back end cannot do what was asked.
  package static let backendUnsupported = ErrorCode("backend_unsupported")
  /// Too many requests, or a queue is full.
  package static let tooManyRequests = ErrorCode("too_many_requests")
  /// The database cannot be reached, or the service is shutting down.
  package static let unavailable = ErrorCode("unavailable")
  /// A defect of the service; the log has the cause under the request's id.
  package static let internalError = ErrorCode("internal_error")
}

/// One thing wrong with a request, and where.
package struct FieldError: Sendable, Equatable {
  /// A JSON pointer into the body (RFC 6901), or `?name` for a query parameter.
  package var pointer: String
  /// A short stable code: `required`, `type`, `unknown`, `range`, `format`, `forbidden_character`.
  package var code: String
  /// What was expected, for a person.
  package var detail: String
  /// The place in a body that is a script, its lines and their characters counted from 1.
  package var line: Int?
  package var column: Int?

  package init(
    pointer: String,
    code: String,
    detail: String,
    line: Int? = nil,
    column: Int? = nil
  ) {
    self.pointer = pointer
    self.code = code
    self.detail = detail
    self.line = line
    self.column = column
  }
}

/// What a back end said when it failed.
package struct BackendFailure: Sendable, Equatable {
  /// `imap` or `smtp`.
  package var protocolName: String
  /// The host that the account names.
  package var host: String
  /// The server's own words, without secrets.
  package var response: String?
  /// SMTP's enhanced status code (RFC 3463).
  package var enhancedStatus: String?

  package init(
    protocolName: String,
    host: String,
    response: String? = nil,
    enhancedStatus: String? = nil
  ) {
    self.protocolName = protocolName
    self.host = host
    self.response = response
    self.enhancedStatus = enhancedStatus
  }
}

/// The one error that reaches a caller: a code, a message that is safe to show, and whether to try again.
package struct ServiceError: Error, Sendable {
  package var code: ErrorCode
  /// For a person; holds nothing internal and no secret.
  package var message: String
  /// For the log alone.
  package var cause: String?
  /// Whether the same request may succeed later.
  package var isRetryable: Bool
  /// After how many seconds to try again, where that is known.
  package var retryAfter: Int?
  package var fields: [FieldError]
  package var backend: BackendFailure?

  package init(
    _ code: ErrorCode,
    _ message: String,
    cause: String? = nil,
    isRetryable: Bool = false,
    retryAfter: Int? = nil,
    fields: [FieldError] = [],
    backend: BackendFailure? = nil
  ) {
    self.code = code
    self.message = message
    self.cause = cause
    self.isRetryable = isRetryable
    self.retryAfter = retryAfter
    self.fields = fields
    self.backend = backend
  }
}
