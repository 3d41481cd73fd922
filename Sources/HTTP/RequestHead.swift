import Bytes

/// A version of the protocol that a request may be written in.
package enum HTTPVersion: Sendable {
  /// HTTP/1.0: closes after a reply unless `Connection: keep-alive` asks otherwise.
  case http10
  /// HTTP/1.1, and any later 1.x, which is read as 1.1 (RFC 9110 §2.5).
  case http11
}

/// The request line and the fields of a request.
///
///     GET /v1/accounts?limit=5 HTTP/1.1
///     Host: localhost
///
package struct RequestHead: Sendable {
  /// What is asked for.
  package let method: HTTPMethod
  /// The version of the request line.
  package let version: HTTPVersion
  /// The field lines, in order.
  package let fields: HTTPFields
  /// Where the request target stands in the bytes of the head.
  let targetRange: Range<Int>
  /// How many bytes follow as the body.
  package let framing: RequestFraming
  /// Whether the client waits for `100 Continue` before it sends the body.
  package let expectsContinue: Bool
  /// Whether the client lets the connection stay open after the reply (RFC 9112 §9.3).
  package let keepsAlive: Bool

  /// The request target as it was written: an origin form as a rule (RFC 9112 §3.2).
  package var target: [UInt8] { fields.bytes.span.extracting(targetRange).array }
}

/// How the length of a request's body is known (RFC 9112 §6.3).
package enum RequestFraming: Equatable, Sendable {
  /// There is no body.
  case none
  /// `Content-Length` bytes, more than none.
  case length(Int)
  /// Chunks up to the last one.
  case chunked
}

extension RequestHead {
  /// A head made in memory, as tests and internal calls need it; nothing is checked.
  package init(
    method: HTTPMethod,
    target: String,
    fields: HTTPFields = HTTPFields(),
    framing: RequestFraming = .none
  ) {
    var fields = fields
    let start = fields.bytes.count
    fields.bytes.append(text: target)
    self.init(
      method: method,
      version: .http11,
      fields: fields,
      targetRange: start..<fields.bytes.count,
      framing: framing,
      expectsContinue: false,
      keepsAlive: true
    )
  }
}
