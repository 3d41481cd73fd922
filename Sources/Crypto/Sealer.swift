import Bytes
import COpenSSL

/// Seals secrets for the database: AES-256-GCM under keys that are not in it.
///
/// A sealed secret is
///
///     version (1) | key id (4, big-endian) | nonce (12) | ciphertext | tag (16)
///
/// and the tag also covers the first five bytes and the *context*, the place where the secret is
/// kept (`table.column:accountID`). So a row that is copied to another account does not open there.
/// The nonce is random: with one key, up to 2³² secrets may be sealed (NIST SP 800-38D §8.3).
package struct Sealer: Sendable {
  private static let version: UInt8 = 1
  private static let headerCount = 5
  private static let nonceCount = 12
  private static let tagCount = 16

  /// How many bytes a sealed secret is longer than the secret.
  package static let overhead = headerCount + nonceCount + tagCount

  private let keys: [SecretKey]
  private let sealing: SecretKey

  /// A sealer that seals with the first of `keys` and opens with any.
  package init(keys: [SecretKey]) {
    guard let first = keys.first else { preconditionFailure("a sealer needs a key") }
    self.keys = keys
    sealing = first
  }

  /// The id of the key that seals.
  package var keyID: UInt32 { sealing.keyID }

  /// The id of the key that `sealed` was sealed with; nil where it is no sealed secret.
  package static func keyID(of sealed: Span<UInt8>) -> UInt32? {
    guard sealed.count >= overhead, sealed[0] == version else { return nil }
    var id: UInt32 = 0
    for index in 1..<headerCount { id = id << 8 | UInt32(sealed[index]) }
    return id
  }

  /// Seals `plain` for the place that `context` names.
  package func seal(_ plain: [UInt8], context: String) throws(CryptoError) -> [UInt8] {
    let header = Self.header(keyID: sealing.keyID)
    let nonce = try Random.bytes(Self.nonceCount)
    let cipher = try GCM(key: sealing, nonce: nonce, seals: true)
    try cipher.authenticate(header + [UInt8](context.utf8))
    return try header + nonce + cipher.update(plain) + cipher.tag()
  }

  /// Opens what `seal` made for the same context.
  package func open(_ sealed: Span<UInt8>, context: String) throws(CryptoError) -> [UInt8] {
    guard let id = Self.keyID(of: sealed) else { throw .malformed }
    guard let key = keys.first(where: { $0.keyID == id }) else { throw .unknownKey(id) }
    let textStart = Self.headerCount + Self.nonceCount
    let tagStart = sealed.count - Self.tagCount
    let nonce = sealed.extracting(Self.headerCount..<textStart).array
    let cipher = try GCM(key: key, nonce: nonce, seals: false)
    try cipher.authenticate(Self.header(keyID: id) + [UInt8](context.utf8))
    let plain = try cipher.update(sealed.extracting(textStart..<tagStart).array)
    try cipher.verify(sealed.extracting(tagStart..<sealed.count).array)
    return plain
  }

  private static func header(keyID: UInt32) -> [UInt8] {
    [version] + (0..<4).map { UInt8(truncatingIfNeeded: keyID >> (24 - UInt32($0) * 8)) }
  }
}

/// One run of AES-256-GCM, in the order: authenticate, update, then tag or verify.
@safe struct GCM: ~Copyable {
  private let context: OpaquePointer

  init(key: SecretKey, nonce: [UInt8], seals: Bool) throws(CryptoError) {
    guard let context = unsafe EVP_CIPHER_CTX_new() else { throw .unavailable }
    // The nonce's length is GCM's default of 12 bytes.
    let status = unsafe EVP_CipherInit_ex(
      context,
      EVP_aes_256_gcm(),
      nil,
      key.bytes,
      nonce,
      seals ? 1 : 0
    )
    guard status == 1 else {
      unsafe EVP_CIPHER_CTX_free(context)
      throw .unavailable
    }
    unsafe self.context = context
  }

  deinit { unsafe EVP_CIPHER_CTX_free(context) }

  /// Covers `data` by the tag without encrypting it.
  func authenticate(_ data: [UInt8]) throws(CryptoError) {
    var count: Int32 = 0
    let status = unsafe EVP_CipherUpdate(context, nil, &count, data, Int32(data.count))
    guard status == 1 else { throw .unavailable }
  }

  /// Encrypts or decrypts all of the text; what is decrypted counts only after `verify`.
  func update(_ text: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard !text.isEmpty else { return [] }
    var output = [UInt8](repeating: 0, count: text.count)
    var count: Int32 = 0
    let status = unsafe EVP_CipherUpdate(context, &output, &count, text, Int32(text.count))
    guard status == 1, Int(count) == text.count else { throw .unavailable }
    return output
  }

  /// Ends encryption.
  func tag() throws(CryptoError) -> [UInt8] {
    var rest = [UInt8](repeating: 0, count: 16)
    var count: Int32 = 0
    var tag = [UInt8](repeating: 0, count: 16)
    guard unsafe EVP_CipherFinal_ex(context, &rest, &count) == 1,
      unsafe restante_EVP_CTRL_GCM_GET_TAG(context, 16, &tag) == 1
    else { throw .unavailable }
    return tag
  }

  /// Ends decryption, and throws unless the tag is right.
  func verify(_ tag: [UInt8]) throws(CryptoError) {
    var tag = tag
    var rest = [UInt8](repeating: 0, count: 16)
    var count: Int32 = 0
    guard unsafe restante_EVP_CTRL_GCM_SET_TAG(context, 16, &tag) == 1 else { throw .unavailable }
    guard unsafe EVP_CipherFinal_ex(context, &rest, &count) == 1 else { throw .notAuthentic }
  }
}
