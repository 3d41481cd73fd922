import HTTP
import Model

/// What the API makes of each code: its status and its title; `docs/errors.md` says the same in prose.
enum ProblemTable {
  /// Who has to act on a problem.
  enum Origin: String {
    case client, service, backend
  }

  /// One row of the table.
  struct Entry {
    var code: ErrorCode
    var status: HTTPStatus
    var title: String
    var origin: Origin
  }

  /// Every code that an answer of this service can carry.
  static let entries: [Entry] = client + backend + service

  private static let byCode = Dictionary(uniqueKeysWithValues: entries.map { ($0.code, $0) })

  /// The row of `code`; a code that no row has is a defect and reads as one.
  static func entry(for code: ErrorCode) -> Entry {
    byCode[code]
      ?? Entry(code: .internalError, status: 500, title: "Internal error", origin: .service)
  }

  private static func client(_ code: ErrorCode, _ status: HTTPStatus, _ title: String) -> Entry {
    Entry(code: code, status: status, title: title, origin: .client)
  }

  private static func backend(_ code: ErrorCode, _ status: HTTPStatus, _ title: String) -> Entry {
    Entry(code: code, status: status, title: title, origin: .backend)
  }

  private static let client: [Entry] = [
    client(.httpMalformed, 400, "The request is not HTTP"),
    client(.jsonMalformed, 400, "The body is not JSON"),
    client(.invalidRequest, 400, "The request is not valid"),
    client(.unknownParameter, 400, "Unknown query parameter"),
    client(.cursorInvalid, 400, "The cursor is not valid here"),
    client(.unauthenticated, 401, "A valid token is required"),
    client(.forbidden, 403, "The token does not allow this"),
    client(.notFound, 404, "Not found"),
    client(.methodNotAllowed, 405, "Method not allowed"),
    client(.notAcceptable, 406, "No acceptable media type"),
    client(.requestTimedOut, 408, "The request took too long to arrive"),
    client(.conflict, 409, "Conflict with the present state"),
    client(.idempotencyInProgress, 409, "The first request still runs"),
    client(.idempotencyNotReplayable, 409, "The first answer was not kept"),
    client(.stateTooOld, 410, "The state is too old"),
    client(.preconditionFailed, 412, "The resource has changed"),
    client(.bodyTooLarge, 413, "The body is too large"),
    client(.targetTooLong, 414, "The request target is too long"),
    client(.unsupportedMediaType, 415, "Unsupported media type"),
    client(.rangeNotSatisfiable, 416, "The range cannot be satisfied"),
    client(.expectationFailed, 417, "The expectation cannot be met"),
    client(.unprocessable, 422, "The request cannot be carried out"),
    client(.idempotencyKeyReused, 422, "The idempotency key was used for another request"),
    client(.discoveryUnavailable, 422, "Settings cannot be discovered"),
    client(.hostNotAllowed, 422, "The host is not allowed"),
    client(.secretRequired, 422, "The secret is required again"),
    client(.cleartextRefused, 422, "A password would cross the network in the clear"),
    client(.tooManyRequests, 429, "Too many requests"),
    client(.headerTooLarge, 431, "The header is too large"),
    client(.overQuota, 507, "The account may not keep more"),
  ]

  private static let backend: [Entry] = [
    backend(.backendUnsupported, 422, "The mail server cannot do this"),
    backend(.backendUnresolved, 502, "The mail server's name has no address"),
    backend(.backendUnreachable, 502, "The mail server cannot be reached"),
    backend(.backendTLSFailed, 502, "TLS with the mail server failed"),
    backend(.backendAuthenticationFailed, 502, "The mail server refused the credentials"),
    backend(.backendLimited, 503, "The mail server allows no further connection at present"),
    backend(.backendRefused, 502, "The mail server refused"),
    backend(.backendBroken, 502, "The mail server broke the protocol"),
    backend(.backendTimedOut, 504, "The mail server did not answer in time"),
  ]

  private static let service: [Entry] = [
    Entry(code: .internalError, status: 500, title: "Internal error", origin: .service),
    Entry(code: .notImplemented, status: 501, title: "Not implemented", origin: .service),
    client(.httpVersionUnsupported, 505, "This version of HTTP is not spoken"),
    Entry(code: .unavailable, status: 503, title: "Unavailable", origin: .service),
  ]
}

/// The codes of faults that only the HTTP side meets.
extension ErrorCode {
  /// The request is no HTTP that this service reads.
  static let httpMalformed = ErrorCode(rawValue: "http_malformed")
  /// The request did not arrive in time.
  static let requestTimedOut = ErrorCode(rawValue: "request_timed_out")
  /// The request target is longer than the limit.
  static let targetTooLong = ErrorCode(rawValue: "target_too_long")
  /// The header is larger than the limit.
  static let headerTooLarge = ErrorCode(rawValue: "header_too_large")
  /// No byte of the body stands in the range.
  static let rangeNotSatisfiable = ErrorCode(rawValue: "range_not_satisfiable")
  /// A transfer coding, a version or a method that the server does not implement.
  static let expectationFailed = ErrorCode(rawValue: "expectation_failed")
  static let httpVersionUnsupported = ErrorCode(rawValue: "http_version_unsupported")
  static let notImplemented = ErrorCode(rawValue: "not_implemented")
}
