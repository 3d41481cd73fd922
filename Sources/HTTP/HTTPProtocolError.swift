/// Something that came in the place of a request, after which the connection must close.
package struct HTTPProtocolError: Error, Equatable, Sendable {
  /// What to answer before closing.
  package let status: HTTPStatus
  /// What is wrong, in words that may be shown to the client.
  package let reason: String

  init(_ status: HTTPStatus, _ reason: String) {
    self.status = status
    self.reason = reason
  }
}
