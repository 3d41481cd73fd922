/// A status code (RFC 9110 §15): three digits, an open set.
package struct HTTPStatus: RawRepresentable, Hashable, Sendable, ExpressibleByIntegerLiteral {
  /// The code, as `404`.
  package let rawValue: Int

  /// The status of a code between 100 and 999.
  package init(rawValue: Int) {
    self.rawValue = rawValue
  }

  /// The status that a literal names.
  package init(integerLiteral value: Int) {
    self.init(rawValue: value)
  }

  package static var ok: HTTPStatus { 200 }
  package static var created: HTTPStatus { 201 }
  package static var accepted: HTTPStatus { 202 }
  package static var noContent: HTTPStatus { 204 }
  package static var partialContent: HTTPStatus { 206 }
  package static var notModified: HTTPStatus { 304 }
  package static var badRequest: HTTPStatus { 400 }
  package static var unauthorized: HTTPStatus { 401 }
  package static var forbidden: HTTPStatus { 403 }
  package static var notFound: HTTPStatus { 404 }
  package static var methodNotAllowed: HTTPStatus { 405 }
  package static var notAcceptable: HTTPStatus { 406 }
  package static var requestTimeout: HTTPStatus { 408 }
  package static var conflict: HTTPStatus { 409 }
  package static var gone: HTTPStatus { 410 }
  package static var preconditionFailed: HTTPStatus { 412 }
  package static var contentTooLarge: HTTPStatus { 413 }
  package static var uriTooLong: HTTPStatus { 414 }
  package static var unsupportedMediaType: HTTPStatus { 415 }
  package static var rangeNotSatisfiable: HTTPStatus { 416 }
  package static var expectationFailed: HTTPStatus { 417 }
  package static var unprocessableContent: HTTPStatus { 422 }
  package static var preconditionRequired: HTTPStatus { 428 }
  package static var tooManyRequests: HTTPStatus { 429 }
  package static var requestHeaderFieldsTooLarge: HTTPStatus { 431 }
  package static var internalServerError: HTTPStatus { 500 }
  package static var notImplemented: HTTPStatus { 501 }
  package static var badGateway: HTTPStatus { 502 }
  package static var serviceUnavailable: HTTPStatus { 503 }
  package static var gatewayTimeout: HTTPStatus { 504 }
  package static var httpVersionNotSupported: HTTPStatus { 505 }

  /// Whether a response with this status has no body whatever its fields say (RFC 9112 §6.3).
  package var forbidsBody: Bool { rawValue < 200 || rawValue == 204 || rawValue == 304 }

  /// The phrase that RFC 9110, or RFC 4918, registers for the code; empty for any other.
  package var reasonPhrase: StaticString {
    switch rawValue {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 207: "Multi-Status"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    default: errorPhrase
    }
  }

  private var errorPhrase: StaticString {
    switch rawValue {
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 423: "Locked"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    default: ""
    }
  }
}

extension HTTPStatus: CustomStringConvertible {
  package var description: String { "\(rawValue)" }
}
