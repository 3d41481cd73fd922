import Bytes
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/threads`.
  func listThreads(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let request = PageRequest(&query, known: ThreadJSON.members)
    let name = query.string("mailbox", length: 1...64)
    try query.finish()
    let mailbox = try await mailbox(name, of: account)
    let list = "threads/\(account)/\(mailbox.map { "\($0)" } ?? "")"
    let position = try request.cursor.map { cursor throws(ServiceError) in
      try messagePosition(cursor, list: list)
    }
    let page = try await store.threads(
      of: account,
      in: mailbox,
      after: position,
      limit: request.limit
    )
    var answer = Page(state: page.state.description)
    if page.hasMore, let last = page.threads.last?.position {
      answer.next = cursors.encode(
        [.text(last.key), .int(last.uid), .int(last.id.rawValue)],
        list: list
      )
    }
    if request.wantsTotal {
      answer.total = try await store.countThreads(of: account, in: mailbox)
    }
    return answer.response(to: call) { json in
      for thread in page.threads { ThreadJSON.write(thread, request.fields, to: &json) }
    }
  }

  /// The mailbox that an id or a role names; nil where there is no name.
  private func mailbox(
    _ name: String?,
    of account: ID<Account>
  ) async throws(ServiceError) -> ID<Mailbox>? {
    guard let name else { return nil }
    if Mailbox.roles.contains(name) {
      guard let mailbox = try await store.mailbox(role: name, of: account) else {
        throw ServiceError(.notFound, "The account has no mailbox with the role \(name).")
      }
      return mailbox.id
    }
    guard let id = ID<Mailbox>(text: name) else {
      throw ServiceError(
        .unprocessable,
        "?mailbox: There is no mailbox with this id or role.",
        fields: [
          FieldError(
            pointer: "?mailbox",
            code: FaultCode.notFound.rawValue,
            detail: "There is no mailbox with this id or role."
          )
        ]
      )
    }
    return id
  }

  /// Answers `GET /v1/accounts/{accountId}/threads/{threadId}`.
  func getThread(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    let id = try call.id(1, of: MessageThread.self)
    var query = try call.query()
    let fields = FieldSelection(&query, known: ThreadJSON.members)
    try query.finish()
    guard let thread = try await store.thread(id, of: account) else { throw .notFound }
    let tag = ThreadJSON.tag(thread)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return .json(tag: tag) { ThreadJSON.write(thread, fields, to: &$0) }
  }
}

/// The shape of a thread.
enum ThreadJSON {
  static let members = [
    "id", "subject", "receivedAt", "totalMessages", "unreadMessages", "hasAttachment",
    "mailboxIds", "messageIds",
  ]

  static func tag(_ thread: ThreadSummary) -> ETag {
    ETag("\(thread.id)-\(thread.totalMessages)-\(thread.version)")
  }

  static func write(
    _ thread: ThreadSummary,
    _ fields: FieldSelection = .all,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(thread.id) }
      json.member("subject", fields) { $0.string(thread.subject) }
      json.member("receivedAt", fields) { $0.time(thread.receivedAt) }
      json.member("totalMessages", fields) { $0.int(thread.totalMessages) }
      json.member("unreadMessages", fields) { $0.int(thread.unreadMessages) }
      json.member("hasAttachment", fields) { $0.bool(thread.hasAttachment) }
      json.member("mailboxIds", fields) { json in
        json.array { json in
          for mailbox in thread.mailboxes { json.id(mailbox) }
        }
      }
      json.member("messageIds", fields) { json in
        json.array { json in
          for message in thread.messages { json.id(message) }
        }
      }
    }
  }
}
