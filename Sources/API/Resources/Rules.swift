import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Rules
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/rules`.
  ///
  /// All of them, in their order: what one rule does depends on those before it.
  func listRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let fields = FieldSelection(&query, known: RuleJSON.members)
    try query.finish()
    let type = try Acceptance(call.request.fields).choose([.json, .sieve])
    let known = try await engine.accountRules(account)
    if type == .sieve { return try await script(of: known) }
    let placed = RuleScript(known.rules, for: known.target).placements
    return Page(next: nil, state: known.state.description).response(to: call) { json in
      for (index, record) in known.records.enumerated() {
        RuleJSON.write(record, known.rules[index], placed[index], fields, to: &json)
      }
    }
  }

  /// Answers `POST /v1/accounts/{accountId}/rules`.
  func createRule(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let rule = try await rule(body, call, account, isStored: true)
    let record = try await store.insertRule(
      rule.record,
      at: body["position"]?.intValue.map { Int($0) },
      of: account,
      limit: RuleLimits().rules,
      claim: call.claim
    )
    return try await answer(
      record,
      of: account,
      status: .created,
      location: "/v1/accounts/\(account)/rules/\(record.id)"
    )
  }

  /// Answers `GET /v1/accounts/{accountId}/rules/{ruleId}`.
  func showRule(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: RuleJSON.members)
    try query.finish()
    let (account, record) = try await rule(call)
    let tag = ETag(version: record.version)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return try await answer(record, of: account, fields: fields)
  }

  /// Answers `PATCH /v1/accounts/{accountId}/rules/{ruleId}`.
  func updateRule(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    var conflicts = 0
    while true {
      do {
        return try await updateRule(call, by: body)
      } catch {
        // Whoever made no condition (RFC 9110 §13.1.1) wants the change made to what the rule is by now.
        guard error.code == .preconditionFailed, try call.preconditions().ifMatch == nil,
          conflicts < configuration.ruleConflicts
        else { throw error }
        conflicts += 1
      }
    }
  }

  private func updateRule(
    _ call: Call,
    by body: JSONValue
  ) async throws(ServiceError) -> HTTPResponse {
    let (account, record) = try await rule(call)
    try call.preconditions().requireMatch(ETag(version: record.version))
    let changed = try await rule(
      body,
      call,
      account,
      patching: try Rule(record),
      isStored: true
    )
    let updated = try await store.updateRule(
      record.id,
      of: account,
      changed.record,
      position: body["position"]?.intValue.map { Int($0) },
      ifVersion: record.version
    )
    return try await answer(updated, of: account)
  }

  /// Answers `DELETE /v1/accounts/{accountId}/rules/{ruleId}`.
  func deleteRule(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let (account, record) = try await rule(call)
    try call.preconditions().requireMatch(ETag(version: record.version))
    try await store.deleteRule(record.id, of: account)
    return .noContent
  }

  /// Answers `POST /v1/accounts/{accountId}/rules:validate`.
  func validateRule(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let rule = try await rule(body, call, account)
    let known = try await engine.accountRules(account)
    let position = body["position"]?.intValue.map { Int($0) } ?? known.rules.count
    let place = min(max(position, 0), known.rules.count)
    var rules = known.rules
    rules.insert(rule, at: place)
    let placements = RuleScript(rules, for: known.target).placements[place]
    let alone = RuleScript([rule], for: known.target)
    return .json { json in
      json.object { json in
        json.member("placement") { $0.string(placements.side.rawValue) }
        json.member("clauses") { RuleJSON.write(placements, to: &$0) }
        json.member("script") { $0.string(alone.text) }
      }
    }
  }

  // MARK: - What they have in common

  /// The rule that a body spells, or makes of `base`; one that sends needs the scope to send.
  private func rule(
    _ body: JSONValue,
    _ call: Call,
    _ account: ID<Account>,
    patching base: Rule? = nil,
    isStored: Bool = false
  ) async throws(ServiceError) -> Rule {
    let faults = Faults()
    let storable = StorableJSON(body)
    storable.note(in: faults)
    if let position = body["position"] {
      if position.intValue == nil {
        faults.add("/position", .type, "A whole number is wanted.")
      } else if position.intValue.map({ $0 < 0 }) == true {
        faults.add("/position", .range, "A number from 0 on is wanted.")
      }
    }
    let decoding = RuleDecoding(storable, faults)
    let rule = decoding.rule(storable.value, patching: base)
    if let rule {
      let known = try await engine.accountRules(account)
      decoding.check(rule, storable.value, known, isStored: isStored)
    }
    try faults.check()
    guard let rule else { throw ServiceError(.invalidRequest, "The rule cannot be read.") }
    if rule.actions.contains(where: \.sends) { try call.access.require(.send) }
    return rule
  }

  private func rule(
    _ call: Call
  ) async throws(ServiceError) -> (account: ID<Account>, record: RuleRecord) {
    let account = try call.accountID()
    let id = try call.id(1, of: MailRule.self)
    guard let record = try await store.rule(id, of: account) else { throw .notFound }
    return (account, record)
  }

  private func answer(
    _ record: RuleRecord,
    of account: ID<Account>,
    fields: FieldSelection = .all,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) async throws(ServiceError) -> HTTPResponse {
    let known = try await engine.accountRules(account)
    let place = known.records.firstIndex { $0.id == record.id }
    guard let place else { throw .notFound }
    let rule = known.rules[place]
    let placements = RuleScript(known.rules, for: known.target).placements[place]
    return .json(status: status, tag: ETag(version: record.version), location: location) {
      RuleJSON.write(record, rule, placements, fields, to: &$0)
    }
  }

  // MARK: - The script

  /// Answers `GET /v1/accounts/{accountId}/rules/script`.
  func showRuleScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    _ = try Acceptance(call.request.fields).choose([.sieve])
    return try await script(of: try await engine.accountRules(account))
  }

  private func script(of known: AccountRules) async throws(ServiceError) -> HTTPResponse {
    // What stands in the place of the rules was put there as a script.
    if let active = try await store.activeScript(of: known.account.id) {
      return .sieve(active.content ?? [])
    }
    let target = known.target.capabilities == nil ? known.portableTarget : known.target
    let text = try known.scriptText(for: target)
    return .sieve(Array(text.utf8))
  }

  /// Answers `PUT /v1/accounts/{accountId}/rules/script`: a script in the place of all rules.
  func replaceRuleScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let source = try await sieve(call)
    let rules: [Rule]
    switch ScriptReader.read(source) {
    case .ours(let read): rules = read
    case .simple(let read):
      // A script of ours says that there are no rules; of another's, one that does nothing is a mistake.
      guard !read.isEmpty else {
        throw ServiceError(
          .unprocessable,
          "The script has no command; to have no rules, DELETE each of them."
        )
      }
      rules = read
    case .opaque: return try await keepScript(source, call)
    case .invalid(let errors): throw ServiceError(wrongScript: errors)
    }
    guard rules.count <= RuleLimits().rules else {
      throw ServiceError(.unprocessable, "An account has at most \(RuleLimits().rules) rules.")
    }
    if rules.contains(where: { $0.actions.contains(where: \.sends) }) {
      try call.access.require(.send)
    }
    let faults = Faults()
    let known = try await engine.accountRules(account)
    for (index, rule) in rules.enumerated() {
      RuleDecoding.check(rule, at: "/rules/\(index)", known, isStored: true, faults)
    }
    try faults.check()
    try await store.replaceRules(rules.map(\.record), of: account)
    return .noContent
  }

  /// Keeps a script that rules cannot say, to run in their place.
  private func keepScript(
    _ source: [UInt8],
    _ call: Call
  ) async throws(ServiceError) -> HTTPResponse {
    let account = try await account(call)
    guard account.sieve == nil else {
      throw ServiceError(
        .unprocessable,
        "Rules cannot say what the script does; put it to the account's server (scripts)."
      )
    }
    try requireSending(source, call)
    try await engine.replaceRules(of: account.id, byScript: source)
    return .noContent
  }
}

extension ServiceError {
  /// A script that is wrong, with the place of each error.
  init(wrongScript errors: [ScriptFault]) {
    let words = errors.prefix(20).map(\.description).joined(separator: "\n")
    self.init(
      .unprocessable,
      "The script is wrong. \(words)",
      fields: errors.map { error in
        FieldError(
          pointer: "",
          code: FaultCode.format.rawValue,
          detail: error.message,
          line: error.line,
          column: error.column
        )
      }
    )
  }
}

extension [ClausePlacement] {
  /// Who carries out the whole of what these are of: the poorest of them.
  var side: ClausePlacement.Side {
    if contains(where: { $0.side == .unsupported }) { return .unsupported }
    return contains { $0.side == .service } ? .service : .sieve
  }
}

/// The shape of a rule.
enum RuleJSON {
  static let members = [
    "id", "name", "enabled", "position", "trigger", "schedule", "when", "actions", "stop",
    "placement", "hasError", "warnings", "createdAt",
  ]

  static func write(
    _ record: RuleRecord,
    _ rule: Rule,
    _ placements: [ClausePlacement],
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(record.id) }
      json.member("name", fields) { $0.string(rule.name) }
      json.member("enabled", fields) { $0.bool(rule.isEnabled) }
      json.member("position", fields) { $0.int(record.position) }
      json.member("trigger", fields) { $0.string(rule.trigger.rawValue) }
      json.member("schedule", fields) { json in
        guard let hours = rule.hours else { return json.null() }
        json.object { $0.member("hours") { $0.int(hours) } }
      }
      json.member("when", fields) { $0.value(rule.filter ?? .null) }
      json.member("actions", fields) { $0.value(.array(rule.actions.map(\.json))) }
      json.member("stop", fields) { $0.bool(rule.stops) }
      json.member("placement", fields) { $0.string(placements.side.rawValue) }
      json.member("hasError", fields) { $0.bool(placements.side == .unsupported) }
      json.member("warnings", fields) { write(placements.filter { $0.reason != nil }, to: &$0) }
      json.member("createdAt", fields) { $0.time(record.createdAt) }
    }
  }

  static func write(_ placements: [ClausePlacement], to json: inout JSONWriter) {
    json.array { json in
      for placement in placements {
        json.object { json in
          json.member("pointer") { $0.string(placement.pointer) }
          json.member("placement") { $0.string(placement.side.rawValue) }
          json.member("reason") { $0.string(placement.reason) }
        }
      }
    }
  }
}
