package import Bytes
import Foundation

/// A stream that is deflated both ways, over another, as COMPRESS of IMAP and NNTP do it
/// (RFC 4978, RFC 8054).
///
/// It holds some 70 KB, so it is for connections that transfer much, not for those that wait.
package final class DeflateStream: ByteStream, @unchecked Sendable {  // Confined to its loop.
  private let stream: any ByteStream
  private let inflater: Inflater
  private let deflater: Deflater
  /// Whether all that was read of the stream below has been handed out.
  private var isDrained = false

  /// The loop that owns the stream.
  package var loop: EventLoop { stream.loop }
  /// Whether TLS protects the stream below.
  package var isSecure: Bool { stream.isSecure }

  /// A stream over `stream`, of whose deflated bytes `received` were read already.
  package init(over stream: any ByteStream, received: [UInt8] = []) throws(CompressionError) {
    self.stream = stream
    inflater = try Inflater()
    deflater = try Deflater()
    if !received.isEmpty { inflater.receive(received) }
  }

  /// The next bytes, inflated; empty at the end of either stream.
  ///
  /// However far a few bytes inflate, no more than `limit` of them are in memory.
  package func read(upTo limit: Int, deadline: Deadline) async throws(NetError) -> [UInt8] {
    while true {
      let bytes: [UInt8]
      do {
        bytes = try inflater.next(upTo: limit)
      } catch {
        stream.close()
        throw .system(call: "inflate", errno: EILSEQ)
      }
      isDrained = bytes.isEmpty
      if !bytes.isEmpty || inflater.isAtEnd { return bytes }
      let more = try await stream.read(upTo: limit, deadline: deadline)
      if more.isEmpty { return [] }
      inflater.receive(more)
    }
  }

  /// Calls `body` once, on the loop, as soon as there may be something to read.
  ///
  /// What was read deflated may not be inflated in full: then it is called at once.
  package func whenReadable(by deadline: Deadline, _ body: @escaping (NetError?) -> Void) {
    guard isDrained else { return body(nil) }
    stream.whenReadable(by: deadline, body)
  }

  /// Writes all of `head`, then all of `body`, deflated, and flushed so that the peer can read it.
  package func write(
    _ head: [UInt8],
    _ body: [UInt8],
    deadline: Deadline
  ) async throws(NetError) {
    let first: [UInt8]
    let second: [UInt8]
    do {
      first = try deflater.deflate(head)
      second = try deflater.deflate(body)
    } catch {
      stream.close()
      throw .system(call: "deflate", errno: EILSEQ)
    }
    try await stream.write(first, second, deadline: deadline)
  }

  /// Closes the stream below.
  package func close() { stream.close() }
}
