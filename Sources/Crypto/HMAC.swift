import COpenSSL

/// Keyed message authentication (RFC 2104).
package enum HMAC {
  /// HMAC-SHA-256 of `message`, 32 bytes.
  package static func sha256(key: Span<UInt8>, _ message: Span<UInt8>) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { output, count in
      let result = unsafe key.withUnsafeBufferPointer { key in
        unsafe message.withUnsafeBufferPointer { message in
          unsafe COpenSSL.HMAC(
            EVP_sha256(),
            key.baseAddress,
            Int32(key.count),
            message.baseAddress,
            message.count,
            output.baseAddress,
            nil
          )
        }
      }
      precondition(unsafe result != nil, "OpenSSL has no HMAC")
      count = SHA256.byteCount
    }
  }
}

/// Whether two secrets are equal, in a time that depends only on their lengths.
package func constantTimeEqual(_ a: Span<UInt8>, _ b: Span<UInt8>) -> Bool {
  guard a.count == b.count else { return false }
  return unsafe a.withUnsafeBufferPointer { a in
    unsafe b.withUnsafeBufferPointer { b in
      unsafe CRYPTO_memcmp(a.baseAddress, b.baseAddress, a.count) == 0
    }
  }
}
