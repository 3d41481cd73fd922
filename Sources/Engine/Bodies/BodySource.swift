import MIME
import Synchronization

/// Takes the next bytes; its wait holds the source back.
///
/// It is called on the loop that asked for them.
package typealias BodySink = @Sendable ([UInt8]) async throws -> Void

/// The bytes of a message or of one part, to be streamed.
package struct BodySource: Sendable {
  package var contentType: String
  package var charset: String?
  package var filename: String?
  package var disposition: String?
  /// Exact, or nil where the decoded length is not known before the end.
  package var length: Int?
  package var etag: String
  let produce: @Sendable (_ sink: @escaping BodySink) async throws -> Void

  /// Hands the bytes, or those of `range`, to `sink` piece by piece; the sink's wait holds the source back.
  ///
  /// - Throws: `ServiceError`, or what `sink` throws.
  package func stream(
    range: Range<Int>? = nil,
    to sink: @escaping BodySink
  ) async throws {
    guard let range else { return try await produce(sink) }
    let read = Mutex(0)
    do {
      try await produce { piece in
        let position = read.withLock { read in
          defer { read += piece.count }
          return read
        }
        let start = max(range.lowerBound - position, 0)
        let end = min(range.upperBound - position, piece.count)
        if start < end { try await sink(Array(piece[start..<end])) }
        if position + piece.count >= range.upperBound { throw EndOfRange() }
      }
    } catch is EndOfRange {
      return
    }
  }

  /// All bytes, at most `limit`.
  package func collect(upTo limit: Int) async throws -> (bytes: [UInt8], isTruncated: Bool) {
    let gathered = Mutex<[UInt8]>([])
    do {
      try await produce { piece in
        let count = gathered.withLock { bytes in
          bytes += piece
          return bytes.count
        }
        if count > limit { throw EndOfRange() }
      }
    } catch is EndOfRange {
      return (gathered.withLock { Array($0.prefix(limit)) }, true)
    }
    return (gathered.withLock { $0 }, false)
  }
}

/// The reader has what it wanted.
private struct EndOfRange: Error {}

/// The text of one part.
package struct BodyValue: Sendable {
  package var partID: String
  package var value: String
  package var isTruncated: Bool
  package var isEncodingProblem: Bool
}
