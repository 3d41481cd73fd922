/// Why a cryptographic operation gave no result.
package enum CryptoError: Error, Equatable, Sendable {
  /// The system has no random bytes to give.
  case randomUnavailable
  /// A key does not have the length that it must have.
  case wrongKeyLength(expected: Int, found: Int)
  /// The bytes were not made by `Sealer.seal`, or were cut.
  case malformed
  /// The secret was sealed with a key that is not here.
  case unknownKey(UInt32)
  /// The secret was changed, or belongs to another context.
  case notAuthentic
  /// OpenSSL failed where it only fails for want of memory.
  case unavailable
}
