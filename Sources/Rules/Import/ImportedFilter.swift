import Bytes
import Model

/// Filters of another program that rules are made of.
package enum FilterFormat: String, Sendable, CaseIterable {
  /// Gmail's `mailFilters.xml`.
  case gmail
  /// Thunderbird's `msgFilterRules.dat`.
  case thunderbird
  /// A Sieve script (RFC 5228), as Roundcube writes them among others.
  case sieve
}

/// A file of filters that cannot be read at all.
package struct FilterFileError: Error, Equatable, Sendable {
  /// What is wrong, for a person.
  package var reason: String
  /// The places where it is wrong, as far as they are known.
  package var faults: [ScriptFault]

  package init(_ reason: String, line: Int? = nil) {
    self.reason = reason
    faults = line.map { [ScriptFault(line: $0, column: 1, message: reason)] } ?? []
  }

  init(_ reason: String, _ faults: [ScriptFault]) {
    self.reason = reason
    self.faults = faults
  }
}

/// How large a file of filters may be.
package struct FilterFileLimits: Sendable {
  /// Most filters of a file: what Gmail allows.
  package var filters = 1_000
  /// Most parts of one filter.
  package var parts = 200
  /// Deepest nesting, of elements and of conditions.
  package var depth = 16

  package init() {}
}

/// One filter of another program, and the rule that does the same as far as rules can.
///
/// A filter with a condition that rules cannot say is left out: without it the rule would meet other mail. An action that they cannot
/// say is left out alone, and told.
package struct ImportedFilter: Sendable, Equatable {
  /// Something of a filter that did not become part of a rule, or not as it was.
  package struct Note: Sendable, Equatable {
    /// The part, in the words of the file.
    package var part: String
    package var reason: String

    package init(_ part: String, _ reason: String) {
      self.part = part
      self.reason = reason
    }
  }

  /// The name of the rule, from the file or made of the condition.
  package var name: String
  /// Nil where the filter is left out.
  package var rule: Rule?
  package var notes: [Note]
  /// Whether what could have kept messages from the filters behind it, or changed them, did not become part of a rule.
  package var hasLostGuard = false
}

extension [ImportedFilter] {
  /// Switches off the rules behind a filter that could have kept messages from them, or changed them, and that is left out: they would
  /// meet other mail.
  package mutating func switchOffUnguarded() {
    guard let first = firstIndex(where: \.hasLostGuard) else { return }
    for index in indices[(first + 1)...] where self[index].rule?.isEnabled == true {
      self[index].rule?.isEnabled = false
      self[index].notes.append(
        ImportedFilter.Note(
          "",
          "It is switched off: \"\(self[first].name)\" before it is left out, or a part of that, and could have kept messages from it or changed them."
        )
      )
    }
  }
}

extension Rule {
  /// Whether rules behind this one may depend on what it does.
  package var guards: Bool {
    guard isEnabled else { return false }
    return stops
      || actions.contains { action in
        switch action {
        case .copy, .reply, .notify, .redirect(_, keeps: true): false
        default: true
        }
      }
  }
}

/// Gathers what a filter says, and makes a rule of it.
struct FilterDraft {
  var name = ""
  var isEnabled = true
  var trigger = Rule.Trigger.delivery
  /// All of these have to hold.
  var conditions: [JSONValue] = []
  var actions: [JSONValue] = []
  var stops = false
  var notes: [ImportedFilter.Note] = []
  /// Whether a condition could not be said.
  var isBroken = false
  /// Whether the filter could keep messages from those behind it, or change them.
  var guards = false
  /// Whether it never meets the messages that the others meet.
  var runsElsewhere = false
  /// Whether an action by which it does so could not be said.
  var hasLostGuard = false

  mutating func note(_ part: String, _ reason: String) {
    notes.append(ImportedFilter.Note(Self.cut(part, to: 200), reason))
  }

  /// Notes a condition that rules cannot say.
  mutating func leaveOut(_ part: String, _ reason: String) {
    note(part, reason)
    isBroken = true
  }

  mutating func act(_ type: String, _ members: (String, JSONValue)...) {
    actions.append(
      .object(
        [.init(name: "type", value: .string(type))]
          + members.map { .init(name: $0.0, value: $0.1) }
      )
    )
  }

  /// Has the message carry a keyword; what IMAP does not take in one becomes `_`.
  mutating func mark(_ keyword: String, part: String, isRemoved: Bool = false) {
    let made = String(
      decoding: keyword.utf8.map { byte in
        byte > 0x20 && byte < 0x7F && !#"(){]%*"\"#.utf8.contains(byte) ? byte : 0x5F
      },
      as: UTF8.self
    )
    if made != keyword {
      note(part, "The keyword is \(made): the name has characters that IMAP forbids.")
    }
    act(isRemoved ? "removeKeywords" : "addKeywords", ("keywords", .array([.string(made)])))
  }

  static func cut(_ text: String, to bytes: Int) -> String {
    guard text.utf8.count > bytes else { return text }
    var cut = text
    while cut.utf8.count > bytes - 3 { cut.removeLast() }
    return cut + "…"
  }

  /// The rule, or why there is none; with `mayBeIdle` also one that does nothing.
  func finish(number: Int, mayBeIdle: Bool = false) -> ImportedFilter {
    var filter = filter(number, mayBeIdle)
    let isLost = hasLostGuard || (guards && filter.rule == nil)
    filter.hasLostGuard = isLost && isEnabled && !runsElsewhere
    return filter
  }

  private func filter(_ number: Int, _ mayBeIdle: Bool) -> ImportedFilter {
    let line = String(name.map { $0.isNewline || $0 == "\0" ? " " : $0 })
    let title = line.allSatisfy(\.isWhitespace) ? "Filter \(number)" : Self.cut(line, to: 100)
    var filter = ImportedFilter(name: title, rule: nil, notes: notes)
    guard !isBroken else { return filter }
    guard !actions.isEmpty || stops || mayBeIdle else {
      if notes.isEmpty { filter.notes.append(.init("", "It does nothing.")) }
      return filter
    }
    var members: [JSONValue.Member] = [
      .init(name: "name", value: .string(title)), .init(name: "enabled", value: .bool(isEnabled)),
      .init(name: "trigger", value: .string(trigger.rawValue)),
      .init(name: "actions", value: .array(actions)), .init(name: "stop", value: .bool(stops)),
    ]
    if !conditions.isEmpty {
      members.append(.init(name: "when", value: .all(conditions)))
    }
    var reader = RuleReader()
    filter.rule = reader.rule(.object(members))
    filter.notes += reader.faults.map { .init($0.pointer, $0.detail) }
    return filter
  }
}

extension JSONValue {
  /// A condition of one member.
  static func term(_ name: String, _ value: String) -> JSONValue {
    .object([.init(name: name, value: .string(value))])
  }

  /// A test of a property.
  static func test(_ property: String, _ op: String, _ value: String) -> JSONValue {
    .object([
      .init(name: "property", value: .string(property)), .init(name: "op", value: .string(op)),
      .init(name: "value", value: .string(value)),
    ])
  }

  /// All, any or none of some conditions.
  static func node(_ kind: String, _ parts: [JSONValue]) -> JSONValue {
    .object([
      .init(name: "operator", value: .string(kind)),
      .init(name: "conditions", value: .array(parts)),
    ])
  }

  static func all(_ parts: [JSONValue]) -> JSONValue {
    parts.count == 1 ? parts[0] : node("and", parts)
  }

  static func any(_ parts: [JSONValue]) -> JSONValue {
    parts.count == 1 ? parts[0] : node("or", parts)
  }
}

extension FilterFormat {
  /// Whether a filter sees what those before it have left: Gmail's have no order.
  package var isOrdered: Bool { self != .gmail }

  /// What the filters of a file are as rules, in their order.
  package func read(
    _ bytes: [UInt8],
    limits: FilterFileLimits = FilterFileLimits()
  ) throws(FilterFileError) -> [ImportedFilter] {
    switch self {
    case .gmail: try GmailFilters(limits).read(bytes)
    case .thunderbird: try ThunderbirdFilters(limits).read(bytes)
    case .sieve: try ScriptReader.filters(of: bytes)
    }
  }
}
