import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `PATCH /v1/accounts/{accountId}/messages/{messageId}`.
  func updateMessage(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let account = try call.accountID()
    let id = try call.id(1, of: Message.self)
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let current = try await store.message(id, of: account)
    guard current.count == 1 else { throw .notFound }
    let version = current.row(0).version
    let conditions = try call.preconditions()
    try conditions.requireMatch(ETag(version: version))
    let faults = Faults()
    let patch = try await patch(body, of: account, at: "", faults: faults)
    try faults.check()
    guard !patch.isEmpty else { return try answer(current) }
    let outcomes = try await engine.changeMessages(
      [id],
      of: account,
      patch,
      ifVersion: conditions.ifMatch == nil ? nil : version
    )
    if let error = outcomes.first?.error { throw error }
    let changed = try await store.message(id, of: account)
    guard changed.count == 1 else { throw .notFound }
    return try answer(changed)
  }

  /// Answers `DELETE /v1/accounts/{accountId}/messages/{messageId}`.
  func deleteMessage(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let isPermanent = query.bool("permanent") ?? false
    try query.finish()
    let account = try call.accountID()
    let id = try call.id(1, of: Message.self)
    let current = try await store.message(id, of: account)
    guard current.count == 1 else { throw .notFound }
    try call.preconditions().requireMatch(ETag(version: current.row(0).version))
    let outcomes = try await engine.deleteMessages([id], of: account, isPermanent: isPermanent)
    if let error = outcomes.first?.error { throw error }
    guard !isPermanent else { return .noContent }
    let moved = try await store.message(id, of: account)
    guard moved.count == 1 else { throw .notFound }
    return try answer(moved)
  }

  /// Answers `POST /v1/accounts/{accountId}/messages:batch`.
  func batchMessages(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let account = try call.accountID()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let ids = object.strings(
      "ids",
      count: 1...configuration.limits.batchMessages,
      length: 1...64
    )
    var filter: MessageFilter?
    if let value = object.value("query"), value != .null {
      let (query, pointer) = (StorableJSON(value), object.pointer(to: "query"))
      query.note(in: faults, at: pointer)
      var decoder = ObjectDecoder(query.value, at: pointer, faults: faults)
      filter = MessageFilter(&decoder)
      decoder.finish()
    }
    let deletion: Deletion? = object.choice("delete")
    var patch: MessagePatch?
    if let value = object.value("patch") {
      patch = try await self.patch(value, of: account, at: "/patch", faults: faults)
    }
    object.finish()
    // What is there and at fault is nil too, and is told already.
    if object.isPresent("ids") == object.isPresent("query") {
      faults.add("", .conflict, "Exactly one of ids and query is wanted.")
    }
    if object.isPresent("patch") == object.isPresent("delete") {
      faults.add("", .conflict, "Exactly one of patch and delete is wanted.")
    }
    try faults.check()
    let change = patch.map { BatchChange.patch($0) } ?? .delete(deletion ?? .trash)
    if let ids { return try await apply(change, to: ids, of: account) }
    return try await apply(change, to: filter, of: account, claim: call.claim)
  }

  /// How a batch deletes.
  enum Deletion: String, CaseIterable {
    case trash, permanent
  }

  /// What a batch does with each message.
  enum BatchChange {
    case patch(MessagePatch)
    case delete(Deletion)
  }

  /// Applies a change to messages named by id; each gets a result, those without a right id too.
  private func apply(
    _ change: BatchChange,
    to texts: [String],
    of account: ID<Account>
  ) async throws(ServiceError) -> HTTPResponse {
    let ids = texts.compactMap { ID<Message>(text: $0) }
    var results: [ID<Message>: ServiceError] = [:]
    for outcome in try await apply(change, to: ids, of: account) {
      if let error = outcome.error { results[outcome.id] = error }
    }
    return .json { json in
      json.beginObject()
      json.key("items")
      json.beginArray()
      for text in texts {
        let id = ID<Message>(text: text)
        Self.writeResult(text, id.map { results[$0] } ?? .notFound, to: &json)
      }
      json.endArray()
      json.endObject()
    }
  }

  private func apply(
    _ change: BatchChange,
    to ids: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) -> [MessageOutcome] {
    guard !ids.isEmpty else { return [] }
    switch change {
    case .patch(let patch): return try await engine.changeMessages(ids, of: account, patch)
    case .delete(let deletion):
      return try await engine.deleteMessages(
        ids,
        of: account,
        isPermanent: deletion == .permanent
      )
    }
  }

  private static func writeResult(
    _ id: String,
    _ error: ServiceError?,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id") { $0.string(id) }
      guard let error else { return json.member("status") { $0.int(200) } }
      let entry = ProblemTable.entry(for: error.code)
      json.member("status") { $0.int(entry.status.rawValue) }
      json.member("code") { $0.string(entry.code.rawValue) }
      json.member("detail") { $0.string(error.message) }
    }
  }

  /// Applies a change to what a query finds: here where it is little, by a job where it is much.
  private func apply(
    _ change: BatchChange,
    to filter: MessageFilter?,
    of account: ID<Account>,
    claim: IdempotencyClaim?
  ) async throws(ServiceError) -> HTTPResponse {
    guard let filter else { throw .notFound }
    var query = filter.query
    if let role = filter.role {
      guard let mailbox = try await store.mailbox(role: role, of: account) else {
        throw ServiceError(.unprocessable, "The account has no mailbox with the role \(role).")
      }
      query.mailbox = mailbox.id
    }
    try await requireMailbox(query.mailbox, of: account, at: "/query/mailbox")
    let limit = configuration.limits.batchMessages
    let findings = try await engine.find(query, of: account)
    // A change of a part of what was meant would look like one of all.
    if let gap = findings.gaps.first { throw gap.error }
    let ids = try await store.messageIDs(of: account, query, findings, limit: limit + 1)
    if ids.count <= limit {
      return try await apply(change, to: ids.map(\.description), of: account)
    }
    let isPermanent = if case .delete(.permanent) = change { true } else { false }
    let patch: MessagePatch? = if case .patch(let patch) = change { patch } else { nil }
    let job = try await engine.batch(
      of: account,
      query: query,
      findings: findings,
      patch: patch,
      isPermanent: isPermanent,
      claim: claim
    )
    return .json(status: .accepted, location: "/v1/jobs/\(job.id)") { JobJSON.write(job, to: &$0) }
  }
}

// MARK: - Patches

extension Endpoints {
  /// Reads a merge patch of a message (RFC 7396) whose mailboxes are named by id or role.
  func patch(
    _ value: JSONValue,
    of account: ID<Account>,
    at pointer: String,
    faults: Faults
  ) async throws(ServiceError) -> MessagePatch {
    var object = ObjectDecoder(value, at: pointer, faults: faults)
    var patch = MessagePatch()
    switch object.change("keywords", { $0.object("keywords") }) {
    case .unchanged: break
    case .cleared: patch.replacesKeywords = true
    case .set(var keywords): Self.readKeywords(&keywords, into: &patch)
    }
    try await readMailboxes(&object, of: account, into: &patch)
    object.finish()
    return patch
  }

  private static func readKeywords(
    _ keywords: inout ObjectDecoder,
    into patch: inout MessagePatch
  ) {
    for member in keywords.all() {
      let pointer = keywords.pointer(to: member.name)
      TextRules.checkKeyword(member.name, at: pointer, faults: keywords.faults)
      let keyword = member.name.lowercased()
      switch member.value {
      case .bool(true): patch.addKeywords.append(keyword)
      case .bool(false), .null: patch.removeKeywords.append(keyword)
      default: keywords.faults.add(pointer, .type, "true, false or null is wanted.")
      }
    }
    if patch.addKeywords.count + patch.removeKeywords.count > 100 {
      keywords.faults.add(keywords.pointer, .range, "At most 100 keywords are allowed.")
    }
  }

  private func readMailboxes(
    _ object: inout ObjectDecoder,
    of account: ID<Account>,
    into patch: inout MessagePatch
  ) async throws(ServiceError) {
    let faults = object.faults
    let prefix = "mailboxIds/"
    let single = object.all(withPrefix: prefix)
    let whole = object.value("mailboxIds")
    guard whole != nil || !single.isEmpty else { return }
    guard whole == nil || single.isEmpty else {
      let detail = "mailboxIds, and members of it, exclude one another."
      return faults.add(object.pointer(to: "mailboxIds"), .conflict, detail)
    }
    let names = MailboxNames(try await store.mailboxes(of: account).mailboxes)
    if let whole {
      patch.mailboxes = Self.mailboxSet(
        whole,
        at: object.pointer(to: "mailboxIds"),
        names: names,
        faults: faults
      )
    }
    for member in single {
      let pointer = object.pointer(to: member.name)
      let name = String(member.name.dropFirst(prefix.count))
      guard let id = names.find(name, at: pointer, faults: faults) else { continue }
      switch member.value {
      case .bool(true): patch.addMailboxes.append(id)
      case .null: patch.removeMailboxes.append(id)
      default: faults.add(pointer, .type, "true or null is wanted.")
      }
    }
  }

  /// Reads a whole set of mailboxes: at least one, each with true.
  static func mailboxSet(
    _ value: JSONValue,
    at pointer: String,
    names: MailboxNames,
    faults: Faults
  ) -> [ID<Mailbox>]? {
    var object = ObjectDecoder(value, at: pointer, faults: faults)
    var ids: [ID<Mailbox>] = []
    for member in object.all() {
      let pointer = object.pointer(to: member.name)
      guard member.value == .bool(true) else {
        faults.add(pointer, .type, "true is wanted.")
        continue
      }
      guard let id = names.find(member.name, at: pointer, faults: faults) else { continue }
      if !ids.contains(id) { ids.append(id) }
    }
    if object.all().isEmpty, case .object = value {
      faults.addValue(pointer, .range, "A message is in one mailbox at least.")
    }
    return ids
  }
}

/// Finds mailboxes by what a caller may name them by: id or role.
struct MailboxNames {
  private var ids: Set<ID<Mailbox>> = []
  private var roles: [String: ID<Mailbox>] = [:]

  /// The names of these mailboxes.
  init(_ mailboxes: [Mailbox]) {
    for mailbox in mailboxes {
      ids.insert(mailbox.id)
      if let role = mailbox.role { roles[role] = mailbox.id }
    }
  }

  /// The mailbox that `name` names; that there is none is noted at `pointer`.
  func find(_ name: String, at pointer: String, faults: Faults) -> ID<Mailbox>? {
    if let id = roles[name] { return id }
    if let id = ID<Mailbox>(text: name), ids.contains(id) { return id }
    faults.addValue(pointer, .notFound, "There is no mailbox with this id or role.")
    return nil
  }
}
