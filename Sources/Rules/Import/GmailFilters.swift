import Bytes

/// Reads Gmail's `mailFilters.xml`: an Atom feed with an entry a filter, whose properties are conditions and actions alike.
///
///     <entry><apps:property name='from' value='ada@example.org'/><apps:property name='label' value='Ada'/>
///       <apps:property name='shouldArchive' value='true'/></entry>
///
/// A label becomes the mailbox that the message is moved to where it skips the inbox, and a keyword where it does not.
struct GmailFilters {
  private let limits: FilterFileLimits

  init(_ limits: FilterFileLimits) { self.limits = limits }

  func read(_ bytes: [UInt8]) throws(FilterFileError) -> [ImportedFilter] {
    var entries: [[String: String]] = []
    let elements = try FilterXML.elements(of: bytes, limits: limits)
    guard elements.first?.name == "feed" else {
      throw FilterFileError("It is no feed of Gmail's filters.")
    }
    for element in elements {
      if element.name == "entry" { entries.append([:]) }
      guard element.name == "property", !entries.isEmpty, let name = element["name"],
        let value = element["value"]
      else { continue }
      guard entries[entries.count - 1].count < limits.parts else {
        throw FilterFileError("A filter has too many properties.")
      }
      entries[entries.count - 1][name] = value
    }
    guard entries.count <= limits.filters else {
      throw FilterFileError("It has more than \(limits.filters) filters.")
    }
    return entries.enumerated().map { filter($0.element, number: $0.offset + 1) }
  }

  private func filter(_ properties: [String: String], number: Int) -> ImportedFilter {
    var draft = FilterDraft()
    let names = ["from", "to", "subject", "hasTheWord", "label"]
    draft.name =
      names.compactMap { name in properties[name].map { "\(name) \($0)" } }
      .first ?? ""
    addConditions(properties, to: &draft)
    if draft.conditions.isEmpty, !draft.isBroken {
      draft.leaveOut("", "It has no condition.")
    }
    addActions(properties, to: &draft)
    let known = Self.known
    for (name, value) in properties.sorted(by: { $0.key < $1.key }) where !known.contains(name) {
      // What it means is not known: it may be a condition.
      draft.leaveOut("\(name)=\(value)", "There is no such property.")
    }
    return draft.finish(number: number)
  }

  private static let known: Set = [
    "from", "to", "subject", "hasTheWord", "doesNotHaveTheWord", "hasAttachment", "excludeChats",
    "size", "sizeOperator", "sizeUnit", "label", "shouldArchive", "shouldMarkAsRead",
    "shouldStar", "shouldTrash", "shouldNeverSpam", "shouldAlwaysMarkAsImportant",
    "shouldNeverMarkAsImportant", "forwardTo", "smartLabelToApply", "cannedResponse",
    "shouldSpam",
  ]

  private func addConditions(_ properties: [String: String], to draft: inout FilterDraft) {
    for (name, field) in [
      ("from", "from"), ("to", "to"), ("subject", "subject"), ("hasTheWord", nil),
      ("doesNotHaveTheWord", nil),
    ] {
      guard let text = properties[name], text.contains(where: { !$0.isWhitespace }) else {
        continue
      }
      do throws(GmailQueryError) {
        let condition = try GmailQuery.parse(text, field: field, depth: limits.depth)
        draft.conditions.append(
          name == "doesNotHaveTheWord" ? .node("not", [condition]) : condition
        )
      } catch {
        draft.leaveOut("\(name)=\(text)", error.reason)
      }
    }
    if properties["hasAttachment"] == "true" {
      draft.conditions.append(.term("has", "attachment"))
    }
    addSize(properties, to: &draft)
  }

  /// A size of 0 is what Gmail writes where none was asked for.
  private func addSize(_ properties: [String: String], to draft: inout FilterDraft) {
    guard let text = properties["size"], text != "0" else { return }
    let units: [String: Int64] = ["s_sb": 1, "s_skb": 1 << 10, "s_smb": 1 << 20]
    let names = ["s_sl": "larger", "s_ss": "smaller"]
    guard let number = Int64(text), (1...1_000_000_000).contains(number),
      let unit = units[properties["sizeUnit"] ?? "s_sb"],
      let name = names[properties["sizeOperator"] ?? "s_sl"]
    else { return draft.leaveOut("size=\(text)", "It is no size.") }
    draft.conditions.append(.object([.init(name: name, value: .int(number * unit))]))
  }

  private func addActions(_ properties: [String: String], to draft: inout FilterDraft) {
    func has(_ name: String) -> Bool { properties[name] == "true" }
    let archives = has("shouldArchive")
    if let label = properties["label"], !label.isEmpty {
      if archives, !has("shouldTrash") {
        draft.act("move", ("mailbox", .string(label)))
      } else {
        draft.mark(label, part: "label=\(label)")
      }
    } else if archives, !has("shouldTrash") {
      draft.act("archive")
    }
    if has("shouldTrash") { draft.act("trash") }
    if has("shouldSpam") { draft.act("junk") }
    for (name, keyword) in [
      ("shouldMarkAsRead", "$seen"), ("shouldStar", "$flagged"), ("shouldNeverSpam", "$notjunk"),
      ("shouldAlwaysMarkAsImportant", "$important"),
    ] where has(name) {
      draft.mark(keyword, part: name)
    }
    if has("shouldNeverMarkAsImportant") {
      draft.mark("$important", part: "shouldNeverMarkAsImportant", isRemoved: true)
    }
    if let address = properties["forwardTo"] {
      draft.act("redirect", ("to", .string(address)), ("keep", .bool(true)))
    }
    for (name, reason) in [
      ("smartLabelToApply", "Categories are Gmail's own."),
      ("cannedResponse", "The text of the answer is not in the file."),
    ] {
      if let value = properties[name] { draft.note("\(name)=\(value)", reason) }
    }
  }
}
