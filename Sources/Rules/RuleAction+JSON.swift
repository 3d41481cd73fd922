package import Bytes

extension RuleAction {
  /// The names of actions in JSON.
  enum Name: String, CaseIterable {
    case move, copy, keep, archive, trash, junk, discard, addKeywords, removeKeywords, redirect
    case reply, reject, notify, addHeader, deleteHeader

    /// The members that an action of this name has beside `type`.
    var members: Set<String> {
      switch self {
      case .move, .copy: ["mailbox"]
      case .keep, .archive, .trash, .junk, .discard: []
      case .addKeywords, .removeKeywords: ["keywords"]
      case .redirect: ["to", "keep"]
      case .reply: ["text", "subject", "from", "days", "firstDay", "lastDay"]
      case .reject: ["text"]
      case .notify: ["to", "text"]
      case .addHeader: ["name", "value"]
      case .deleteHeader: ["name"]
      }
    }
  }

  /// The action as JSON, from which the same is read.
  package var json: JSONValue {
    switch self {
    case .move(let name) where name.text == "archive" || name.text == "trash": node(name.text, [])
    case .move(let name): node("move", [("mailbox", .string(name.text))])
    case .copy(let name): node("copy", [("mailbox", .string(name.text))])
    case .keep: node("keep", [])
    case .junk: node("junk", [])
    case .discard: node("discard", [])
    case .addKeywords(let words): node("addKeywords", [("keywords", texts(words))])
    case .removeKeywords(let words): node("removeKeywords", [("keywords", texts(words))])
    case .redirect(let address, let keeps):
      node("redirect", [("to", .string(address)), ("keep", .bool(keeps))])
    case .reply(let reply): node("reply", reply.members)
    case .reject(let text): node("reject", [("text", .string(text))])
    case .notify(let address, let text):
      node("notify", [("to", .string(address))] + (text.map { [("text", .string($0))] } ?? []))
    case .addHeader(let name, let value):
      node("addHeader", [("name", .string(name)), ("value", .string(value))])
    case .deleteHeader(let name): node("deleteHeader", [("name", .string(name))])
    }
  }

  private func node(_ type: String, _ members: [(String, JSONValue)]) -> JSONValue {
    .object(
      [.init(name: "type", value: .string(type))]
        + members.map { .init(name: $0.0, value: $0.1) }
    )
  }

  private func texts(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }
}

extension RuleReply {
  fileprivate var members: [(String, JSONValue)] {
    var members: [(String, JSONValue)] = [("text", .string(text))]
    if let subject { members.append(("subject", .string(subject))) }
    if let from { members.append(("from", .string(from))) }
    members.append(("days", .int(Int64(days))))
    if let firstDay { members.append(("firstDay", .string(firstDay))) }
    if let lastDay { members.append(("lastDay", .string(lastDay))) }
    return members
  }
}

extension Rule {
  /// The rule as JSON, from which the same is read.
  package var json: JSONValue {
    let schedule = hours.map { hours in
      JSONValue.object([.init(name: "hours", value: .int(Int64(hours)))])
    }
    return .object(
      [
        .init(name: "name", value: .string(name)),
        .init(name: "enabled", value: .bool(isEnabled)),
        .init(name: "trigger", value: .string(trigger.rawValue)),
      ] + (schedule.map { [.init(name: "schedule", value: $0)] } ?? []) + [
        .init(name: "when", value: filter ?? .null),
        .init(name: "actions", value: .array(actions.map(\.json))),
        .init(name: "stop", value: .bool(stops)),
      ]
    )
  }
}
