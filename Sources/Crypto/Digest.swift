import Bytes
import COpenSSL

/// SHA-256 of whole buffers.
package enum Digest {
  /// The 32 bytes of the digest of `bytes`.
  package static func sha256(_ bytes: Span<UInt8>) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 32) { target, count in
      unsafe bytes.withUnsafeBufferPointer { source in
        _ = unsafe SHA256(source.baseAddress, source.count, target.baseAddress)
      }
      count = 32
    }
  }

  /// The digest of `bytes`.
  package static func sha256(_ bytes: [UInt8]) -> [UInt8] { sha256(bytes.span) }
}

/// Message authentication codes (RFC 2104).
package enum HMAC {
  /// The 32 bytes of HMAC-SHA-256 of `message` under `key`.
  package static func sha256(key: Span<UInt8>, _ message: Span<UInt8>) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 32) { target, count in
      unsafe key.withUnsafeBufferPointer { key in
        unsafe message.withUnsafeBufferPointer { message in
          var length: UInt32 = 32
          _ = unsafe COpenSSL.HMAC(
            EVP_sha256(),
            key.baseAddress,
            Int32(clamping: key.count),
            message.baseAddress,
            message.count,
            target.baseAddress,
            &length
          )
        }
      }
      count = 32
    }
  }
}

/// Whether two texts are equal, in a time that tells nothing of where they differ.
package func constantTimeEqual(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for index in 0..<left.count { difference |= left[index] ^ right[index] }
  return difference == 0
}
