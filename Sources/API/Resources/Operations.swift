import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/operations`.
  func listOperations(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let request = PageRequest(&query, known: OperationJSON.members)
    try query.finish()
    let list = "operations/\(account)"
    let after = try position(request, list: list, of: MailOperation.self)
    let state = try await store.feedState(of: account)
    let found = try await store.operations(of: account, after: after, limit: request.limit + 1)
    let (items, next) = page(found, request, list: list) { $0.id }
    var answer = Page(next: next, state: state.description)
    if request.wantsTotal { answer.total = try await store.countOperations(of: account) }
    return answer.response(to: call) { json in
      for item in items { OperationJSON.write(item, request.fields, to: &json) }
    }
  }

  /// Answers `POST /v1/accounts/{accountId}/operations/{operationId}:retry`.
  func retryOperation(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    try await engine.retryOperation(
      try call.id(1, of: MailOperation.self),
      of: try call.accountID()
    )
    return HTTPResponse(status: .accepted)
  }

  /// Answers `POST /v1/accounts/{accountId}/operations/{operationId}:discard`.
  func discardOperation(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    try await engine.discardOperation(
      try call.id(1, of: MailOperation.self),
      of: try call.accountID()
    )
    return .noContent
  }
}

/// The shape of a change on its way to the server.
enum OperationJSON {
  static let members = [
    "id", "kind", "state", "messageId", "mailboxId", "targetMailboxId", "mailboxName",
    "mailboxParentId", "addKeywords", "removeKeywords", "attempts", "lastError", "serverKeywords",
    "createdAt",
  ]

  static func write(
    _ operation: QueuedOperation,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    switch operation {
    case .message(let record): write(record, fields, to: &json)
    case .mailbox(let record): write(record, fields, to: &json)
    }
  }

  private static func write(
    _ record: MailboxOperation,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(record.id) }
      json.member("kind", fields) { $0.string(record.kind.rawValue) }
      json.member("state", fields) { $0.string(record.state) }
      json.member("messageId", fields) { $0.null() }
      json.member("mailboxId", fields) { $0.id(record.mailbox) }
      json.member("targetMailboxId", fields) { $0.null() }
      json.member("mailboxName", fields) { $0.string(record.name ?? record.previousName) }
      json.member("mailboxParentId", fields) { json in
        json.id(record.name == nil ? record.previousParent : record.parent)
      }
      json.member("addKeywords", fields) { $0.strings([]) }
      json.member("removeKeywords", fields) { $0.strings([]) }
      json.member("attempts", fields) { $0.int(record.attempts) }
      json.member("lastError", fields) { $0.string(record.lastError) }
      json.member("serverKeywords", fields) { $0.null() }
      json.member("createdAt", fields) { $0.time(record.createdAt) }
    }
  }

  private static func write(
    _ record: OperationRecord,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(record.id) }
      json.member("kind", fields) { $0.string(record.kind) }
      json.member("state", fields) { $0.string(record.state) }
      json.member("messageId", fields) { $0.id(record.message) }
      json.member("mailboxId", fields) { $0.id(record.mailbox) }
      json.member("targetMailboxId", fields) { $0.id(record.targetMailbox) }
      json.member("mailboxName", fields) { $0.null() }
      json.member("mailboxParentId", fields) { $0.null() }
      json.member("addKeywords", fields) { $0.strings(record.addKeywords) }
      json.member("removeKeywords", fields) { $0.strings(record.removeKeywords) }
      json.member("attempts", fields) { $0.int(record.attempts) }
      json.member("lastError", fields) { $0.string(record.lastError) }
      json.member("serverKeywords", fields) { json in
        if let keywords = record.serverKeywords { json.strings(keywords) } else { json.null() }
      }
      json.member("createdAt", fields) { $0.time(record.createdAt) }
    }
  }
}
