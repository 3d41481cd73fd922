import Bytes
import Logging
import Model
import Store

/// Changes the messages that a query found, a transaction at a time; a restart goes on where it stopped.
struct BatchJob {
  let record: JobRecord
  let store: Store
  let configuration: EngineConfiguration
  let logger: Logger

  /// What a job's row says is to be done: the messages, found when it was queued, and the change.
  struct Request {
    var messages: [ID<Message>]
    var patch: MessagePatch?
    var isPermanent: Bool
    var trash: ID<Mailbox>?
  }

  /// Does what is left of the job.
  ///
  /// What may pass is thrown and tried again with the account. Anything else ends the job alone: an
  /// account must not stay away for a job that can never succeed.
  func run() async throws {
    guard let account = record.accountID, let request = Request(json: record.request) else {
      return try await fail(record.done, ["The job's request cannot be read."])
    }
    var done = Int(record.done)
    var errors = record.errors
    while done < request.messages.count {
      let end = min(done + configuration.jobBatch, request.messages.count)
      let missing: Int
      do {
        missing = try await apply(request, Array(request.messages[done..<end]), account)
      } catch let error as ServiceError where !error.isRetryable {
        logger.notice(
          "job failed",
          metadata: ["job": "\(record.id)", "cause": "\(error.cause ?? error.message)"]
        )
        return try await fail(Int64(done), errors + [error.message])
      }
      if missing > 0 { errors.append("\(missing) messages were gone.") }
      done = end
      guard try await progress("running", Int64(done), request, errors) else { return }
    }
    _ = try await progress("done", Int64(done), request, errors)
  }

  private func progress(
    _ state: String,
    _ done: Int64,
    _ request: Request,
    _ errors: [String]
  ) async throws -> Bool {
    try await store.progressJob(
      record,
      state: state,
      done: done,
      total: Int64(request.messages.count),
      errors: errors
    )
  }

  private func fail(_ done: Int64, _ errors: [String]) async throws {
    _ = try await store.progressJob(
      record,
      state: "failed",
      done: done,
      total: record.total,
      errors: errors
    )
  }

  private func apply(
    _ request: Request,
    _ messages: [ID<Message>],
    _ account: ID<Account>
  ) async throws -> Int {
    if let patch = request.patch {
      return try await store.changeMessages(messages, of: account, patch).count
    }
    if let trash = request.trash, !request.isPermanent {
      var patch = MessagePatch()
      patch.mailboxes = [trash]
      return try await store.changeMessages(messages, of: account, patch).count
    }
    return try await store.destroyMessages(messages, of: account).count
  }
}

extension BatchJob.Request {
  /// The request as the job's row keeps it.
  var json: String {
    var members: [JSONValue.Member] = [
      .init(name: "messages", value: .array(messages.map { .int($0.rawValue) })),
      .init(name: "isPermanent", value: .bool(isPermanent)),
    ]
    if let trash { members.append(.init(name: "trash", value: .int(trash.rawValue))) }
    if let patch { members.append(.init(name: "patch", value: patch.json)) }
    return String(decoding: JSONValue.object(members).encoded, as: UTF8.self)
  }

  init?(json text: String) {
    var text = text
    text.makeContiguousUTF8()
    var limits = JSONLimits()
    limits.values = 10_000_000
    guard let value = try? JSONReader.parse(text.utf8.span, limits: limits),  // Nil is the answer.
      let ids = value["messages"]?.arrayValue
    else { return nil }
    messages = ids.compactMap(\.intValue).map { ID($0) }
    isPermanent = value["isPermanent"]?.boolValue ?? false
    trash = value["trash"]?.intValue.map { ID($0) }
    patch = value["patch"].map { MessagePatch(json: $0) }
  }
}

extension MessagePatch {
  fileprivate var json: JSONValue {
    func ids(_ ids: [ID<Mailbox>]) -> JSONValue { .array(ids.map { .int($0.rawValue) }) }
    func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
    var members: [JSONValue.Member] = [
      .init(name: "addKeywords", value: texts(addKeywords)),
      .init(name: "removeKeywords", value: texts(removeKeywords)),
      .init(name: "replacesKeywords", value: .bool(replacesKeywords)),
      .init(name: "addMailboxes", value: ids(addMailboxes)),
      .init(name: "removeMailboxes", value: ids(removeMailboxes)),
    ]
    if let mailboxes { members.append(.init(name: "mailboxes", value: ids(mailboxes))) }
    return .object(members)
  }

  fileprivate init(json value: JSONValue) {
    func ids(_ name: String) -> [ID<Mailbox>]? {
      value[name]?.arrayValue?.compactMap(\.intValue).map { ID($0) }
    }
    func texts(_ name: String) -> [String] {
      value[name]?.arrayValue?.compactMap(\.stringValue) ?? []
    }
    self.init()
    addKeywords = texts("addKeywords")
    removeKeywords = texts("removeKeywords")
    replacesKeywords = value["replacesKeywords"]?.boolValue ?? false
    addMailboxes = ids("addMailboxes") ?? []
    removeMailboxes = ids("removeMailboxes") ?? []
    mailboxes = ids("mailboxes")
  }
}
