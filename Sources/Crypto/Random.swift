import COpenSSL

/// Bytes that nobody can foretell.
package enum Random {
  /// `count` bytes of OpenSSL's generator.
  package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let status = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
      unsafe RAND_bytes(buffer.baseAddress, Int32(clamping: buffer.count))
    }
    guard status == 1 else { throw .unavailable(call: "RAND_bytes") }
    return bytes
  }
}
