import COpenSSL

extension Digest {
  /// The MD5 digest (RFC 1321), 16 bytes; nil where OpenSSL is told to do without it.
  ///
  /// For what a protocol of its time demands, such as APOP; nothing else may rest on it.
  package static func md5(_ bytes: Span<UInt8>) -> [UInt8]? {
    var isDone = false
    let digest = unsafe [UInt8](unsafeUninitializedCapacity: 16) { output, count in
      let status = unsafe bytes.withUnsafeBufferPointer { input in
        unsafe EVP_Digest(
          input.baseAddress,
          input.count,
          output.baseAddress,
          nil,
          EVP_md5(),
          nil
        )
      }
      isDone = status == 1
      count = isDone ? 16 : 0
    }
    return isDone ? digest : nil
  }
}
