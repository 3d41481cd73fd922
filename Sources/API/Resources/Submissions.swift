import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/submissions`.
  func listSubmissions(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let request = PageRequest(&query, known: SubmissionJSON.members)
    try query.finish()
    let list = "submissions/\(account)"
    let after = try position(request, list: list, of: Submission.self)
    // The state first: what changes between the two statements is then told by the feed.
    let state = try await store.feedState(of: account)
    let found = try await store.submissions(of: account, after: after, limit: request.limit + 1)
    let (items, next) = page(found, request, list: list) { $0.id }
    var answer = Page(next: next, state: state.description)
    if request.wantsTotal { answer.total = try await store.countSubmissions(of: account) }
    return answer.response(to: call) { json in
      for item in items { SubmissionJSON.write(item, request.fields, to: &json) }
    }
  }

  /// Answers `POST /v1/accounts/{accountId}/submissions`.
  func createSubmission(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    let type = try MediaType.ofBody(call.request.fields)
    let request: SubmissionRequest
    if type == .message {
      request = try await SubmissionDecoding.raw(call, limits: configuration.limits)
    } else if type?.isJSON ?? true {
      try call.requireNoQuery()
      let body = try await call.json(upTo: configuration.limits.messageBytes * 4 / 3)
      request = try SubmissionDecoding.json(body, limits: configuration.limits)
    } else {
      throw ServiceError(
        .unsupportedMediaType,
        "The body has to be message/rfc822 or application/json."
      )
    }
    if request.isDryRun {
      // To be shown a draft is to read it.
      if request.draft.draftID != nil { try call.access.require(.read) }
      return try await dryRun(request.draft, of: account)
    }
    let record = try await engine.submit(request.draft, of: account, claim: call.claim)
    return answer(
      record,
      status: .accepted,
      location: "/v1/accounts/\(account)/submissions/\(record.id)"
    )
  }

  private func dryRun(
    _ draft: SubmissionDraft,
    of account: ID<Account>
  ) async throws(ServiceError) -> HTTPResponse {
    let bytes = try await engine.dryRun(draft, of: account)
    var fields = HTTPFields()
    fields.append("Content-Type", constant: "message/rfc822")
    fields.append("Content-Disposition", constant: "attachment")
    fields.append("Content-Security-Policy", constant: "sandbox; default-src 'none'")
    fields.append("Cache-Control", constant: "no-store")
    return HTTPResponse(status: .ok, fields: fields, body: .bytes(bytes))
  }

  /// Answers `GET /v1/accounts/{accountId}/submissions/{submissionId}`.
  func showSubmission(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: SubmissionJSON.members)
    try query.finish()
    let record = try await submission(call)
    let tag = ETag(version: record.version)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return answer(record, fields: fields)
  }

  /// Answers `DELETE /v1/accounts/{accountId}/submissions/{submissionId}`, and `:cancel`.
  func cancelSubmission(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let record = try await submission(call)
    try call.preconditions().requireMatch(ETag(version: record.version))
    return answer(try await engine.cancelSubmission(record.id, of: record.accountID))
  }

  private func submission(_ call: Call) async throws(ServiceError) -> SubmissionRecord {
    let account = try call.accountID()
    let id = try call.id(1, of: Submission.self)
    guard let record = try await store.submission(id, of: account) else { throw .notFound }
    return record
  }

  private func answer(
    _ record: SubmissionRecord,
    fields: FieldSelection = .all,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) -> HTTPResponse {
    .json(status: status, tag: ETag(version: record.version), location: location) {
      SubmissionJSON.write(record, fields, to: &$0)
    }
  }
}
