import Bytes
import Crypto
import Foundation

/// OAuth without a provider: the server checks signed tokens (RFC 7519) by a key that it has in a file.
extension DovecotServer {
  /// The key of the tokens that the server takes.
  private static let tokenKey = "restante-test-key"

  /// An access token for `user`, good for `seconds` from now.
  package func accessToken(for user: String, seconds: Int = 3600, key: String? = nil) -> String {
    let expiry = Int(Date.now.timeIntervalSince1970) + seconds
    let head = #"{"alg":"HS256","typ":"JWT","kid":"default"}"#
    let body = #"{"sub":"\#(address(of: user))","azp":"default","exp":\#(expiry)}"#
    let signed = "\(Self.base64URL(Array(head.utf8))).\(Self.base64URL(Array(body.utf8)))"
    let mac = HMAC.sha256(key: Array((key ?? Self.tokenKey).utf8).span, Array(signed.utf8).span)
    return "\(signed).\(Self.base64URL(mac))"
  }

  /// Writes the key where Dovecot looks for it: `azp`, algorithm in capitals, `kid`.
  func writeTokenKey() throws {
    try directory.makeDirectory("jwt/default/HS256")
    let key = Base64.standard.encode(Array(Self.tokenKey.utf8).span)
    try directory.write(String(utf8: key.span), to: "jwt/default/HS256/default")
    try directory.write(
      """
      introspection_mode = local
      local_validation_key_dict = fs:posix:prefix=\(directory.path)/jwt/
      username_attribute = sub

      """,
      to: "oauth2.conf"
    )
  }

  private static func base64URL(_ bytes: [UInt8]) -> String {
    String(utf8: Base64.url.encode(bytes.span).span)
  }
}
