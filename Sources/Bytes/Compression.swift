import CZlib
import CZstd

/// Why bytes could not be compressed or decompressed.
package enum CompressionError: Error, Sendable {
  /// The bytes are not what was made by compressing, or end within it.
  case damaged
  /// The result would be longer than allowed.
  case tooLong(limit: Int)
  /// The library has no memory.
  case outOfMemory
}

/// Whole buffers that were compressed.
package enum Compression {
  /// How a frame of Zstandard begins (RFC 8878 §3.1.1); zlib's format cannot, whose first two bytes are a multiple of 31.
  private static let zstdMagic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

  /// The bytes that `Compressors` were given, at most `limit` of them.
  ///
  /// A database may hold zlib's format (RFC 1950) as well, in which they were written once.
  package static func decompress(
    _ bytes: Span<UInt8>,
    limit: Int
  ) throws(CompressionError) -> [UInt8] {
    guard bytes.extracting(first: 4).elementsEqual(Self.zstdMagic.span) else {
      return try inflate(bytes, limit: limit)
    }
    let size = unsafe bytes.withUnsafeBufferPointer { source in
      unsafe ZSTD_getFrameContentSize(source.baseAddress, source.count)
    }
    // The two highest stand for none told, and for a frame that is none.
    guard size < UInt64.max - 1 else { throw .damaged }
    guard size <= limit else { throw .tooLong(limit: limit) }
    var length = 0
    let output = unsafe [UInt8](unsafeUninitializedCapacity: Int(size)) { target, count in
      length = unsafe bytes.withUnsafeBufferPointer { source in
        unsafe ZSTD_decompress(target.baseAddress, Int(size), source.baseAddress, source.count)
      }
      count = length == Int(size) ? length : 0
    }
    guard length != Int(size) else { return output }
    throw ZSTD_getErrorCode(length) == ZSTD_error_memory_allocation ? .outOfMemory : .damaged
  }

  private static func inflate(
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
