import COpenSSL

/// Bytes that nobody can foresee, from OpenSSL's generator.
package enum Random {
  /// `count` random bytes.
  package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
    guard count > 0 else { return [] }
    var output = [UInt8](repeating: 0, count: count)
    let status = unsafe output.withUnsafeMutableBufferPointer { buffer in
      unsafe RAND_bytes(buffer.baseAddress, Int32(buffer.count))
    }
    guard status == 1 else { throw .randomUnavailable }
    return output
  }
}
