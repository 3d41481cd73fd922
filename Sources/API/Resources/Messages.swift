import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/messages`.
  func listMessages(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let request = PageRequest(&query, known: MessageMembers.names)
    let members = MessageMembers(request.fields)
    let included = IncludedParts(&query)
    if !included.isEmpty, request.limit > Self.includeLimit {
      let detail = "At most \(Self.includeLimit) with include, which reads each message's server."
      query.faults.add("?limit", .range, detail)
    }
    var filter = MessageFilter(&query)
    filter.setSort(&query)
    try query.finish()
    _ = try Acceptance(call.request.fields).choose([.json])
    let list = filter.list(of: account)
    let position = try request.cursor.map { cursor throws(ServiceError) in
      try messagePosition(cursor, list: list)
    }
    let findings = try await findings(of: account, filter, continues: position != nil)
    let page = try await page(
      of: account,
      filter,
      findings,
      after: position,
      limit: request.limit
    )
    var answer = Page(state: page.state.description, partial: findings.gaps)
    if page.hasMore, let last = try page.lastPosition {
      answer.next = cursors.encode(
        [.text(last.key), .int(last.uid), .int(last.id.rawValue)],
        list: list
      )
    }
    if request.wantsTotal { answer.total = try await count(of: account, filter, findings) }
    return try await answerList(
      answer,
      page,
      members,
      included,
      account: account,
      call: call
    )
  }

  /// What the account's server finds of a search; an error where it can tell nothing at all.
  private func findings(
    of account: ID<Account>,
    _ filter: MessageFilter,
    continues: Bool
  ) async throws(ServiceError) -> SearchFindings {
    let findings = try await engine.find(
      filter.query,
      role: filter.role,
      of: account,
      continues: continues
    )
    if let gap = findings.gaps.first, gap.mailbox == nil { throw gap.error }
    return findings
  }

  /// One page, by role in the same round trip where the mailbox is named so.
  private func page(
    of account: ID<Account>,
    _ filter: MessageFilter,
    _ findings: SearchFindings,
    after position: MessagePosition?,
    limit: Int
  ) async throws(ServiceError) -> MessagePage {
    guard let role = filter.role else {
      let page = try await store.messages(
        of: account,
        filter.query,
        findings,
        after: position,
        limit: limit
      )
      if page.count == 0 { try await requireMailbox(filter.query.mailbox, of: account) }
      return page
    }
    guard
      let page = try await store.messages(
        of: account,
        role: role,
        filter.query,
        findings,
        after: position,
        limit: limit
      )
    else {
      throw ServiceError(.notFound, "The account has no mailbox with the role \(role).")
    }
    return page
  }

  /// An empty list of a mailbox that there is not would hide a slip.
  func requireMailbox(
    _ id: ID<Mailbox>?,
    of account: ID<Account>,
    at pointer: String = "?mailbox"
  ) async throws(ServiceError) {
    guard let id, try await store.mailbox(id, of: account) == nil else { return }
    let detail = "An id of a mailbox of this account."
    throw ServiceError(
      .unprocessable,
      "The account has no mailbox \(id).",
      fields: [FieldError(pointer: pointer, code: FaultCode.notFound.rawValue, detail: detail)]
    )
  }

  /// The place that a cursor of a list of messages names.
  func messagePosition(
    _ cursor: String,
    list: String
  ) throws(ServiceError) -> MessagePosition {
    let values = try cursors.decode(cursor, list: list)
    guard values.count == 3, case .text(let key) = values[0], case .int(let uid) = values[1],
      case .int(let id) = values[2]
    else { throw CursorCoder.invalid }
    return MessagePosition(key: key, uid: uid, id: ID(id))
  }

  private func count(
    of account: ID<Account>,
    _ filter: MessageFilter,
    _ findings: SearchFindings
  ) async throws(ServiceError) -> Int64 {
    var query = filter.query
    if let role = filter.role {
      query.mailbox = try await store.mailbox(role: role, of: account)?.id
    }
    return try await store.countMessages(of: account, query, findings)
  }

  /// How many messages a list may hold whose bodies or headers are asked for.
  private static let includeLimit = 50

  /// Writes a page.
  ///
  /// Bodies, where they are asked for, are fetched before, one message after another. One that is gone
  /// from its server by then is shown without, as the list knows it.
  private func answerList(
    _ answer: Page,
    _ page: MessagePage,
    _ members: MessageMembers,
    _ included: IncludedParts,
    account: ID<Account>,
    call: Call
  ) async throws(ServiceError) -> HTTPResponse {
    var fetched: [FetchedParts?] = []
    if !included.isEmpty {
      for index in 0..<page.count {
        do throws(ServiceError) {
          let parts = try await fetch(
            included,
            of: page.row(index).id,
            in: account,
            limit: configuration.limits.bodyValueBytes
          )
          fetched.append(parts)
        } catch {
          guard error.code == .notFound else { throw error }
          fetched.append(nil)
        }
      }
    }
    var failure: ServiceError?
    let response = answer.response(to: call, capacity: 256 + page.count * 800) { json in
      for index in 0..<page.count {
        do throws(ServiceError) {
          let parts = fetched.isEmpty ? nil : fetched[index]
          try MessageJSON.write(page.row(index), members, parts, to: &json)
        } catch {
          failure = error
          return
        }
      }
    }
    if let failure { throw failure }
    return response
  }

  /// Fetches what `include=` asks for.
  func fetch(
    _ included: IncludedParts,
    of message: ID<Message>,
    in account: ID<Account>,
    limit: Int
  ) async throws(ServiceError) -> FetchedParts {
    var parts = FetchedParts()
    if included.contains(.body) {
      parts.bodyValues = try await engine.bodyValues(message, of: account, limit: limit)
    }
    if included.contains(.headers) {
      parts.headers = try await engine.header(message, of: account)
    }
    return parts
  }

  /// Answers `GET /v1/accounts/{accountId}/messages/{messageId}`.
  func showMessage(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    let id = try call.id(1, of: Message.self)
    let type = try Acceptance(call.request.fields).choose([.json, .message])
    if type == .message { return try await showMessageRaw(call) }
    var query = try call.query()
    let members = MessageMembers(FieldSelection(&query, known: MessageMembers.names))
    let included = IncludedParts(&query)
    let largest = Int64(1 << 20)
    let limit = query.int("maxBodyValueBytes", in: 1...largest).map { Int($0) }
    try query.finish()
    let page = try await store.message(id, of: account)
    guard page.count == 1 else { throw .notFound }
    let tag = ETag(version: page.row(0).version)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    let parts =
      included.isEmpty
      ? nil
      : try await fetch(
        included,
        of: id,
        in: account,
        limit: limit ?? configuration.limits.bodyValueBytes
      )
    return try answer(page, members, parts)
  }

  /// The answer that holds the one message of `page`.
  func answer(
    _ page: MessagePage,
    _ members: MessageMembers = .all,
    _ parts: FetchedParts? = nil,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) throws(ServiceError) -> HTTPResponse {
    var json = JSONWriter(capacity: 2048)
    try MessageJSON.write(page.row(0), members, parts, isSingle: true, to: &json)
    let tag = ETag(version: page.row(0).version)
    return .json(json.finish(), status: status, tag: tag, location: location)
  }

  /// Answers `GET /v1/accounts/{accountId}/messages/{messageId}/raw`.
  func showMessageRaw(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let source = try await engine.openRaw(
      try call.id(1, of: Message.self),
      of: try call.accountID()
    )
    return try await MailContent.response(source, to: call)
  }

  /// Answers `GET /v1/accounts/{accountId}/messages/{messageId}/parts/{partId}`.
  func showMessagePart(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let part = call.parameters[2]
    guard part.utf8.count <= 200, part.utf8.allSatisfy({ $0.isASCIIDigit || $0 == 0x2E }) else {
      throw .notFound
    }
    let source = try await engine.openPart(
      try call.id(1, of: Message.self),
      of: try call.accountID(),
      partID: part
    )
    return try await MailContent.response(source, to: call)
  }
}
