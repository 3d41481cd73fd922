import CZlib

/// Deflates a stream as it is written, each piece so that the peer can read all of it at once
/// (RFC 1951, without zlib's header).
///
/// Its window and tables are small, 32 KB in all, since a client sends little.
@safe package final class Deflater {
  private let stream: UnsafeMutablePointer<z_stream>  // zlib keeps its address.

  /// A stream of which nothing was written.
  package init() throws(CompressionError) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let size = unsafe Int32(MemoryLayout<z_stream>.size)
    let status = unsafe deflateInit2_(
      stream,
      6,
      Z_DEFLATED,
      -12,
      5,
      Z_DEFAULT_STRATEGY,
      ZLIB_VERSION,
      size
    )
    guard status == Z_OK else {
      unsafe stream.deallocate()
      throw .outOfMemory
    }
    unsafe self.stream = stream
  }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// The bytes that make the peer have all of `bytes`.
  package func deflate(_ bytes: [UInt8]) throws(CompressionError) -> [UInt8] {
    guard !bytes.isEmpty else { return [] }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(bytes.count / 2 + 1024, 64 << 10))
    var status = Z_OK
    unsafe bytes.withUnsafeBufferPointer { source in
      unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
      unsafe stream.pointee.avail_in = uInt(source.count)
      var isFull = true
      while isFull, status == Z_OK {
        let produced = unsafe chunk.withUnsafeMutableBufferPointer { target in
          unsafe stream.pointee.next_out = target.baseAddress
          unsafe stream.pointee.avail_out = uInt(target.count)
          status = unsafe CZlib.deflate(stream, Z_SYNC_FLUSH)
          return unsafe target.count - Int(stream.pointee.avail_out)
        }
        output.append(contentsOf: chunk[..<produced])
        isFull = produced == chunk.count
      }
    }
    // A flush that had nothing left to do is Z_BUF_ERROR, and no error.
    guard status == Z_OK || status == Z_BUF_ERROR else { throw .damaged }
    return output
  }
}

/// Inflates a stream as it is read, never more of it at a time than is asked for.
@safe package final class Inflater {
  /// How a stream is framed.
  package enum Format: Sendable {
    /// Not at all (RFC 1951).
    case raw
    /// As gzip does it (RFC 1952): one member, whose sum is checked.
    case gzip
  }

  private let stream: UnsafeMutablePointer<z_stream>  // zlib keeps its address.
  private var input: [UInt8] = []
  private var position = 0
  /// Whether the stream has come to its end; what follows is not part of it.
  package private(set) var isAtEnd = false

  /// A stream of which nothing was read.
  package init(_ format: Format = .raw) throws(CompressionError) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let size = unsafe Int32(MemoryLayout<z_stream>.size)
    let window: Int32 = format == .gzip ? 15 + 16 : -15
    guard unsafe inflateInit2_(stream, window, ZLIB_VERSION, size) == Z_OK else {
      unsafe stream.deallocate()
      throw .outOfMemory
    }
    unsafe self.stream = stream
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Takes deflated bytes.
  package func receive(_ bytes: [UInt8]) {
    if position == input.count {
      input = bytes
    } else {
      input.removeSubrange(..<position)
      input.append(contentsOf: bytes)
    }
    position = 0
  }

  /// What was received and not read; after the end, what follows the stream.
  package func takeUnread() -> [UInt8] {
    defer {
      input = []
      position = 0
    }
    return Array(input[position...])
  }

  /// The next bytes, at most `limit`; empty where more must be received first, or at the end.
  package func next(upTo limit: Int) throws(CompressionError) -> [UInt8] {
    guard !isAtEnd else { return [] }
    var output = [UInt8](repeating: 0, count: max(limit, 1))
    var status = Z_OK
    let produced = unsafe input.withUnsafeBufferPointer { source in
      unsafe output.withUnsafeMutableBufferPointer { target in
        let start = unsafe source.baseAddress.map { unsafe $0 + position }
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: start)
        unsafe stream.pointee.avail_in = uInt(source.count - position)
        unsafe stream.pointee.next_out = target.baseAddress
        unsafe stream.pointee.avail_out = uInt(target.count)
        status = unsafe CZlib.inflate(stream, Z_SYNC_FLUSH)
        position = unsafe source.count - Int(stream.pointee.avail_in)
        return unsafe target.count - Int(stream.pointee.avail_out)
      }
    }
    if position == input.count {
      input = []
      position = 0
    }
    switch status {
    case Z_OK, Z_BUF_ERROR: break
    case Z_STREAM_END: isAtEnd = true
    case Z_MEM_ERROR: throw .outOfMemory
    default: throw .damaged
    }
    output.removeLast(output.count - produced)
    return output
  }
}
