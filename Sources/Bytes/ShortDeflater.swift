import CZlib

/// A deflater of short buffers that is used again and again.
///
/// Its window is no larger than what it is given, so that it takes 64 KB and not 256, which the heap would get from the kernel and
/// give back each time.
///
/// Sendable, since whoever took one uses it alone.
@safe final class ShortDeflater: @unchecked Sendable {
  /// How many bytes it takes at most.
  static let longest = 8 << 10

  private let stream: UnsafeMutablePointer<z_stream>

  init() throws(CompressionError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let status = unsafe deflateInit2_(
      stream,
      1,
      Z_DEFLATED,
      13,
      6,
      Z_DEFAULT_STRATEGY,
      ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size)
    )
    guard status == Z_OK else { throw .outOfMemory }
  }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// `bytes` deflated, of which there are `longest` at most.
  func deflate(_ bytes: Span<UInt8>) throws(CompressionError) -> [UInt8] {
    guard unsafe deflateReset(stream) == Z_OK else { throw .outOfMemory }
    let bound = Int(unsafe deflateBound(stream, uLong(bytes.count)))
    var status = Z_OK
    let output = unsafe [UInt8](unsafeUninitializedCapacity: bound) { target, count in
      unsafe bytes.withUnsafeBufferPointer { source in
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
        unsafe stream.pointee.avail_in = uInt(source.count)
        unsafe stream.pointee.next_out = target.baseAddress
        unsafe stream.pointee.avail_out = uInt(target.count)
        status = unsafe CZlib.deflate(stream, Z_FINISH)
      }
      count = status == Z_STREAM_END ? bound - Int(unsafe stream.pointee.avail_out) : 0
    }
    guard status == Z_STREAM_END else { throw .outOfMemory }
    return output
  }
}
