import Bytes
package import Crypto
import HTTP

/// The secret that a caller shows: `rst_` and 32 random bytes in base64url.
///
/// Only its SHA-256 is stored: with 256 random bits there is nothing to guess, so no slow hash is needed.
package struct BearerToken: Sendable {
  /// What the caller keeps.
  package let secret: String

  /// A new secret.
  package static func generate() throws(CryptoError) -> BearerToken {
    let random = try Random.bytes(32)
    return BearerToken(
      secret: prefix + String(decoding: Base64.url.encode(random.span), as: UTF8.self)
    )
  }

  /// What is stored of the secret.
  package var digest: [UInt8] {
    let bytes = Array(secret.utf8)
    return Digest.sha256(bytes.span)
  }

  private static let prefix = "rst_"
}

extension BearerToken {
  /// The digest of the token that `Authorization: Bearer …` shows; nil where the field shows none.
  static func digest(from fields: HTTPFields) -> [UInt8]? {
    fields.withValue(of: "authorization") { value -> [UInt8]? in
      var reader = ByteReader(value)
      guard reader.consume(ignoringCase: "BEARER"), reader.consume(.space) else { return nil }
      _ = reader.take { $0 == .space }
      let secret = reader.take { $0 > 0x20 && $0 < 0x7F }
      _ = reader.take { $0.isBlank }
      guard reader.isAtEnd, !secret.isEmpty, secret.count <= 512 else { return nil }
      return Digest.sha256(reader.slice(secret))
    } ?? nil
  }
}
