import COpenSSL

/// Digests of bytes that are all in memory.
package enum Digest {
  /// The algorithm, looked up once: OpenSSL looks for one that is not fetched at each digest.
  ///
  /// Shared by all threads, as OpenSSL allows, and never freed.
  private nonisolated(unsafe) static let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil)

  /// The SHA-256 digest (FIPS 180-4), 32 bytes.
  package static func sha256(_ bytes: Span<UInt8>) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: SHA256.byteCount) { output, count in
      let status = unsafe bytes.withUnsafeBufferPointer { input in
        unsafe EVP_Digest(
          input.baseAddress,
          input.count,
          output.baseAddress,
          nil,
          algorithm,
          nil
        )
      }
      precondition(status == 1, "OpenSSL has no SHA-256")
      count = SHA256.byteCount
    }
  }

  /// The SHA-256 digest of an array.
  package static func sha256(_ bytes: [UInt8]) -> [UInt8] { sha256(bytes.span) }
}

/// A SHA-256 digest of bytes that come piece by piece.
///
/// ```swift
/// var hash = SHA256()
/// hash.update(first.span)
/// hash.update(second.span)
/// let digest = hash.finish()
/// ```
@safe package struct SHA256: ~Copyable {
  /// The length of the digest.
  package static let byteCount = 32

  private let context: OpaquePointer

  /// A digest of nothing yet.
  package init() {
    guard let context = unsafe EVP_MD_CTX_new(),
      unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
    else { preconditionFailure("OpenSSL has no SHA-256") }
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  /// Adds bytes to what is digested.
  package mutating func update(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { input in
      _ = unsafe EVP_DigestUpdate(context, input.baseAddress, input.count)
    }
  }

  /// The digest of all that was added.
  package consuming func finish() -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { output, count in
      _ = unsafe EVP_DigestFinal_ex(context, output.baseAddress, nil)
      count = Self.byteCount
    }
  }
}
