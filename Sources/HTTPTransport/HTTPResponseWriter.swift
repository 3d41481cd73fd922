import HTTP
import Net

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
  /// What goes out before the first bytes, together with them.
  private var head: [UInt8]?
  private let length: Int?
  private let isChunked: Bool
  private var written = 0
  private var failure: HTTPWriteError?

  init(_ connection: HTTPConnection, head: [UInt8], length: Int?, isChunked: Bool) {
    self.connection = connection
    self.head = head
    self.length = length
    self.isChunked = isChunked
  }

  /// Whether the head of the response was sent.
  var hasBegun: Bool { head == nil }

  /// Whether the server is shutting down, so that an endless stream should end.
  package var isDraining: Bool { connection.isDraining }

  /// Sends `bytes` now and returns when the socket has taken them: that is the back-pressure.
  ///
  /// Once it has thrown, it throws the same again.
  package func write(_ bytes: [UInt8]) async throws(HTTPWriteError) {
    if let failure { throw failure }
    guard !bytes.isEmpty else { return }
    written += bytes.count
    if let length, written > length {
      failure = .tooLong
      throw .tooLong
    }
    try await put(isChunked ? ResponseEncoder.chunk(bytes) : bytes)
  }

  /// Ends the body; false where it broke off, or is shorter than was said, so that we must close.
  func finish() async throws(HTTPWriteError) -> Bool {
    guard failure == nil, written == length ?? written else { return false }
    if isChunked {
      try await put(ResponseEncoder.lastChunk)
    } else if head != nil {
      try await put([])
    }
    failure = .closed
    return true
  }

  private func put(_ bytes: [UInt8]) async throws(HTTPWriteError) {
    do throws(NetError) {
      let head = self.head ?? []
      self.head = nil
      try await connection.stream.write(
        head,
        bytes,
        deadline: .after(connection.limits.writeTimeout)
      )
    } catch {
      failure = .closed
      throw .closed
    }
  }
}
