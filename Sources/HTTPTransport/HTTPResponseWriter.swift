import HTTP

/// Why a streamed response cannot be written further.
package enum HTTPWriteError: Error, Equatable, Sendable {
  /// The client went away, took nothing for too long, or the server hard-closed.
  case closed
  /// More bytes than the length that was stated.
  case tooLong
}

/// Writes the body of one streamed response.
package final class HTTPResponseWriter: @unchecked Sendable {  // Stays on its connection's loop.
  private let connection: HTTPConnection

  init(connection: HTTPConnection) {
    self.connection = connection
  }

  /// Sends `bytes` now and returns when the socket has taken them: that is the back-pressure.
  package func write(_ bytes: [UInt8]) async throws(HTTPWriteError) {
    throw .closed
  }

  /// Whether the server is shutting down, so that an endless stream should end.
  package var isDraining: Bool { false }
}
