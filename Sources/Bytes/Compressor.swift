import CZstd

/// A compressor of whole buffers that is used again and again.
@safe final class Compressor: @unchecked Sendable {  // Whoever took one uses it alone.
  private let context: OpaquePointer

  init() throws(CompressionError) {
    guard let context = unsafe ZSTD_createCCtx() else { throw .outOfMemory }
    unsafe self.context = context
    unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)
    unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
  }

  deinit {
    unsafe ZSTD_freeCCtx(context)
  }

  func compress(_ bytes: Span<UInt8>) throws(CompressionError) -> [UInt8] {
    let output = unsafe [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) {
      target,
      count in
      let length = unsafe bytes.withUnsafeBufferPointer { source in
        unsafe ZSTD_compress2(
          context,
          target.baseAddress,
          target.count,
          source.baseAddress,
          source.count
        )
      }
      count = ZSTD_isError(length) == 0 ? length : 0
    }
    // With room for the worst case nothing else can fail.
    guard !output.isEmpty else { throw .outOfMemory }
    // Without the room for the worst case, which would be kept with it.
    return output.span.array
  }
}
