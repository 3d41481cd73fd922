import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `POST /v1/accounts/{accountId}/rules:run`.
  func runRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try await account(call).id
    try call.requireNoQuery()
    let body = StorableJSON(try await call.json(upTo: configuration.limits.jsonBytes))
    let faults = Faults()
    body.note(in: faults)
    var object = ObjectDecoder(body.value, faults: faults)
    var query = MessageQuery()
    query.search = SearchDecoding.query(&object)
    query.mailbox = try await ruleMailbox(&object, account)
    let only = object.strings("rules", count: 1...100, length: 1...64)
    object.finish()
    var rules: [ID<MailRule>] = []
    for (index, text) in (only ?? []).enumerated() {
      guard let id = ID<MailRule>(text: text), try await store.rule(id, of: account) != nil else {
        faults.addValue("/rules/\(index)", .notFound, "There is nothing with this id.")
        continue
      }
      rules.append(id)
    }
    if !body.value.names(any: ["q", "filter", "mailbox"]) {
      faults.add("/mailbox", .required, "One of q, filter and mailbox is wanted.")
    }
    try faults.check()
    let findings = try await engine.find(query, of: account)
    let job = try await engine.runRules(
      of: account,
      only: only == nil ? nil : rules,
      query: query,
      findings: findings,
      claim: call.claim
    )
    return accepted(job)
  }

  /// Answers `POST /v1/accounts/{accountId}/rules:undo`.
  func undoRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = StorableJSON(try await call.json(upTo: configuration.limits.jsonBytes))
    let faults = Faults()
    body.note(in: faults)
    var object = ObjectDecoder(body.value, faults: faults)
    let job = object.id("job", .required, of: Job.self)
    object.finish()
    try faults.check()
    guard let job else { throw .notFound }
    return accepted(try await engine.undoRules(job, of: account, claim: call.claim))
  }

  private func accepted(_ job: JobRecord) -> HTTPResponse {
    .json(status: .accepted, tag: JobJSON.tag(job), location: "/v1/jobs/\(job.id)") {
      JobJSON.write(job, to: &$0)
    }
  }
}
