import Synchronization

/// Compresses whole buffers as frames of Zstandard (RFC 8878) at its level 1, each with its length and a checksum.
///
/// Some compressors are kept: to make one and throw it away takes longer than to use it on a message of usual length.
package final class Compressors: Sendable {
  /// Those that nobody uses.
  private let idle = Mutex<[Compressor]>([])
  /// How many are kept, of 110 to 300 KB each.
  private static let mostIdle = 4

  package init() {}

  /// `bytes` compressed, which `Compression.decompress` undoes.
  package func compress(_ bytes: Span<UInt8>) throws(CompressionError) -> [UInt8] {
    let compressor: Compressor
    if let kept = idle.withLock({ $0.popLast() }) {
      compressor = kept
    } else {
      compressor = try Compressor()
    }
    defer { idle.withLock { if $0.count < Self.mostIdle { $0.append(compressor) } } }
    return try compressor.compress(bytes)
  }
}
