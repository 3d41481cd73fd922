import CZlib
import Synchronization

/// Deflates whole buffers into zlib's format (RFC 1950) at its level 1, which is the fastest.
///
/// For short ones, which most messages are, some deflaters are kept: to make one and throw it away took longer than to use it.
package final class Deflaters: Sendable {
  /// Those that nobody uses.
  private let idle = Mutex<[ShortDeflater]>([])
  /// How many are kept.
  private static let mostIdle = 4

  package init() {}

  /// `bytes` deflated, which `Compression.inflate` undoes.
  package func deflate(_ bytes: Span<UInt8>) throws(CompressionError) -> [UInt8] {
    guard bytes.count > ShortDeflater.longest else { return try deflateShort(bytes) }
    let bound = compressBound(uLong(bytes.count))
    var output = [UInt8](repeating: 0, count: Int(bound))
    var length = bound
    let status = unsafe bytes.withUnsafeBufferPointer { source in
      unsafe output.withUnsafeMutableBufferPointer { target in
        unsafe compress2(target.baseAddress, &length, source.baseAddress, uLong(source.count), 1)
      }
    }
    guard status == Z_OK else { throw .outOfMemory }
    output.removeLast(output.count - Int(length))
    return output
  }

  private func deflateShort(_ bytes: Span<UInt8>) throws(CompressionError) -> [UInt8] {
    let deflater: ShortDeflater
    if let kept = idle.withLock({ $0.popLast() }) {
      deflater = kept
    } else {
      deflater = try ShortDeflater()
    }
    defer { idle.withLock { if $0.count < Self.mostIdle { $0.append(deflater) } } }
    return try deflater.deflate(bytes)
  }
}
