import Bytes
import COpenSSL

/// A 256-bit key with the number that sealed bytes name it by.
///
/// Nothing prints its bytes.
package struct SecretKey: Sendable, CustomStringConvertible, CustomReflectable {
  /// How many bytes a key has.
  package static let length = 32

  let bytes: [UInt8]
  /// The first four bytes of the key's SHA-256.
  let id: [UInt8]

  /// The key with exactly 32 bytes.
  package init(bytes: [UInt8]) throws(CryptoError) {
    guard bytes.count == Self.length else { throw .badKey }
    self.bytes = bytes
    id = Array(Digest.sha256(bytes).prefix(4))
  }

  /// A new random key.
  package static func generate() throws(CryptoError) -> SecretKey {
    try SecretKey(bytes: try Random.bytes(length))
  }

  /// A key for one purpose, from which neither this key nor that of another purpose can be told.
  package func derive(_ purpose: String) -> [UInt8] {
    HMAC.sha256(key: bytes.span, [UInt8](purpose.utf8).span)
  }

  package var description: String { "<key>" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Seals secrets for the database with AES-256-GCM (NIST SP 800-38D).
///
/// Sealed bytes are: version 1, key id (4), nonce (12), ciphertext, tag (16). The context (table, column,
/// account) is authenticated, so that a value copied to another row does not open.
package struct Sealer: Sendable {
  private static let version: UInt8 = 1
  private static let nonceLength = 12
  private static let tagLength = 16
  private static let headerLength = 1 + 4 + nonceLength

  private let keys: [SecretKey]

  /// Seals with the first of `keys`; opens with any of them.
  package init(keys: [SecretKey]) throws(CryptoError) {
    guard !keys.isEmpty else { throw .badKey }
    self.keys = keys
  }

  /// `plain` sealed for `context`.
  package func seal(_ plain: [UInt8], context: String) throws(CryptoError) -> [UInt8] {
    let key = keys[0]
    let nonce = try Random.bytes(Self.nonceLength)
    var sealed = [Self.version] + key.id + nonce
    let cipher = try Cipher(isEncrypting: true, key: key.bytes, nonce: nonce)
    try cipher.authenticate([UInt8](context.utf8))
    sealed += try cipher.process(plain)
    sealed += try cipher.finishEncrypting(tagLength: Self.tagLength)
    return sealed
  }

  /// What `seal` was given for the same context.
  package func open(_ sealed: Span<UInt8>, context: String) throws(CryptoError) -> [UInt8] {
    guard sealed.count >= Self.headerLength + Self.tagLength, sealed[0] == Self.version else {
      throw .cannotOpen
    }
    let id = sealed.extracting(1..<5).array
    guard let key = keys.first(where: { $0.id == id }) else { throw .cannotOpen }
    let tagStart = sealed.count - Self.tagLength
    let cipher = try Cipher(
      isEncrypting: false,
      key: key.bytes,
      nonce: sealed.extracting(5..<Self.headerLength).array
    )
    try cipher.authenticate([UInt8](context.utf8))
    let plain = try cipher.process(sealed.extracting(Self.headerLength..<tagStart).array)
    try cipher.finishDecrypting(tag: sealed.extracting(tagStart..<sealed.count).array)
    return plain
  }
}

/// One run of AES-256-GCM over OpenSSL's EVP.
@safe
private struct Cipher: ~Copyable {
  private let context: OpaquePointer

  init(isEncrypting: Bool, key: [UInt8], nonce: [UInt8]) throws(CryptoError) {
    guard let context = unsafe EVP_CIPHER_CTX_new() else {
      throw .unavailable(call: "EVP_CIPHER_CTX_new")
    }
    let status = unsafe EVP_CipherInit_ex(
      context,
      EVP_aes_256_gcm(),
      nil,
      key,
      nonce,
      isEncrypting ? 1 : 0
    )
    guard status == 1 else {
      unsafe EVP_CIPHER_CTX_free(context)
      throw .unavailable(call: "EVP_CipherInit_ex")
    }
    unsafe self.context = context
  }

  deinit { unsafe EVP_CIPHER_CTX_free(context) }

  func authenticate(_ data: [UInt8]) throws(CryptoError) {
    var length: Int32 = 0
    let status = unsafe EVP_CipherUpdate(context, nil, &length, data, Int32(clamping: data.count))
    guard status == 1 else { throw .unavailable(call: "EVP_CipherUpdate") }
  }

  func process(_ input: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard !input.isEmpty else { return [] }
    var output = [UInt8](repeating: 0, count: input.count)
    var length: Int32 = 0
    let status = unsafe EVP_CipherUpdate(
      context,
      &output,
      &length,
      input,
      Int32(clamping: input.count)
    )
    guard status == 1, Int(length) == input.count else {
      throw .unavailable(call: "EVP_CipherUpdate")
    }
    return output
  }

  func finishEncrypting(tagLength: Int) throws(CryptoError) -> [UInt8] {
    var tag = [UInt8](repeating: 0, count: tagLength)
    var length: Int32 = 0
    guard unsafe EVP_CipherFinal_ex(context, nil, &length) == 1,
      unsafe restante_EVP_CTRL_GCM_GET_TAG(context, Int32(tagLength), &tag) == 1
    else { throw .unavailable(call: "EVP_CipherFinal_ex") }
    return tag
  }

  func finishDecrypting(tag: [UInt8]) throws(CryptoError) {
    var tag = tag
    var length: Int32 = 0
    guard unsafe restante_EVP_CTRL_GCM_SET_TAG(context, Int32(tag.count), &tag) == 1 else {
      throw .unavailable(call: "EVP_CIPHER_CTX_ctrl")
    }
    guard unsafe EVP_CipherFinal_ex(context, nil, &length) == 1 else { throw .cannotOpen }
  }
}
