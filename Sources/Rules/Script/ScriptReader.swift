import Bytes
import MIME
import Model
import Sieve

/// What a script is to this service.
package enum ReadScript: Sendable {
  /// Rules that this service wrote, as they were.
  case ours([Rule])
  /// Rules that say the same as a script of somebody else's.
  case simple([Rule])
  /// A script that rules cannot say.
  case opaque
  /// No script at all: what is wrong with it.
  case invalid([ScriptFault])
}

/// Something wrong in a script, and where.
package struct ScriptFault: Sendable, Equatable, CustomStringConvertible {
  /// The line, and the character in it, each counted from 1.
  package var line: Int
  package var column: Int
  /// What is wrong, for a person.
  package var message: String

  /// `line:column: message`.
  package var description: String { "\(line):\(column): \(message)" }
}

extension ScriptFault {
  init(_ error: ScriptError) {
    self.init(line: error.line, column: error.column, message: error.message)
  }
}

/// Reads rules from scripts.
package enum ScriptReader {
  /// What the script is to this service.
  package static func read(_ source: [UInt8]) -> ReadScript {
    do throws(ScriptErrors) {
      _ = try Script(compiling: source)
    } catch {
      return .invalid(error.errors.map { ScriptFault($0) })
    }
    if let rules = own(String(decoding: source, as: UTF8.self)) { return .ours(rules) }
    guard let commands = Script.syntax(of: source),
      let rules = ForeignScript(source, commands).rules
    else { return .opaque }
    return .simple(rules)
  }

  /// What each part of a script is as a rule.
  static func filters(of source: [UInt8]) throws(FilterFileError) -> [ImportedFilter] {
    do throws(ScriptErrors) {
      _ = try Script(compiling: source)
    } catch {
      throw FilterFileError("The script is wrong.", error.errors.map { ScriptFault($0) })
    }
    if let rules = own(String(decoding: source, as: UTF8.self)) {
      return rules.map { ImportedFilter(name: $0.name, rule: $0, notes: []) }
    }
    return ForeignScript(source, Script.syntax(of: source) ?? []).filters
  }

  /// The rules of a script that this service wrote and nobody changed.
  private static func own(_ text: String) -> [Rule]? {
    let text = text.replacing("\r\n", with: "\n")
    guard text.hasPrefix(RuleScript.title), let end = text.firstIndex(of: "\n") else { return nil }
    let checksum = text[..<end].dropFirst(RuleScript.title.count)
    let body = String(text[text.index(after: end)...])
    guard checksum == RuleScript.checksum(of: body) else { return nil }
    var rules: [Rule] = []
    for line in body.split(separator: "\n") where line.hasPrefix(RuleScript.mark) {
      let json = [UInt8](line.dropFirst(RuleScript.mark.count).utf8)
      guard let value = try? JSONReader.parse(json.span) else { return nil }  // Nil is the answer.
      var reader = RuleReader(isStored: true)
      guard let rule = reader.rule(value) else { return nil }
      rules.append(rule)
    }
    return rules
  }
}

extension String {
  /// The text that bytes are; nil where they are not UTF-8, or hold a NUL.
  fileprivate init?(plain bytes: [UInt8]) {
    guard !bytes.contains(0) else { return nil }
    self.init(validating: bytes, as: UTF8.self)
  }
}

extension SyntaxNode {
  /// Whether variables stand in a string of it.
  var hasVariables: Bool {
    arguments.contains { argument in
      guard case .strings(let literals, _) = argument.value else { return false }
      return literals.contains(where: \.hasVariables)
    }
  }
}

/// Arguments of a command or a test, by what they are.
struct ForeignArguments {
  private(set) var tags: [String: [String]?] = [:]
  /// The number behind a tag.
  private(set) var numbers: [String: UInt64] = [:]
  private(set) var positional: [[String]] = []

  /// Reads arguments of which `valued` tags have a value; nil where one is not among `valued` and `plain`.
  init?(_ node: SyntaxNode, plain: Set<String> = [], valued: Set<String> = []) {
    var waiting: String?
    for argument in node.arguments {
      switch argument.value {
      case .tag(let name):
        guard waiting == nil, plain.contains(name) || valued.contains(name) else { return nil }
        if valued.contains(name) { waiting = name } else { tags[name] = .some(nil) }
      case .number(let number):
        guard let name = waiting else { return nil }
        numbers[name] = number
        waiting = nil
      case .strings(let literals, _):
        // What is put together while the script runs rules cannot say, nor bytes that are no text.
        let texts = literals.compactMap { $0.hasVariables ? nil : String(plain: $0.bytes) }
        guard texts.count == literals.count else { return nil }
        if let name = waiting {
          tags[name] = texts
          waiting = nil
        } else {
          positional.append(texts)
        }
      }
    }
    guard waiting == nil else { return nil }
  }

  func has(_ tag: String) -> Bool { tags[tag] != nil }

  func value(_ tag: String) -> String? { tags[tag]??.first }
}

/// Commands of a script as actions.
enum ForeignAction {
  static func action(_ node: SyntaxNode) -> RuleAction? {
    guard node.tests.isEmpty, node.block == nil else { return nil }
    switch node.name {
    case "keep": return node.arguments.isEmpty ? .keep : nil
    case "discard": return node.arguments.isEmpty ? .discard : nil
    case "fileinto": return file(node)
    case "redirect": return redirect(node)
    case "addflag": return flags(node).map { .addKeywords($0) }
    case "removeflag": return flags(node).map { .removeKeywords($0) }
    case "reject":
      guard let text = ForeignArguments(node)?.positional.first?.first else { return nil }
      return .reject(text)
    case "vacation": return vacation(node)
    case "addheader":
      guard let texts = ForeignArguments(node)?.positional.compactMap(\.first), texts.count == 2
      else { return nil }
      return .addHeader(name: texts[0], value: texts[1])
    case "deleteheader":
      // All fields of the name: neither some by their place nor those of some values.
      guard let arguments = ForeignArguments(node), arguments.positional.count == 1,
        let name = arguments.positional[0].first, !HeaderFields.mustStay(name.lowercased())
      else { return nil }
      return .deleteHeader(name)
    default: return nil
    }
  }

  private static func file(_ node: SyntaxNode) -> RuleAction? {
    guard
      let arguments = ForeignArguments(
        node,
        plain: ["copy", "create"],
        valued: ["specialuse"]
      ),
      let path = arguments.positional.first?.first, arguments.positional.count == 1
    else { return nil }
    let use = arguments.value("specialuse").map { $0.dropFirst().lowercased() }
    let name = RuleAction.MailboxName(use ?? path)
    return arguments.has("copy") ? .copy(name) : .move(name)
  }

  private static func redirect(_ node: SyntaxNode) -> RuleAction? {
    guard let arguments = ForeignArguments(node, plain: ["copy"]),
      let address = arguments.positional.first?.first
    else { return nil }
    return .redirect(address, keeps: arguments.has("copy"))
  }

  private static func flags(_ node: SyntaxNode) -> [String]? {
    guard let arguments = ForeignArguments(node), arguments.positional.count == 1 else {
      return nil
    }
    return arguments.positional[0].flatMap { $0.split(separator: " ") }.map {
      ScriptText.keyword(String($0))
    }
  }

  private static func vacation(_ node: SyntaxNode) -> RuleAction? {
    guard
      let arguments = ForeignArguments(
        node,
        valued: ["days", "subject", "from", "addresses"]
      ),
      let text = arguments.positional.first?.first
    else { return nil }
    var reply = RuleReply(text: text.replacing("\r\n", with: "\n"))
    reply.subject = arguments.value("subject")
    reply.from = arguments.value("from")
    if let days = arguments.numbers["days"] { reply.days = Int(clamping: max(days, 1)) }
    return .reply(reply)
  }
}
