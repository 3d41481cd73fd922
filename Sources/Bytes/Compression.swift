import CZlib

/// Why bytes could not be inflated.
package enum CompressionError: Error, Sendable {
  /// The bytes are no zlib stream, or end within it.
  case damaged
  /// The result would be longer than allowed.
  case tooLong(limit: Int)
  /// zlib has no memory.
  case outOfMemory
}

/// Whole buffers out of zlib's format (RFC 1950).
package enum Compression {
  /// The bytes that `Deflaters` were given, at most `limit` of them.
  package static func inflate(
    _ bytes: Span<UInt8>,
    limit: Int
  ) throws(CompressionError) -> [UInt8] {
    var stream = unsafe z_stream()
    guard
      unsafe inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw .outOfMemory }
    defer { unsafe inflateEnd(&stream) }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(max(bytes.count * 4, 1024), 32 * 1024))
    var status = Z_OK
    unsafe bytes.withUnsafeBufferPointer { source in
      unsafe stream.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
      unsafe stream.avail_in = uInt(source.count)
      while status == Z_OK, output.count <= limit {
        let produced = unsafe chunk.withUnsafeMutableBufferPointer { target in
          unsafe stream.next_out = target.baseAddress
          unsafe stream.avail_out = uInt(target.count)
          status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
          return unsafe target.count - Int(stream.avail_out)
        }
        output.append(contentsOf: chunk[..<produced])
      }
    }
    guard output.count <= limit else { throw .tooLong(limit: limit) }
    guard status == Z_STREAM_END else { throw .damaged }
    return output
  }
}
