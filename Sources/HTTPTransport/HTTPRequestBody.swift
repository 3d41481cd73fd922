import HTTP

/// Why a request's body could not be read to its end.
package enum HTTPBodyError: Error, Equatable, Sendable {
  /// It is longer than the handler allows, or says that it will be.
  case tooLarge(limit: Int)
  /// The client went away, or the request is over.
  case closed
  /// Its framing is broken.
  case malformed
  /// The client sent nothing for too long.
  case timedOut
}

/// The body of a request, read from the socket only when the handler asks: that is the back-pressure.
///
/// A client that waits for `100 Continue` gets it with the first question. What the handler leaves
/// unread is thrown away after the reply.
package final class HTTPRequestBody: @unchecked Sendable {  // Stays on its connection's loop.
  /// How many bytes there are, where the head says so: 0 for no body, nil for chunks.
  package let length: Int?
  private var source: Source

  /// Where the bytes come from.
  private enum Source {
    case memory([UInt8])
    case connection(HTTPConnection)
    case finished
    case failed(HTTPBodyError)
  }

  /// A body that is in memory already.
  package init(_ bytes: [UInt8]) {
    length = bytes.count
    source = bytes.isEmpty ? .finished : .memory(bytes)
  }

  private init(length: Int?, from connection: HTTPConnection) {
    self.length = length
    source = .connection(connection)
  }

  /// Shared by all requests without a body, to save an allocation; it has no state that changes.
  private static let none = HTTPRequestBody([])

  /// The body of the request under way on `connection`.
  static func of(_ framing: RequestFraming, from connection: HTTPConnection) -> HTTPRequestBody {
    switch framing {
    case .none: none
    case .length(let count): HTTPRequestBody(length: count, from: connection)
    case .chunked: HTTPRequestBody(length: nil, from: connection)
    }
  }

  /// The next bytes, as many as came together; nil at the end.
  package func next() async throws(HTTPBodyError) -> [UInt8]? {
    switch source {
    case .memory(let bytes):
      source = .finished
      return bytes
    case .finished:
      return nil
    case .failed(let error):
      throw error
    case .connection(let connection):
      return try await read(from: connection)
    }
  }

  /// The whole body, which may be `limit` bytes long at most.
  package func collect(upTo limit: Int) async throws(HTTPBodyError) -> [UInt8] {
    if let length, length > limit { throw .tooLarge(limit: limit) }
    guard var collected = try await next() else { return [] }
    guard collected.count <= limit else { throw .tooLarge(limit: limit) }
    while let more = try await next() {
      guard collected.count + more.count <= limit else { throw .tooLarge(limit: limit) }
      collected.append(contentsOf: more)
    }
    return collected
  }

  private func read(from connection: HTTPConnection) async throws(HTTPBodyError) -> [UInt8]? {
    do throws(HTTPBodyError) {
      if let bytes = try await connection.nextBodyBytes() { return bytes }
      source = .finished
      return nil
    } catch {
      source = .failed(error)
      throw error
    }
  }

  /// Cuts the body off its connection, when the reply has been sent.
  func detach() {
    if case .connection = source { source = .failed(.closed) }
  }
}
