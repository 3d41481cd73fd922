import Bytes
import Model
import Sieve

/// A script that was not written here, as far as rules can say the same.
///
/// `if` with simple tests and the usual actions; `elsif` and `else` become rules that also ask for the opposite of what
/// stands before them. Anything else (variables, loops, includes, other comparators) rules cannot say.
struct ForeignScript {
  /// How far before a command the comment that names it is looked for.
  private static let commentBytes = 1024

  private let source: [UInt8]
  private let commands: [SyntaxNode]
  /// The extensions by which its strings are read.
  private let required: Set<String>

  /// A script of these commands.
  init(_ source: [UInt8], _ commands: [SyntaxNode]) {
    self.source = source
    self.commands = commands
    required = Script.requirements(of: commands)
  }

  /// The rules that say the same as all of the script; nil where there are none.
  var rules: [Rule]? {
    let filters = filters
    let rules = filters.filter(\.notes.isEmpty).compactMap(\.rule)
    return rules.count == filters.count ? rules : nil
  }

  /// What each command is as a rule.
  var filters: [ImportedFilter] {
    var found: [ImportedFilter] = []
    // What stands before in a chain of `if`, `elsif` and `else`; nil behind a test that rules cannot say.
    var before: [JSONValue]? = []
    for command in commands where command.name != "require" {
      var draft = FilterDraft()
      draft.name = name(of: command) ?? "Rule \(found.count + 1)"
      if command.name == "if" { before = [] }
      let isChained = ["if", "elsif", "else"].contains(command.name)
      if isChained { addTest(command, &before, to: &draft) }
      let body = isChained ? command.block ?? [] : [command]
      draft.guards = body.contains(where: Self.guards)
      addCommands(body, to: &draft)
      found.append(draft.finish(number: found.count + 1, mayBeIdle: true))
      // One more than there may be: that is told, and what follows need not be read.
      if found.count > RuleLimits().rules { break }
    }
    return found
  }

  /// Whether a command, or one inside of it, could have kept a message from what stands behind it, or changed it.
  private static func guards(_ command: SyntaxNode) -> Bool {
    if let body = command.block { return body.contains(where: guards) }
    return !["vacation", "notify", "set", "global", "extracttext"].contains(command.name)
  }

  private func addTest(
    _ command: SyntaxNode,
    _ before: inout [JSONValue]?,
    to draft: inout FilterDraft
  ) {
    guard let passed = before else {
      return draft.leaveOut(part(command), "It stands behind a test that rules cannot say.")
    }
    draft.conditions = passed.map { .node("not", [$0]) }
    guard command.name != "else" else { return }
    guard var test = command.tests.first, command.tests.count == 1 else {
      return draft.leaveOut(part(command), "It is no test.")
    }
    if test.name == "false", let hidden = hiddenTest(behind: test) {
      draft.isEnabled = false
      test = hidden
    }
    guard let condition = ForeignTest.condition(test) else {
      if draft.isEnabled { before = nil }
      let culprit = Self.culprit(in: test)
      return draft.leaveOut(
        part(draft.isEnabled ? culprit : command),
        culprit.hasVariables ? Self.variables : "Rules cannot say this test."
      )
    }
    if draft.isEnabled { before = passed + [condition] }
    if condition != ForeignTest.always { draft.conditions.append(condition) }
  }

  /// The test of a rule that Roundcube has switched off: it stands in the comment behind `if false`.
  private func hiddenTest(behind test: SyntaxNode) -> SyntaxNode? {
    let line = source[test.offset...].prefix { $0 != .lf && $0 != .cr }
    guard let mark = line.firstIndex(of: UInt8(ascii: "#")) else { return nil }
    let text = Array("if ".utf8) + line[(mark + 1)...] + Array(" {}".utf8)
    return Script.syntax(of: text, requiring: required)?.first?.tests.first
  }

  /// The first test inside of one that rules cannot say.
  private static func culprit(in test: SyntaxNode) -> SyntaxNode {
    guard ["allof", "anyof", "not"].contains(test.name),
      let inner = test.tests.first(where: { ForeignTest.condition($0) == nil })
    else { return test }
    return culprit(in: inner)
  }

  private func part(_ node: SyntaxNode) -> String {
    let line = source[..<node.offset].count { $0 == .lf } + 1
    return "line \(line): \(node.name)"
  }

  private func addCommands(_ body: [SyntaxNode], to draft: inout FilterDraft) {
    for command in body {
      if draft.stops {
        draft.leaveOut(part(command), "It stands behind stop.")
      } else if command.name == "stop", command.arguments.isEmpty {
        draft.stops = true
      } else if let action = ForeignAction.action(command) {
        draft.actions.append(action.json)
      } else {
        draft.leaveOut(
          part(command),
          command.hasVariables ? Self.variables : "Rules cannot say this command."
        )
      }
    }
    if !Self.marksComeFirst(body) {
      draft.leaveOut(
        "",
        "It marks or changes a message that it has filed, and rules do that first."
      )
    }
  }

  private static let variables = "Variables stand in its strings (RFC 5229), and rules have none."

  /// Whether no command marks or changes what one before it has filed: rules do that first.
  private static func marksComeFirst(_ body: [SyntaxNode]) -> Bool {
    guard let filed = body.firstIndex(where: { ["fileinto", "keep"].contains($0.name) }) else {
      return true
    }
    let marks = ["addflag", "removeflag", "addheader", "deleteheader"]
    return !body[filed...].contains { marks.contains($0.name) }
  }

  /// The name that a comment right before a command gives, as Roundcube (`# rule:[name]`) and this service write it.
  private func name(of command: SyntaxNode) -> String? {
    let start = max(0, command.offset - Self.commentBytes)
    let lines = String(decoding: source[start..<command.offset], as: UTF8.self).split {
      $0.isNewline
    }
    guard let line = lines.last(where: { !$0.hasPrefix(RuleScript.mark) }), line.hasPrefix("#")
    else { return nil }
    let text = line.drop { $0 == "#" || $0 == " " }
    if text.hasPrefix("rule:["), text.hasSuffix("]") {
      return Self.cut(text.dropFirst(6).dropLast())
    }
    return text.hasPrefix("Rule: ") ? Self.cut(text.dropFirst(6)) : nil
  }

  private static func cut(_ text: Substring) -> String? {
    let name = String(text.prefix(60))
    return name.isEmpty ? nil : name
  }
}
