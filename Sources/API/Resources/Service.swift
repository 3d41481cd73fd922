import Bytes
import Crypto
import Engine
import HTTP
import HTTPTransport
import Model
import Rules
import Store

extension Endpoints {
  /// Answers `GET /v1/jobs`.
  func listJobs(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let request = PageRequest(&query, known: JobJSON.members)
    try query.finish()
    let visible = call.access.accounts
    let after = try position(request, list: "jobs", of: Job.self)
    let found = try await store.jobs(visibleTo: visible, after: after, limit: request.limit + 1)
    let (items, next) = page(found, request, list: "jobs") { $0.id }
    var answer = Page(next: next)
    if request.wantsTotal { answer.total = try await store.countJobs(visibleTo: visible) }
    return answer.response(to: call) { json in
      for item in items { JobJSON.write(item, request.fields, to: &json) }
    }
  }

  /// Answers `DELETE /v1/jobs/{jobId}`.
  func cancelJob(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let job = try await job(call)
    try call.preconditions().requireMatch(JobJSON.tag(job))
    let cancelled = try await engine.cancelJob(job.id)
    guard cancelled.state == "cancelled" else {
      throw ServiceError(.conflict, "The job has ended: it is \(cancelled.state).")
    }
    return .json(tag: JobJSON.tag(cancelled)) { JobJSON.write(cancelled, to: &$0) }
  }

  /// The job that the path names, if the token may see its account.
  private func job(_ call: Call) async throws(ServiceError) -> JobRecord {
    guard let job = try await store.job(try call.id(0, of: Job.self)) else { throw .notFound }
    guard let account = job.accountID else {
      try call.access.requireAllAccounts()
      return job
    }
    guard call.access.allows(account) else { throw .notFound }
    return job
  }

  /// Answers `GET /v1/jobs/{jobId}`.
  func showJob(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: JobJSON.members)
    try query.finish()
    let job = try await job(call)
    let tag = JobJSON.tag(job)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return .json(tag: tag) { JobJSON.write(job, fields, to: &$0) }
  }

  /// Answers `GET /v1/capabilities`.
  func showCapabilities(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    return .json { json in
      json.object { json in
        json.member("version") { $0.string(configuration.version) }
        json.member("incoming") { $0.strings(["imap", "pop3", "local"]) }
        json.member("outgoing") { $0.strings(["smtp"]) }
        json.member("auth") { $0.strings(BackendSettings.AuthType.allCases.map(\.rawValue)) }
        json.member("modes") { $0.strings(AccountMode.allCases.map(\.rawValue)) }
        json.member("limits") { writeLimits(&$0) }
      }
    }
  }

  private func writeLimits(_ json: inout JSONWriter) {
    let limits = configuration.limits
    json.object { json in
      json.member("jsonBytes") { $0.int(limits.jsonBytes) }
      json.member("messageBytes") { $0.int(limits.messageBytes) }
      json.member("batchMessages") { $0.int(limits.batchMessages) }
      json.member("recipients") { $0.int(limits.recipients) }
      json.member("bodyValueBytes") { $0.int(limits.bodyValueBytes) }
      json.member("quotaBytes") { $0.int(engine.services.configuration.quotaBytes) }
      json.member("pageItems") { $0.int(PageRequest.maximumLimit) }
      writeSearchLimits(&json)
      writeRuleLimits(&json)
    }
  }

  private func writeSearchLimits(_ json: inout JSONWriter) {
    let limits = SearchLimits()
    json.member("searchBytes") { $0.int(limits.bytes) }
    json.member("searchTerms") { $0.int(limits.terms) }
    json.member("searchServerTerms") { $0.int(limits.serverTerms) }
    json.member("searchDepth") { $0.int(limits.depth) }
  }

  private func writeRuleLimits(_ json: inout JSONWriter) {
    let limits = RuleLimits()
    json.member("rules") { $0.int(limits.rules) }
    json.member("ruleActions") { $0.int(limits.actions) }
    json.member("ruleNameBytes") { $0.int(limits.nameBytes) }
    json.member("ruleTextBytes") { $0.int(limits.textBytes) }
    json.member("ruleKeywords") { $0.int(limits.keywords) }
    json.member("ruleRedirects") { $0.int(limits.redirects) }
    json.member("ruleNotifications") { $0.int(limits.notifications) }
    json.member("ruleHours") { $0.int(limits.hours.upperBound) }
    json.member("lists") { $0.int(limits.lists) }
    json.member("listEntries") { $0.int(limits.listEntries) }
    json.member("scripts") { $0.int(ScriptLimits().scripts) }
    json.member("scriptBytes") { $0.int(ScriptLimits().bytes) }
    json.member("importFilters") { $0.int(FilterFileLimits().filters) }
    json.member("importFilterParts") { $0.int(FilterFileLimits().parts) }
  }

  /// Answers `GET /healthz`.
  func showHealth(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    return Self.ok
  }

  /// Answers `GET /readyz`.
  func showReadiness(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    try await engine.checkReadiness()
    return Self.ok
  }

  private static let ok: HTTPResponse = {
    var response = HTTPResponse.json(Array(#"{"status":"ok"}"#.utf8))
    response.fields.set("cache-control", "no-store")
    return response
  }()

  /// Answers `GET /openapi.yaml`.
  func showOpenAPI(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let tag = OpenAPI.tag
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    var fields = HTTPFields()
    fields.append("Content-Type", constant: "application/yaml")
    fields.append("Cache-Control", constant: "no-cache")
    fields.append("ETag", tag.field)
    return HTTPResponse(status: .ok, fields: fields, body: .bytes(OpenAPI.document))
  }
}

/// The contract as it is served: the file `openapi.yaml` of the project's root, built in.
enum OpenAPI {
  static let document = PackageResources.openapi_yaml

  static let tag = ETag(String(Hex.encode(Digest.sha256(document.span).span).prefix(16)))
}

/// The shape of a job.
enum JobJSON {
  static let members = [
    "id", "accountId", "kind", "state", "done", "total", "skipped", "position", "errors", "result",
    "createdAt",
  ]

  static func tag(_ job: JobRecord) -> ETag {
    ETag("\(job.state)-\(job.done)-\(job.skipped)-\(job.position)-\(job.errors.count)")
  }

  static func write(
    _ job: JobRecord,
    _ fields: FieldSelection = .all,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(job.id) }
      json.member("accountId", fields) { $0.id(job.accountID) }
      json.member("kind", fields) { $0.string(job.kind) }
      json.member("state", fields) { $0.string(job.state) }
      json.member("done", fields) { $0.int(job.done) }
      json.member("total", fields) { $0.int(job.total) }
      json.member("skipped", fields) { $0.int(job.skipped) }
      json.member("position", fields) { $0.int(job.position) }
      json.member("errors", fields) { $0.strings(job.errors) }
      json.member("result", fields) { $0.value(job.result ?? .null) }
      json.member("createdAt", fields) { $0.time(job.createdAt) }
    }
  }
}
