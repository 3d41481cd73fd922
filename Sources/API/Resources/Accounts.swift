import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts`.
  func listAccounts(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let request = PageRequest(&query, known: AccountJSON.members)
    try query.finish()
    let visible = call.access.accounts
    let list = "accounts"
    let after = try position(request, list: list, of: Account.self)
    let found = try await store.accounts(
      visibleTo: visible,
      after: after,
      limit: request.limit + 1
    )
    let (items, next) = page(found, request, list: list) { $0.id }
    var answer = Page(next: next)
    if request.wantsTotal { answer.total = try await store.countAccounts(visibleTo: visible) }
    return answer.response(to: call) { json in
      for account in items {
        let connection = engine.connection(of: account)
        AccountJSON.write(account, connection, request.fields, to: &json)
      }
    }
  }

  /// Answers `POST /v1/accounts`.
  func createAccount(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let draft = try AccountSettings.draft(body)
    try call.access.requireAllAccounts()
    let account = try await engine.createAccount(draft, claim: call.claim)
    return answer(account, status: .created, location: "/v1/accounts/\(account.id)")
  }

  /// Answers `POST /v1/accounts:verify`.
  func verifyAccount(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let draft = try AccountSettings.draft(body)
    let steps = try await engine.verify(draft)
    return .json { VerificationJSON.write(steps, to: &$0) }
  }

  /// Answers `GET /v1/accounts/{accountId}`.
  func showAccount(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: AccountJSON.members)
    try query.finish()
    let account = try await account(call)
    let tag = tag(of: account)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return answer(account, fields: fields)
  }

  /// Answers `PATCH /v1/accounts/{accountId}`.
  func updateAccount(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let account = try await account(call)
    let conditions = try call.preconditions()
    try conditions.requireMatch(tag(of: account))
    let patch = try AccountSettings.patch(body, of: account)
    let changed = try await engine.updateAccount(
      account.id,
      patch,
      ifVersion: conditions.ifMatch == nil ? nil : account.version
    )
    return answer(changed)
  }

  /// Answers `DELETE /v1/accounts/{accountId}`.
  func deleteAccount(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let account = try await account(call)
    try call.preconditions().requireMatch(tag(of: account))
    try await engine.deleteAccount(account.id)
    return .noContent
  }

  /// Answers `POST /v1/accounts/{accountId}:sync`.
  func syncAccount(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let account = try await account(call)
    try await engine.syncNow(account.id)
    return answer(account, status: .accepted)
  }

  private func answer(
    _ account: Account,
    fields: FieldSelection = .all,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) -> HTTPResponse {
    let connection = engine.connection(of: account)
    let tag = AccountJSON.tag(account, connection)
    return .json(status: status, tag: tag, location: location) {
      AccountJSON.write(account, connection, fields, to: &$0)
    }
  }

  private func tag(of account: Account) -> ETag {
    AccountJSON.tag(account, engine.connection(of: account))
  }
}
