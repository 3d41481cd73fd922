import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Rules
import Store

extension Endpoints {
  /// Answers `POST /v1/accounts/{accountId}/rules:simulate`.
  func simulateRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    if try MediaType.ofBody(call.request.fields) == .message {
      let raw = try await call.body(upTo: configuration.limits.messageBytes)
      let known = try await engine.accountRules(account).rules
      let result = try await engine.simulate(nil, onRaw: raw, of: account)
      return simulation([result], known)
    }
    let body = StorableJSON(try await call.json(upTo: configuration.limits.jsonBytes))
    let faults = Faults()
    body.note(in: faults)
    var object = ObjectDecoder(body.value, faults: faults)
    let message = object.id("message", of: Message.self)
    var query = MessageQuery()
    query.search = SearchDecoding.query(&object)
    query.mailbox = try await ruleMailbox(&object, account)
    let limit = object.int("limit", in: 1...PageRequest.maximumLimit).map { Int($0) }
    let rules = try await rules(object.value("rules"), body, account, faults)
    object.finish()
    if !body.value.names(any: ["message", "q", "filter", "mailbox"]) {
      faults.add("/message", .required, "One of message, q, filter and mailbox is wanted.")
    }
    if body.value.names(any: ["message"]) {
      for name in ["q", "filter", "mailbox"] where body.value.names(any: [name]) {
        faults.add(
          "/\(name)",
          .conflict,
          "Beside message nothing that messages are looked for by is wanted."
        )
      }
    }
    try faults.check()
    let messages: [ID<Message>]
    if let message {
      guard try await store.message(message, of: account).count == 1 else {
        throw ServiceError(
          .unprocessable,
          "/message: There is nothing with this id.",
          fields: [
            FieldError(pointer: "/message", code: "not_found", detail: "An id of a message.")
          ]
        )
      }
      messages = [message]
    } else {
      let findings = try await engine.find(query, of: account)
      messages = try await store.messageIDs(
        of: account,
        query,
        findings,
        limit: limit ?? PageRequest.defaultLimit
      )
    }
    let known: [Rule]
    if let rules { known = rules } else { known = try await engine.accountRules(account).rules }
    return simulation(try await engine.simulate(rules, on: messages, of: account), known)
  }

  /// The mailbox that the member `mailbox` names by id or role.
  func ruleMailbox(
    _ object: inout ObjectDecoder,
    _ account: ID<Account>
  ) async throws(ServiceError) -> ID<Mailbox>? {
    guard let text = object.string("mailbox", length: 1...64) else { return nil }
    guard let mailbox = try await findMailbox(text, of: account) else {
      object.faults.addValue("/mailbox", .notFound, "An id or a role of a mailbox is wanted.")
      return nil
    }
    return mailbox.id
  }

  /// Rules that are not stored, to be tried in the place of those that are.
  private func rules(
    _ value: JSONValue?,
    _ body: StorableJSON,
    _ account: ID<Account>,
    _ faults: Faults
  ) async throws(ServiceError) -> [Rule]? {
    guard let value else { return nil }
    guard let values = value.arrayValue, (1...100).contains(values.count) else {
      faults.add("/rules", .type, "An array of 1 to 100 rules is wanted.")
      return nil
    }
    let known = try await engine.accountRules(account)
    let decoding = RuleDecoding(body, faults)
    return values.enumerated().compactMap { index, value in
      let pointer = "/rules/\(index)"
      guard let rule = decoding.rule(value, at: pointer) else { return nil }
      decoding.check(rule, value, at: pointer, known)
      return rule
    }
  }

  private func simulation(_ results: [SimulatedMessage], _ rules: [Rule]) -> HTTPResponse {
    var summary = RuleSummary()
    for result in results { summary.count(result) }
    return .json { json in
      json.object { json in
        json.member("items") { json in
          json.array { json in
            for result in results { SimulationJSON.write(result, rules, to: &json) }
          }
        }
        json.member("summary") { SimulationJSON.write(summary, to: &$0) }
      }
    }
  }

  /// Answers `GET /v1/accounts/{accountId}/messages/{messageId}/rules`.
  func listMessageRules(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    let message = try call.id(1, of: Message.self)
    try call.requireNoQuery()
    let matches = try await store.ruleMatches(of: message, in: account)
    if matches.isEmpty, try await store.message(message, of: account).count == 0 {
      throw .notFound
    }
    return Page(next: nil, state: nil).response(to: call) { json in
      for match in matches {
        json.object { json in
          json.member("ruleId") { $0.id(match.isScript ? nil : match.rule) }
          json.member("scriptId") { json in
            json.id(match.isScript ? match.rule.map { ID<SieveScript>($0.rawValue) } : nil)
          }
          json.member("name") { $0.string(match.name) }
          json.member("jobId") { $0.id(match.job) }
          json.member("actions") { $0.value(match.actions) }
          json.member("refused") { $0.value(match.refused) }
          json.member("error") { $0.string(match.error) }
          json.member("at") { $0.time(match.at) }
        }
      }
    }
  }
}

extension JSONValue {
  /// Whether it is an object with any of these members, and that not null.
  func names(any members: [String]) -> Bool {
    members.contains { (self[$0] ?? .null) != .null }
  }
}

/// The shape of what rules would do.
enum SimulationJSON {
  static func write(_ result: SimulatedMessage, _ rules: [Rule], to json: inout JSONWriter) {
    json.object { json in
      json.member("messageId") { $0.id(result.message) }
      json.member("rules") { json in
        json.array { json in
          for outcome in result.run.outcomes {
            write(outcome, rules[outcome.index], result.refused, to: &json)
          }
        }
      }
      json.member("result") { write(end: result, to: &$0) }
    }
  }

  private static func write(
    _ outcome: RuleOutcome,
    _ rule: Rule,
    _ refused: [RefusedAction],
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("ruleId") { $0.id(rule.id) }
      json.member("name") { $0.string(rule.name) }
      json.member("matched") { json in
        if let matched = outcome.matched { json.bool(matched) } else { json.null() }
      }
      json.member("deciding") { $0.strings(outcome.deciding) }
      json.member("actions") { json in
        json.value(.array(outcome.matched == true ? rule.actions.map(\.json) : []))
      }
      json.member("refused") { json in
        json.value(.array(refused.filter { $0.place.rule == outcome.index }.map(\.json)))
      }
    }
  }

  /// What becomes of the message, with what is refused left out.
  private static func write(end result: SimulatedMessage, to json: inout JSONWriter) {
    let (disposition, effect) = (result.run.disposition, result.effect)
    let leaves = !Set(effect.patch.removeMailboxes).isDisjoint(with: result.mailboxes)
    let redirects = zip(disposition.redirects, result.run.redirectPlaces)
    let notifications = zip(disposition.notifications, result.run.notificationPlaces)
    json.object { json in
      json.member("kept") { $0.bool(!effect.destroys && !leaves) }
      json.member("discarded") { $0.bool(effect.destroys) }
      json.member("mailboxes") { $0.strings(result.targets.map(\.text)) }
      json.member("addedKeywords") { $0.strings(effect.patch.addKeywords) }
      json.member("removedKeywords") { $0.strings(effect.patch.removeKeywords) }
      json.member("edited") { $0.bool(effect.isEdited) }
      json.member("redirects") { json in
        json.strings(redirects.filter { result.carriesOut($0.1) }.map(\.0))
      }
      json.member("notifies") { json in
        json.strings(notifications.filter { result.carriesOut($0.1) }.map(\.0.address))
      }
      json.member("replies") { $0.bool(result.run.replyPlace.map(result.carriesOut) ?? false) }
    }
  }

  static func write(_ summary: RuleSummary, to json: inout JSONWriter) {
    json.object { json in
      json.member("messages") { $0.int(summary.messages) }
      json.member("matched") { $0.int(summary.matched) }
      json.member("moved") { $0.int(summary.moved) }
      json.member("copied") { $0.int(summary.copied) }
      json.member("discarded") { $0.int(summary.discarded) }
      json.member("marked") { $0.int(summary.marked) }
      json.member("edited") { $0.int(summary.edited) }
      json.member("sent") { $0.int(summary.sent) }
    }
  }
}
