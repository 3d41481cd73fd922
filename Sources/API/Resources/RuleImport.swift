import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Rules
import Store

extension Endpoints {
  /// Answers `POST /v1/accounts/{accountId}/rules:import`: rules of another program's filters, behind those that are there.
  func importRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let format = query.choice("format", as: FilterFormat.self)
    if format == nil, query.faults.isEmpty {
      let names = FilterFormat.allCases.map(\.rawValue).joined(separator: ", ")
      query.faults.add("?format", .required, "One of \(names) is wanted.")
    }
    let isDry = query.bool("dryRun") ?? false
    try query.finish()
    if let type = try MediaType.ofBody(call.request.fields), type == .json {
      throw ServiceError(.unsupportedMediaType, "The body has to be the file of filters as it is.")
    }
    let bytes = try await call.body(upTo: configuration.limits.jsonBytes)
    let known = try await engine.accountRules(account)
    guard let format else { throw .notFound }
    var filters: [ImportedFilter]
    do throws(FilterFileError) {
      filters = try format.read(bytes)
    } catch {
      throw ServiceError(wrongFile: error)
    }
    for index in filters.indices { filters[index].check(known) }
    if format.isOrdered { filters.switchOffUnguarded() }
    let rules = filters.compactMap(\.rule)
    guard !isDry, !rules.isEmpty else {
      return .json { RuleImportJSON.write(filters, [], to: &$0) }
    }
    if rules.contains(where: { $0.actions.contains(where: \.sends) }) {
      try call.access.require(.send)
    }
    let ids = try await store.appendRules(
      rules.map(\.record),
      of: account,
      limit: RuleLimits().rules,
      claim: call.claim
    )
    return .json(status: .created, location: "/v1/accounts/\(account)/rules") {
      RuleImportJSON.write(filters, ids, to: &$0)
    }
  }
}

extension ImportedFilter {
  /// Leaves out a rule that names what the account cannot have, and what nobody can send.
  fileprivate mutating func check(_ known: AccountRules) {
    let whole = rule
    defer { noteLostGuard(of: whole) }
    if let rule, !known.account.canSend {
      self.rule?.actions.removeAll(where: \.sends)
      for (index, action) in rule.actions.enumerated() where action.sends {
        notes.append(Note("/actions/\(index)", "The account has no outgoing server."))
      }
      if self.rule?.actions.isEmpty == true, !rule.actions.isEmpty, !rule.stops { self.rule = nil }
    }
    guard let rule else { return }
    let faults = Faults()
    RuleDecoding.check(rule, at: "", known, isStored: true, faults)
    notes += faults.value.map { Note($0.pointer, $0.detail) }
    if !faults.isEmpty { self.rule = nil }
  }

  /// Notes whether a rule that is left out, or sends nothing on, let less through to those behind it.
  private mutating func noteLostGuard(of whole: Rule?) {
    guard var lost = whole else { return }
    if let rule {
      guard !rule.stops else { return }
      lost.actions.removeAll { rule.actions.contains($0) }
    }
    if lost.guards { hasLostGuard = true }
  }
}

extension ServiceError {
  /// A file of filters that cannot be read, with the places where that is so.
  fileprivate init(wrongFile error: FilterFileError) {
    self.init(wrongScript: error.faults)
    let places = error.faults.prefix(20).map(\.description)
    // What is wrong with the file as a whole is said where that is known.
    let isSaid = error.faults.contains { $0.message == error.reason }
    message = ((isSaid ? [] : [error.reason]) + places).joined(separator: "\n")
  }
}

/// The shape of what became of filters.
enum RuleImportJSON {
  static func write(
    _ filters: [ImportedFilter],
    _ ids: [ID<MailRule>],
    to json: inout JSONWriter
  ) {
    var rest = ids[...]
    json.object { json in
      json.member("items") { json in
        json.array { json in
          for filter in filters {
            write(filter, filter.rule == nil ? nil : rest.popFirst(), to: &json)
          }
        }
      }
      json.member("converted") { $0.int(filters.count { $0.rule != nil }) }
      json.member("leftOut") { $0.int(filters.count { $0.rule == nil }) }
    }
  }

  private static func write(
    _ filter: ImportedFilter,
    _ id: ID<MailRule>?,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("name") { $0.string(filter.name) }
      json.member("outcome") { json in
        let isWhole = filter.notes.isEmpty
        json.string(filter.rule == nil ? "left_out" : isWhole ? "converted" : "partly")
      }
      json.member("ruleId") { $0.id(id) }
      json.member("rule") { $0.value(filter.rule?.json ?? .null) }
      json.member("notes") { json in
        json.array { json in
          for note in filter.notes {
            json.object { json in
              json.member("part") { $0.string(note.part) }
              json.member("reason") { $0.string(note.reason) }
            }
          }
        }
      }
    }
  }
}
