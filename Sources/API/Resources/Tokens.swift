import Bytes
import Crypto
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/tokens`.
  func listTokens(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.access.requireAllAccounts()
    var query = try call.query()
    let request = PageRequest(&query, known: TokenJSON.members)
    try query.finish()
    let after = try position(request, list: "tokens", of: Token.self)
    let found = try await store.tokens(after: after, limit: request.limit + 1)
    let (items, next) = page(found, request, list: "tokens") { $0.id }
    var answer = Page(next: next)
    if request.wantsTotal { answer.total = try await store.countTokens() }
    return answer.response(to: call) { json in
      for item in items { TokenJSON.write(item, request.fields, to: &json) }
    }
  }

  /// Answers `POST /v1/tokens`.
  func createToken(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let name = object.string("name", length: 0...255)
    let scopes = Self.scopes(&object)
    let accounts = try await accounts(&object, access: call.access)
    let expiresAt = object.time("expiresAt")
    if let expiresAt, expiresAt <= Timestamp.now() {
      faults.addValue("/expiresAt", .range, "A time to come is wanted.")
    }
    object.finish()
    try faults.check()
    let token: BearerToken
    do throws(CryptoError) {
      token = try BearerToken.generate()
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
    let record = try await store.insertToken(
      name: name,
      digest: token.digest,
      scopes: scopes.map(\.rawValue),
      accounts: accounts,
      expiresAt: expiresAt,
      claim: call.claim
    )
    var response = HTTPResponse.json(status: .created, location: "/v1/tokens/\(record.id)") {
      TokenJSON.write(record, .all, secret: token.secret, to: &$0)
    }
    response.fields.set("cache-control", "no-store")
    return response
  }

  private static func scopes(_ object: inout ObjectDecoder) -> [Scope] {
    let names = object.strings("scopes", .required, count: 1...4, length: 1...16) ?? []
    var scopes: [Scope] = []
    for (index, name) in names.enumerated() {
      guard let scope = Scope.grantable.first(where: { $0.rawValue == name }) else {
        let detail = "read, write, send or admin is wanted."
        object.faults.add("\(object.pointer(to: "scopes"))/\(index)", .format, detail)
        continue
      }
      if !scopes.contains(scope) { scopes.append(scope) }
    }
    return scopes
  }

  /// The accounts of the token to be; each has to exist, and to be among those of the token in use.
  private func accounts(
    _ object: inout ObjectDecoder,
    access: Access
  ) async throws(ServiceError) -> [ID<Account>]? {
    guard let texts = object.strings("accountIds", count: 0...10_000, length: 1...64) else {
      // Nobody gives more than they have.
      return access.accounts
    }
    var ids: [ID<Account>] = []
    for (index, text) in texts.enumerated() {
      let id = ID<Account>(text: text)
      guard let id, access.allows(id), try await store.account(id) != nil else {
        let detail = "There is nothing with this id."
        object.faults.addValue(
          "\(object.pointer(to: "accountIds"))/\(index)",
          .notFound,
          detail
        )
        continue
      }
      ids.append(id)
    }
    return ids
  }

  /// Answers `GET /v1/tokens/{tokenId}`.
  func showToken(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: TokenJSON.members)
    try query.finish()
    let record = try await token(call)
    let tag = TokenJSON.tag(record)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return .json(tag: tag) { TokenJSON.write(record, fields, to: &$0) }
  }

  /// Answers `DELETE /v1/tokens/{tokenId}`.
  func deleteToken(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let record = try await token(call)
    try call.preconditions().requireMatch(TokenJSON.tag(record))
    guard try await store.revokeToken(record.id) else { throw .notFound }
    tokens.remove(record.id)
    engine.feed.end(record.id)
    return .noContent
  }

  private func token(_ call: Call) async throws(ServiceError) -> TokenRecord {
    try call.access.requireAllAccounts()
    let id = try call.id(0, of: Token.self)
    let before = ID<Token>(id.rawValue &- 1)
    guard let record = try await store.tokens(after: before, limit: 1).first, record.id == id else {
      throw .notFound
    }
    return record
  }
}

/// The shape of a token; its secret stands only in the answer that made it.
enum TokenJSON {
  static let members = [
    "id", "name", "scopes", "accountIds", "expiresAt", "lastUsedAt", "isRevoked", "createdAt",
  ]

  static func tag(_ record: TokenRecord) -> ETag {
    ETag("\(record.isRevoked ? 1 : 0)-\(record.lastUsedAt?.microseconds ?? 0)")
  }

  static func write(
    _ record: TokenRecord,
    _ fields: FieldSelection,
    secret: String? = nil,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(record.id) }
      json.member("name", fields) { $0.string(record.name) }
      json.member("scopes", fields) { $0.strings(record.scopes.sorted()) }
      json.member("accountIds", fields) { json in
        if let accounts = record.accounts {
          json.array { json in
            for account in accounts { json.id(account) }
          }
        } else {
          json.null()
        }
      }
      json.member("expiresAt", fields) { $0.time(record.expiresAt) }
      json.member("lastUsedAt", fields) { $0.time(record.lastUsedAt) }
      json.member("isRevoked", fields) { $0.bool(record.isRevoked) }
      json.member("createdAt", fields) { $0.time(record.createdAt) }
      if let secret { json.member("token") { $0.string(secret) } }
    }
  }
}
