package import HTTP

/// What a handler answers.
package struct HTTPResponse: Sendable {
  /// The status code.
  package var status: HTTPStatus
  /// The fields, without those that frame the message.
  ///
  /// `Content-Length`, `Transfer-Encoding`, `Date` and `Connection` are the server's and left out where
  /// they stand here, but `Connection: close` is heeded.
  package var fields: HTTPFields
  /// What follows the head.
  package var body: HTTPResponseBody

  /// A response of these parts.
  package init(
    status: HTTPStatus,
    fields: HTTPFields = HTTPFields(),
    body: HTTPResponseBody = .empty
  ) {
    self.status = status
    self.fields = fields
    self.body = body
  }
}

/// The body of a response.
package enum HTTPResponseBody: Sendable {
  /// No bytes.
  case empty
  /// All of it, sent with the head in one write.
  case bytes([UInt8])
  /// Written bit by bit by a closure that runs on the connection's loop.
  ///
  /// It goes out in chunks where no length is known. For HEAD the closure is not called. If it throws,
  /// or writes another length than was said, the connection closes, so that no client takes the part
  /// for the whole.
  case stream(length: Int?, @Sendable (HTTPResponseWriter) async throws -> Void)
}

/// Thrown by a streamed body before its first byte: this response takes the place of the one begun.
///
/// A source that fails when it is opened can so still be told by its status.
package struct HTTPResponseReplacement: Error {
  /// What is sent instead; its body is no stream.
  package let response: HTTPResponse

  /// A replacement by `response`.
  package init(_ response: HTTPResponse) { self.response = response }
}

/// Answers requests.
package protocol HTTPHandler: Sendable {
  /// The answer to `request`; runs on the connection's loop and must not leave it for long.
  func respond(to request: HTTPRequest) async -> HTTPResponse

  /// The answer to something that is no request: `reason` says in words that may be shown what is wrong.
  func protocolError(_ status: HTTPStatus, reason: String) -> HTTPResponse

  /// Ends the answers that would never end by themselves; called once, when the server begins to shut down.
  func endStreams()
}

extension HTTPHandler {
  /// Every answer ends by itself.
  package func endStreams() {}

  /// The reason as plain text.
  package func protocolError(_ status: HTTPStatus, reason: String) -> HTTPResponse {
    HTTPResponse(
      status: status,
      fields: ["Content-Type": "text/plain; charset=utf-8"],
      body: .bytes(Array(reason.utf8))
    )
  }
}
