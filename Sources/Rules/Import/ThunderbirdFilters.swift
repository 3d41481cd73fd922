import Bytes

/// Reads Thunderbird's `msgFilterRules.dat`: lines of a name and a quoted value, of which `name` begins a filter.
///
///     name="Swift"
///     enabled="yes"
///     type="17"
///     action="Move to folder"
///     actionValue="imap://ada@imap.example.org/Lists/Swift"
///     condition="AND (subject,contains,swift) AND (from,isn't,bob@example.net)"
struct ThunderbirdFilters {
  private let limits: FilterFileLimits

  init(_ limits: FilterFileLimits) { self.limits = limits }

  private typealias Line = (name: String, value: String)

  func read(_ bytes: [UInt8]) throws(FilterFileError) -> [ImportedFilter] {
    var filters: [[Line]] = []
    for (index, line) in String(decoding: bytes, as: UTF8.self).split(
      omittingEmptySubsequences: false,
      whereSeparator: \.isNewline
    ).enumerated() {
      let text = line.drop { $0 == "\u{FEFF}" || $0.isWhitespace }
      guard !text.isEmpty else { continue }
      guard let read = Self.line(text) else {
        throw FilterFileError("A line as name=\"value\" is wanted.", line: index + 1)
      }
      if read.name == "name" {
        guard filters.count < limits.filters else {
          throw FilterFileError("It has more than \(limits.filters) filters.")
        }
        filters.append([])
      }
      // What stands before the first filter is about the file.
      guard let last = filters.indices.last else { continue }
      guard filters[last].count < limits.parts else {
        throw FilterFileError("A filter has too many lines.", line: index + 1)
      }
      filters[last].append(read)
    }
    return filters.enumerated().map { filter($0.element, number: $0.offset + 1) }
  }

  /// `name="value"`, in which a backslash quotes.
  private static func line(_ text: Substring) -> Line? {
    guard let sign = text.firstIndex(of: "=") else { return nil }
    let name = text[..<sign]
    let quoted = text[text.index(after: sign)...].reversed().drop(while: \.isWhitespace).reversed()
    guard quoted.count >= 2, quoted.first == "\"", quoted.last == "\"", !name.isEmpty,
      name.utf8.allSatisfy(\.isASCIILetter)
    else { return nil }
    var value = ""
    var isQuoted = false
    for character in quoted.dropFirst().dropLast() {
      if !isQuoted, character == "\\" {
        isQuoted = true
        continue
      }
      value.append(character)
      isQuoted = false
    }
    return (String(name), value)
  }

  // MARK: - Filters

  private func filter(_ lines: [Line], number: Int) -> ImportedFilter {
    var draft = FilterDraft()
    var action: String?
    for (name, value) in lines {
      if name != "actionValue", let waiting = action {
        act(waiting, nil, to: &draft)
        action = nil
      }
      switch name {
      case "name": draft.name = value
      case "enabled": draft.isEnabled = value == "yes"
      case "type": addType(value, to: &draft)
      case "description": break
      case "action": action = value
      case "actionValue":
        if let waiting = action { act(waiting, value, to: &draft) }
        action = nil
      case "condition": addConditions(value, to: &draft)
      case "scriptName": draft.note(value, "Programs are not run.")
      default: draft.note(name, "It is not known what it means.")
      }
    }
    if let action { act(action, nil, to: &draft) }
    // Without its condition, as in a file that was cut off, it would meet all mail.
    if !lines.contains(where: { $0.name == "condition" }) {
      draft.leaveOut("", "It has no condition.")
    }
    return draft.finish(number: number)
  }

  /// When it runs, as bits: 1 and 0x20 on new mail, 0x10 when asked to.
  private func addType(_ value: String, to draft: inout FilterDraft) {
    let bits = Int(value) ?? 1
    if bits & 0x21 != 0 { return }
    if bits & 0x10 != 0 {
      draft.trigger = .stored
    } else {
      draft.leaveOut("type=\(value)", "Rules do not run at this occasion.")
      draft.runsElsewhere = true
    }
  }

  private func addConditions(_ text: String, to draft: inout FilterDraft) {
    guard text != "ALL" else { return }
    var conditions: [JSONValue] = []
    var kinds: Set<String> = []
    var rest = text[...]
    while !rest.allSatisfy(\.isWhitespace) {
      guard let term = ThunderbirdTerm(taking: &rest), conditions.count < limits.parts else {
        return draft.leaveOut(text, "It is no condition.")
      }
      kinds.insert(term.kind)
      guard let condition = term.condition else {
        draft.leaveOut(term.description, "Rules cannot say this.")
        continue
      }
      conditions.append(condition)
    }
    guard kinds.count <= 1, !conditions.isEmpty else {
      if conditions.isEmpty, draft.isBroken { return }
      return draft.leaveOut(text, "It is no condition.")
    }
    draft.conditions.append(kinds == ["OR"] ? .any(conditions) : .all(conditions))
  }

  /// Actions that those behind the filter do not see.
  private static let unseen: Set = [
    "Copy to folder", "Forward", "Reply", "Change priority", "Kill thread", "Kill subthread",
    "Watch thread", "Delete from Pop3 server", "Leave on Pop3 server", "Fetch body from Pop3Server",
  ]

  private func act(_ action: String, _ value: String?, to draft: inout FilterDraft) {
    let part = value.map { "\(action) \($0)" } ?? action
    if !Self.unseen.contains(action) { draft.guards = true }
    switch action {
    case "Move to folder", "Copy to folder":
      guard let path = value.flatMap(Self.path) else {
        if action == "Move to folder" { draft.hasLostGuard = true }
        return draft.note(part, "It names no mailbox.")
      }
      draft.act(action == "Move to folder" ? "move" : "copy", ("mailbox", .string(path)))
    case "Mark read": draft.mark("$seen", part: part)
    case "Mark unread": draft.mark("$seen", part: part, isRemoved: true)
    case "Mark flagged": draft.mark("$flagged", part: part)
    case "AddTag", "Label":
      guard let value, !value.isEmpty else { return draft.note(part, "It names no tag.") }
      draft.mark(value, part: part)
    case "Delete": draft.act("trash")
    case "JunkScore":
      if value == "0" { draft.mark("$notjunk", part: part) } else { draft.act("junk") }
    case "Forward":
      draft.act("redirect", ("to", .string(value ?? "")), ("keep", .bool(true)))
      draft.note(part, "It is sent on as it is, not as a new message.")
    case "Stop execution": draft.stops = true
    case "Change priority": draft.note(part, "The header of a message is not changed.")
    case "Reply": draft.note(part, "The template is not in the file.")
    case "Kill thread", "Kill subthread", "Watch thread":
      draft.note(part, "Threads are not watched or ignored.")
    case "Delete from Pop3 server", "Leave on Pop3 server", "Fetch body from Pop3Server":
      draft.note(part, "The account's settings say what stays on its server.")
    default:
      draft.hasLostGuard = true
      draft.note(part, "There is no such action.")
    }
  }

  /// The path of the mailbox that a URI of Thunderbird names.
  private static func path(_ uri: String) -> String? {
    guard let scheme = uri.firstRange(of: "://") else { return nil }
    let rest = uri[scheme.upperBound...]
    guard let slash = rest.firstIndex(of: "/") else { return nil }
    let path = [UInt8](rest[rest.index(after: slash)...].utf8)
    guard !path.isEmpty, let decoded = PercentCoding.decode(path.span) else { return nil }
    return String(validating: decoded, as: UTF8.self)
  }
}
