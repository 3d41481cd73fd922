import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/mailboxes`.
  ///
  /// The tree is read whole, since it is small and its order is by path; the cursor is a place in it.
  func listMailboxes(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let request = PageRequest(&query, known: MailboxJSON.members)
    let role = query.string("role", length: 1...64)
    if let role, !Mailbox.roles.contains(role) {
      query.faults.add("?role", .format, "One of \(Mailbox.roles.sorted()) is wanted.")
    }
    try query.finish()
    let list = "mailboxes/\(account)/\(role ?? "")"
    let after = try mailboxPosition(request, list: list)
    let (all, state) = try await store.mailboxes(of: account)
    let matching = role == nil ? all : all.filter { $0.role == role }
    let rest = after.map { after in matching.filter { ($0.path, $0.id) > after } } ?? matching
    let shown = rest.prefix(request.limit)
    var answer = Page(next: nil, state: state.description)
    if rest.count > shown.count, let last = shown.last {
      answer.next = cursors.encode([.text(last.path), .int(last.id.rawValue)], list: list)
    }
    if request.wantsTotal { answer.total = Int64(matching.count) }
    return answer.response(to: call, capacity: 16384) { json in
      for mailbox in shown { MailboxJSON.write(mailbox, request.fields, to: &json) }
    }
  }

  private func mailboxPosition(
    _ page: PageRequest,
    list: String
  ) throws(ServiceError) -> (String, ID<Mailbox>)? {
    guard let cursor = page.cursor else { return nil }
    let values = try cursors.decode(cursor, list: list)
    guard values.count == 2, case .text(let path) = values[0], case .int(let id) = values[1] else {
      throw CursorCoder.invalid
    }
    return (path, ID(id))
  }

  /// Answers `POST /v1/accounts/{accountId}/mailboxes`.
  func createMailbox(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let name = mailboxName(&object, .required)
    let parent = object.id("parentId", of: Mailbox.self)
    let isSubscribed = object.bool("isSubscribed") ?? true
    object.finish()
    if let parent, try await store.mailbox(parent, of: account) == nil {
      faults.addValue("/parentId", .notFound, "There is nothing with this id.")
    }
    try faults.check()
    var mailbox = try await engine.createMailbox(account, name: name ?? "", parent: parent)
    if mailbox.isSubscribed != isSubscribed {
      mailbox = try await engine.updateMailbox(
        mailbox.id,
        of: account,
        name: nil,
        parent: nil,
        isSubscribed: isSubscribed
      )
    }
    return answer(
      mailbox,
      status: .created,
      location: "/v1/accounts/\(account)/mailboxes/\(mailbox.id)"
    )
  }

  /// Answers `GET /v1/accounts/{accountId}/mailboxes/{mailboxId}`.
  func showMailbox(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: MailboxJSON.members)
    try query.finish()
    let mailbox = try await mailbox(call)
    let tag = ETag(version: mailbox.version)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return answer(mailbox, fields: fields)
  }

  /// Answers `PATCH /v1/accounts/{accountId}/mailboxes/{mailboxId}`.
  func updateMailbox(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let mailbox = try await mailbox(call)
    try call.preconditions().requireMatch(ETag(version: mailbox.version))
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let name = object.has("name") ? mailboxName(&object, .required) : nil
    var parent: ID<Mailbox>??
    switch object.change("parentId", { $0.id("parentId", of: Mailbox.self) }) {
    case .unchanged: parent = nil
    case .cleared: parent = .some(nil)
    case .set(let id): parent = .some(id)
    }
    let isSubscribed = object.has("isSubscribed") ? object.bool("isSubscribed", .required) : nil
    object.finish()
    if case .some(.some(let id)) = parent,
      try await store.mailbox(id, of: mailbox.accountID) == nil
    {
      faults.addValue("/parentId", .notFound, "There is nothing with this id.")
    }
    try faults.check()
    let changed = try await engine.updateMailbox(
      mailbox.id,
      of: mailbox.accountID,
      name: name,
      parent: parent,
      isSubscribed: isSubscribed
    )
    return answer(changed)
  }

  /// Answers `DELETE /v1/accounts/{accountId}/mailboxes/{mailboxId}`.
  func deleteMailbox(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let isPermanent = query.bool("permanent") ?? false
    try query.finish()
    let mailbox = try await mailbox(call)
    try call.preconditions().requireMatch(ETag(version: mailbox.version))
    try await engine.deleteMailbox(
      mailbox.id,
      of: mailbox.accountID,
      isPermanent: isPermanent
    )
    return .noContent
  }

  /// The mailbox that the path of `call` names by id or role.
  private func mailbox(_ call: Call) async throws(ServiceError) -> Mailbox {
    guard let mailbox = try await findMailbox(call.parameters[1], of: try call.accountID()) else {
      throw .notFound
    }
    return mailbox
  }

  /// The mailbox that `text`, an id or a role, names.
  func findMailbox(
    _ text: String,
    of account: ID<Account>
  ) async throws(ServiceError) -> Mailbox? {
    if let id = ID<Mailbox>(text: text) { return try await store.mailbox(id, of: account) }
    guard Mailbox.roles.contains(text) else { return nil }
    return try await store.mailbox(role: text, of: account)
  }

  private func mailboxName(_ object: inout ObjectDecoder, _ need: ObjectDecoder.Need) -> String? {
    guard let name = object.string("name", need, length: 1...255) else { return nil }
    TextRules.checkLine(name, at: object.pointer(to: "name"), faults: object.faults)
    return name
  }

  private func answer(
    _ mailbox: Mailbox,
    fields: FieldSelection = .all,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) -> HTTPResponse {
    .json(status: status, tag: ETag(version: mailbox.version), location: location) {
      MailboxJSON.write(mailbox, fields, to: &$0)
    }
  }
}

/// The shape of a mailbox.
enum MailboxJSON {
  static let members = [
    "id", "name", "path", "parentId", "role", "isSubscribed", "isSelectable", "totalMessages",
    "unreadMessages", "syncState", "pending", "backend",
  ]

  static func write(_ mailbox: Mailbox, _ fields: FieldSelection, to json: inout JSONWriter) {
    json.object { json in
      json.member("id", fields) { $0.id(mailbox.id) }
      json.member("name", fields) { $0.string(mailbox.name) }
      json.member("path", fields) { $0.string(mailbox.path) }
      json.member("parentId", fields) { $0.id(mailbox.parentID) }
      json.member("role", fields) { $0.string(mailbox.role) }
      json.member("isSubscribed", fields) { $0.bool(mailbox.isSubscribed) }
      json.member("isSelectable", fields) { $0.bool(mailbox.isSelectable) }
      json.member("totalMessages", fields) { $0.int(mailbox.totalMessages) }
      json.member("unreadMessages", fields) { $0.int(mailbox.unreadMessages) }
      json.member("syncState", fields) { $0.string(literal: syncState(mailbox)) }
      json.member("pending", fields) { $0.bool(mailbox.isPending) }
      json.member("backend", fields) { writeBackend(mailbox, to: &$0) }
    }
  }

  private static func syncState(_ mailbox: Mailbox) -> StaticString {
    switch mailbox.syncedDownTo {
    case nil: "new"
    case 1: "synced"
    default: "syncing"
    }
  }

  private static func writeBackend(_ mailbox: Mailbox, to json: inout JSONWriter) {
    json.object { json in
      json.member("name") { $0.string(mailbox.isAwaited ? nil : mailbox.encodedName) }
      json.member("uidValidity") { $0.int(mailbox.uidValidity) }
      json.member("uidNext") { $0.int(mailbox.uidNext) }
      json.member("modSeq") { $0.int(mailbox.highestModSeq) }
    }
  }
}
