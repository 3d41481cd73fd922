package import Bytes
package import Model
import Sieve

/// Reads rules from JSON and gathers everything that is wrong with them, each fault with its pointer.
///
///     { "name": "Lists", "when": { "list": "swift" }, "actions": [{ "type": "move", "mailbox": "Lists" }], "stop": true }
package struct RuleReader {
  /// What is wrong.
  package private(set) var faults: [FieldError] = []
  private let limits: RuleLimits
  private let isStored: Bool

  /// A reader of what comes in, or of what was stored once: that is read as leniently as it was then.
  package init(limits: RuleLimits = RuleLimits(), isStored: Bool = false) {
    self.limits = limits
    self.isStored = isStored
  }

  /// The rule that `value` spells, or with `base` the one that a merge patch makes of that one; nil where anything is
  /// wrong.
  package mutating func rule(
    _ value: JSONValue,
    at pointer: String = "",
    patching base: Rule? = nil,
    ignoring ignored: Set<String> = []
  ) -> Rule? {
    let before = faults.count
    guard let members = object(value, at: pointer) else { return nil }
    checkNames(members, Self.members.union(ignored), at: pointer)
    var rule = base ?? Rule(name: "", actions: [])
    if let name = string(value, "name", at: pointer, isRequired: base == nil) {
      check(name, 1...limits.nameBytes, at: "\(pointer)/name")
      rule.name = name
    }
    if let isEnabled = bool(value, "enabled", at: pointer) { rule.isEnabled = isEnabled }
    if let stops = bool(value, "stop", at: pointer) { rule.stops = stops }
    if let name = string(value, "trigger", at: pointer) {
      if let trigger = Rule.Trigger(rawValue: name) {
        rule.trigger = trigger
      } else {
        let names = Rule.Trigger.allCases.map(\.rawValue).joined(separator: ", ")
        add("\(pointer)/trigger", "format", "One of \(names) is wanted.")
      }
    }
    readSchedule(value, at: pointer, into: &rule)
    readCondition(value, at: pointer, into: &rule)
    if let actions = value["actions"] {
      rule.actions = self.actions(actions, at: "\(pointer)/actions")
    } else if base == nil {
      add("\(pointer)/actions", "required", "It is missing.")
    }
    return faults.count == before ? rule : nil
  }

  private static let members: Set = [
    "name", "enabled", "trigger", "schedule", "when", "q", "actions", "stop",
  ]

  /// How often a rule runs by the clock: a rule with that trigger says so, and no other does.
  private mutating func readSchedule(_ value: JSONValue, at pointer: String, into rule: inout Rule)
  {
    let place = "\(pointer)/schedule"
    if let schedule = value["schedule"], schedule != .null {
      guard let members = object(schedule, at: place) else { return }
      checkNames(members, ["hours"], at: place)
      guard schedule["hours"] != nil else {
        return add("\(place)/hours", "required", "It is missing.")
      }
      guard let hours = number(schedule, "hours", limits.hours, at: place) else { return }
      rule.hours = hours
    } else if value["schedule"] != nil || rule.trigger != .schedule {
      rule.hours = nil
    }
    if rule.trigger == .schedule, rule.hours == nil {
      add(place, "required", "A rule that runs by the clock says after how many hours.")
    } else if rule.trigger != .schedule, rule.hours != nil {
      add(place, "conflict", "Only a rule whose trigger is schedule has it.")
    }
  }

  // MARK: - Conditions

  private mutating func readCondition(_ value: JSONValue, at pointer: String, into rule: inout Rule)
  {
    if value["when"] != nil, value["q"] != nil {
      add("\(pointer)/q", "conflict", "Either when or q is wanted.")
    }
    if let when = value["when"] {
      rule.filter = when == .null ? nil : when
      rule.condition = nil
      guard when != .null else { return }
      do throws(SearchSyntaxError) {
        let condition = try LocatedQuery.parse(
          filter: when,
          allowsTests: true,
          isStored: isStored
        )
        rule.condition = condition
        checkPatterns(condition, at: "\(pointer)/when")
      } catch {
        let code = error.isUnknown ? "unknown" : error.isOfType ? "type" : "format"
        add("\(pointer)/when\(error.place)", code, error.reason)
      }
    } else if let text = string(value, "q", at: pointer) {
      do throws(SearchSyntaxError) {
        let filter = try SearchParser.parse(text).filter
        rule.filter = filter
        rule.condition = try LocatedQuery.parse(filter: filter, allowsTests: true)
      } catch {
        add("\(pointer)/q", "format", "At byte \(error.place): \(error.reason)")
      }
    }
  }

  private mutating func checkPatterns(_ condition: LocatedQuery, at pointer: String) {
    for leaf in condition.leaves {
      guard case .test(let test) = leaf.content else { continue }
      if test.comparison == .regex,
        test.values.contains(where: { TextPattern(regex: $0) == nil })
      {
        add("\(pointer)\(leaf.place)/value", "format", "A regular expression is wanted.")
      }
    }
  }

  // MARK: - Actions

  private mutating func actions(_ value: JSONValue, at pointer: String) -> [RuleAction] {
    guard let values = value.arrayValue else {
      add(pointer, "type", "An array is wanted.")
      return []
    }
    guard (0...limits.actions).contains(values.count) else {
      add(pointer, "range", "0 to \(limits.actions) items are allowed.")
      return []
    }
    return values.enumerated().compactMap { action($0.element, at: "\(pointer)/\($0.offset)") }
  }

  private mutating func action(_ value: JSONValue, at pointer: String) -> RuleAction? {
    guard let members = object(value, at: pointer) else { return nil }
    guard let name = string(value, "type", at: pointer, isRequired: true) else { return nil }
    guard let type = RuleAction.Name(rawValue: name) else {
      let names = RuleAction.Name.allCases.map(\.rawValue).joined(separator: ", ")
      add("\(pointer)/type", "format", "One of \(names) is wanted.")
      return nil
    }
    checkNames(members, type.members.union(["type"]), at: pointer)
    switch type {
    case .move: return mailbox(value, at: pointer).map { .move($0) }
    case .copy: return mailbox(value, at: pointer).map { .copy($0) }
    case .keep: return .keep
    case .archive: return .move(RuleAction.MailboxName("archive"))
    case .trash: return .move(RuleAction.MailboxName("trash"))
    case .junk: return .junk
    case .discard: return .discard
    case .addKeywords: return keywords(value, at: pointer).map { .addKeywords($0) }
    case .removeKeywords: return keywords(value, at: pointer).map { .removeKeywords($0) }
    case .redirect:
      guard let address = address(value, "to", at: pointer) else { return nil }
      return .redirect(address, keeps: bool(value, "keep", at: pointer) ?? false)
    case .reply: return reply(value, at: pointer).map { .reply($0) }
    case .reject: return text(value, "text", at: pointer).map { .reject($0) }
    case .notify:
      guard let address = address(value, "to", at: pointer) else { return nil }
      return .notify(address: address, text: string(value, "text", at: pointer))
    case .addHeader:
      guard let name = fieldName(value, at: pointer),
        let text = line(value, "value", at: pointer, isRequired: true)
      else { return nil }
      return .addHeader(name: name, value: text)
    case .deleteHeader: return fieldName(value, at: pointer).map { .deleteHeader($0) }
    }
  }

  private mutating func mailbox(_ value: JSONValue, at pointer: String) -> RuleAction.MailboxName? {
    line(value, "mailbox", at: pointer, isRequired: true).map { RuleAction.MailboxName($0) }
  }

  private mutating func keywords(_ value: JSONValue, at pointer: String) -> [String]? {
    let place = "\(pointer)/keywords"
    guard let values = value["keywords"]?.arrayValue else {
      add(place, value["keywords"] == nil ? "required" : "type", "An array of keywords is wanted.")
      return nil
    }
    guard (1...limits.keywords).contains(values.count) else {
      add(place, "range", "1 to \(limits.keywords) items are allowed.")
      return nil
    }
    var keywords: [String] = []
    for (index, value) in values.enumerated() {
      guard let text = value.stringValue, Self.isKeyword(text) else {
        let code = value.stringValue == nil ? "type" : "format"
        add("\(place)/\(index)", code, "A keyword as $seen or work is wanted.")
        continue
      }
      keywords.append(text)
    }
    return keywords
  }

  /// Whether IMAP can carry a keyword (RFC 8621 §4.1.1).
  private static func isKeyword(_ text: String) -> Bool {
    let forbidden = Array("(){]%*\"\\".utf8)
    return (1...255).contains(text.utf8.count)
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !forbidden.contains($0) }
  }

  private mutating func address(_ value: JSONValue, _ name: String, at pointer: String) -> String? {
    guard let text = string(value, name, at: pointer, isRequired: true) else { return nil }
    guard let address = ComparedAddress.specification(of: text) else {
      add("\(pointer)/\(name)", "format", "An address as name@example.org is wanted.")
      return nil
    }
    return address
  }

  private mutating func reply(_ value: JSONValue, at pointer: String) -> RuleReply? {
    guard let text = text(value, "text", at: pointer) else { return nil }
    var reply = RuleReply(text: text)
    reply.subject = line(value, "subject", at: pointer)
    if value["from"] != nil { reply.from = address(value, "from", at: pointer) }
    if let days = number(value, "days", 1...365, at: pointer) { reply.days = days }
    reply.firstDay = day(value, "firstDay", at: pointer)
    reply.lastDay = day(value, "lastDay", at: pointer)
    return reply
  }

  private mutating func day(_ value: JSONValue, _ name: String, at pointer: String) -> String? {
    guard let text = string(value, name, at: pointer) else { return nil }
    let bytes = Array("\(text)T00:00:00Z".utf8)
    guard text.utf8.count == 10, Timestamp(rfc3339: bytes.span) != nil else {
      add("\(pointer)/\(name)", "format", "A day as 2026-11-22 is wanted.")
      return nil
    }
    return text
  }

  private mutating func text(_ value: JSONValue, _ name: String, at pointer: String) -> String? {
    guard let text = string(value, name, at: pointer, isRequired: true) else { return nil }
    check(text, 1...limits.textBytes, at: "\(pointer)/\(name)")
    return text
  }

  private mutating func line(
    _ value: JSONValue,
    _ name: String,
    at pointer: String,
    isRequired: Bool = false
  ) -> String? {
    guard let text = string(value, name, at: pointer, isRequired: isRequired) else { return nil }
    guard !text.utf8.contains(where: \.isControl) else {
      add("\(pointer)/\(name)", "forbidden_character", "Control characters are not allowed.")
      return nil
    }
    check(text, 1...1000, at: "\(pointer)/\(name)")
    return text
  }

  private mutating func fieldName(_ value: JSONValue, at pointer: String) -> String? {
    guard let text = string(value, "name", at: pointer, isRequired: true) else { return nil }
    let isName =
      (1...100).contains(text.utf8.count)
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
    guard isName else {
      add("\(pointer)/name", "format", "The name of a header field is wanted.")
      return nil
    }
    return text
  }

  // MARK: - Members

  private mutating func add(_ pointer: String, _ code: String, _ detail: String) {
    guard faults.count < 50 else { return }
    faults.append(FieldError(pointer: pointer, code: code, detail: detail))
  }

  private mutating func object(_ value: JSONValue, at pointer: String) -> [JSONValue.Member]? {
    if case .object(let members) = value { return members }
    add(pointer, "type", "An object is wanted.")
    return nil
  }

  private mutating func checkNames(
    _ members: [JSONValue.Member],
    _ known: Set<String>,
    at pointer: String
  ) {
    for member in members where !known.contains(member.name) {
      add("\(pointer)/\(member.name)", "unknown", "There is no such member.")
    }
  }

  private mutating func string(
    _ value: JSONValue,
    _ name: String,
    at pointer: String,
    isRequired: Bool = false
  ) -> String? {
    guard let member = value[name], member != .null || isRequired else {
      if isRequired { add("\(pointer)/\(name)", "required", "It is missing.") }
      return nil
    }
    guard let text = member.stringValue, !text.utf8.contains(0) else {
      add("\(pointer)/\(name)", "type", "A string is wanted.")
      return nil
    }
    return text
  }

  private mutating func number(
    _ value: JSONValue,
    _ name: String,
    _ range: ClosedRange<Int>,
    at pointer: String
  ) -> Int? {
    guard let member = value[name] else { return nil }
    guard let number = member.intValue else {
      add("\(pointer)/\(name)", "type", "A whole number is wanted.")
      return nil
    }
    guard range.contains(Int(clamping: number)) else {
      let bounds = "\(range.lowerBound) to \(range.upperBound) is allowed."
      add("\(pointer)/\(name)", "range", bounds)
      return nil
    }
    return Int(number)
  }

  private mutating func bool(_ value: JSONValue, _ name: String, at pointer: String) -> Bool? {
    guard let member = value[name] else { return nil }
    guard let flag = member.boolValue else {
      add("\(pointer)/\(name)", "type", "true or false is wanted.")
      return nil
    }
    return flag
  }

  private mutating func check(_ text: String, _ length: ClosedRange<Int>, at pointer: String) {
    guard !length.contains(text.utf8.count) else { return }
    add(pointer, "length", "\(length.lowerBound) to \(length.upperBound) bytes are allowed.")
  }
}
