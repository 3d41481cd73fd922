import API
import Bytes
import Crypto
import Foundation
import Model
import Store

/// Makes bearer tokens; only their digest is stored.
enum AdminToken {
  /// Makes a token with these rights; its text is shown once.
  static func create(
    _ store: Store,
    name: String,
    scopes: [String],
    accounts: [ID<Account>]? = nil,
    expiresAt: Timestamp? = nil
  ) async throws -> (text: String, record: TokenRecord) {
    let token = try BearerToken.generate()
    let record = try await store.insertToken(
      name: name,
      digest: token.digest,
      scopes: scopes,
      accounts: accounts,
      expiresAt: expiresAt
    )
    return (token.secret, record)
  }

  /// On the first start: writes a token that may do everything to `path`; whether it did.
  static func ensure(_ store: Store, path: String) async throws -> Bool {
    if let text = try PrivateFile.read(path) {
      let digest = Digest.sha256(
        [UInt8](text.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
      )
      if try await store.token(digest: digest) != nil { return false }
    }
    let token = try await create(store, name: "admin", scopes: ["admin"])
    try PrivateFile.write(token.text + "\n", to: path)
    return true
  }
}
