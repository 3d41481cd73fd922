import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Rules

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/rules/publication`.
  func showPublication(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    return answer(try await engine.publication(of: account))
  }

  /// Answers `POST /v1/accounts/{accountId}/rules:publish`.
  func publishRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let replaces = object.bool("replace") ?? false
    object.finish()
    try faults.check()
    let known = try await engine.accountRules(account).rules
    // What the rules send goes out by the server from here on.
    if known.contains(where: { $0.actions.contains(where: \.sends) }) {
      try call.access.require(.send)
    }
    return answer(try await engine.publishRules(of: account, replaces: replaces))
  }

  /// Answers `POST /v1/accounts/{accountId}/rules:withdraw`.
  func withdrawRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.optionalJSON(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let isForced = object.bool("force") ?? false
    object.finish()
    try faults.check()
    return answer(try await engine.withdrawRules(of: account, isForced: isForced))
  }

  private func answer(_ publication: RulePublication) -> HTTPResponse {
    .json { json in
      json.object { json in
        json.member("runBy") { $0.string(publication.script == nil ? "service" : "server") }
        json.member("script") { $0.string(publication.script) }
        json.member("isCurrent") { $0.bool(publication.isCurrent) }
        json.member("publishedAt") { $0.time(publication.publishedAt) }
        json.member("lastError") { json in
          if let failure = publication.lastError {
            AccountJSON.write(failure, to: &json)
          } else {
            json.null()
          }
        }
      }
    }
  }
}
