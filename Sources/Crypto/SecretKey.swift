import Bytes

/// A 256-bit key under which secrets are sealed; it never prints itself.
package struct SecretKey: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
  /// The length of a key.
  package static let byteCount = 32

  /// The key itself: written to the key file, and nowhere else.
  package let bytes: [UInt8]
  /// What tells keys apart in sealed secrets.
  ///
  /// It follows from the key and gives nothing of it away.
  package let keyID: UInt32

  /// The key of these 32 bytes.
  package init(bytes: [UInt8]) throws(CryptoError) {
    guard bytes.count == Self.byteCount else {
      throw .wrongKeyLength(expected: Self.byteCount, found: bytes.count)
    }
    self.bytes = bytes
    let label = [UInt8]("restante key id".utf8)
    keyID = HMAC.sha256(key: bytes.span, label.span).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// A new random key.
  package static func generate() throws(CryptoError) -> SecretKey {
    try SecretKey(bytes: Random.bytes(byteCount))
  }

  /// A key for one purpose, from which neither this key nor that of another purpose can be told.
  package func derive(_ purpose: String) -> [UInt8] {
    HMAC.sha256(key: bytes.span, [UInt8](purpose.utf8).span)
  }

  /// The key's id alone, for logs.
  package var description: String { "SecretKey(id: \(keyID))" }

  /// A mirror that shows the id alone, so that `dump` gives nothing away.
  package var customMirror: Mirror { Mirror(self, children: ["keyID": keyID]) }
}
