package import HTTP
package import Net

/// A request as a handler sees it: the head, and a body that is read when it is asked for.
package struct HTTPRequest: Sendable {
  /// The request line and the fields.
  package let head: RequestHead
  /// What follows the head; asking it for bytes reads from the socket.
  package let body: HTTPRequestBody
  /// The peer of the connection; nil where it is not known.
  package let remoteAddress: SocketAddress?
  /// When the head had been read.
  package let receivedAt: Deadline

  /// A request that a connection has read.
  package init(
    head: RequestHead,
    body: HTTPRequestBody,
    remoteAddress: SocketAddress?,
    receivedAt: Deadline
  ) {
    self.head = head
    self.body = body
    self.remoteAddress = remoteAddress
    self.receivedAt = receivedAt
  }

  /// What is asked for.
  package var method: HTTPMethod { head.method }
  /// The field lines, in order.
  package var fields: HTTPFields { head.fields }
  /// The request target as it was written.
  package var target: [UInt8] { head.target }
  /// The path as it was written, escapes and all.
  package var path: String { head.path }
  /// The segments of the path, each percent-decoded.
  package var segments: [String] { get throws(HTTPTargetError) { try head.segments } }
  /// The parameters of the query in order, decoded.
  package var query: [QueryParameter] { get throws(HTTPTargetError) { try head.query } }
}

extension HTTPRequest {
  /// A request made in memory, with no connection behind it.
  package init(
    method: HTTPMethod,
    target: String,
    fields: HTTPFields = HTTPFields(),
    body: [UInt8] = [],
    remoteAddress: SocketAddress? = nil
  ) {
    let framing: RequestFraming = body.isEmpty ? .none : .length(body.count)
    self.init(
      head: RequestHead(method: method, target: target, fields: fields, framing: framing),
      body: HTTPRequestBody(body),
      remoteAddress: remoteAddress,
      receivedAt: .now
    )
  }
}
