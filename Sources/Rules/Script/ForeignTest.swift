import Bytes
import Sieve

/// Tests of a script as conditions.
enum ForeignTest {
  /// What stands for a test that always holds; no condition is needed.
  static let always = JSONValue.null

  /// A test as a condition; nil where rules cannot say it.
  static func condition(_ node: SyntaxNode) -> JSONValue? {
    switch node.name {
    case "true": return always
    case "allof": return parts(node).map { self.node("and", $0) }
    case "anyof": return parts(node).map { self.node("or", $0) }
    case "not":
      guard let inner = node.tests.first.flatMap({ condition($0) }), inner != always else {
        return nil
      }
      return self.node("not", [inner])
    case "header", "address", "envelope", "body", "hasflag": return matching(node)
    case "exists":
      guard let names = ForeignArguments(node)?.positional.first, !names.isEmpty else {
        return nil
      }
      let tests = names.map { self.object("header", .string($0)) }
      return tests.count == 1 ? tests[0] : self.node("and", tests)
    case "size": return size(node)
    default: return nil
    }
  }

  private static func parts(_ node: SyntaxNode) -> [JSONValue]? {
    let found = node.tests.compactMap { condition($0) }
    guard found.count == node.tests.count, !found.isEmpty, !found.contains(always) else {
      return nil
    }
    return found
  }

  private static func node(_ kind: String, _ parts: [JSONValue]) -> JSONValue {
    .object([
      .init(name: "operator", value: .string(kind)),
      .init(name: "conditions", value: .array(parts)),
    ])
  }

  private static func object(_ name: String, _ value: JSONValue) -> JSONValue {
    .object([.init(name: name, value: value)])
  }

  private static func size(_ node: SyntaxNode) -> JSONValue? {
    guard let arguments = ForeignArguments(node, valued: ["over", "under"]),
      let (name, number) = arguments.numbers.first, arguments.numbers.count == 1
    else { return nil }
    return object(name == "over" ? "larger" : "smaller", .int(Int64(clamping: number)))
  }

  // MARK: - Tests with match types

  private static let comparisons: Set = ["is", "contains", "matches", "regex"]
  private static let addressParts = ["all", "localpart", "domain", "user", "detail"]

  private static func matching(_ node: SyntaxNode) -> JSONValue? {
    guard
      let arguments = ForeignArguments(
        node,
        plain: comparisons.union(addressParts).union(node.name == "body" ? ["text"] : []),
        valued: ["comparator"]
      )
    else { return nil }
    if let comparator = arguments.value("comparator"), comparator != "i;ascii-casemap" {
      return nil
    }
    let found = comparisons.filter { arguments.has($0) }
    guard found.count <= 1, let keys = arguments.positional.last else { return nil }
    let isAlone = node.name == "body" || node.name == "hasflag"
    guard arguments.positional.count == (isAlone ? 1 : 2) else { return nil }
    let names = isAlone ? [""] : arguments.positional[0]
    let part = addressParts.first { arguments.has($0) } ?? "all"
    var tests: [JSONValue] = []
    for property in properties(names, node.name, part) {
      guard let property, let test = test(property, found.first ?? "is", keys) else { return nil }
      tests.append(test)
    }
    return tests.count == 1 ? tests[0] : tests.isEmpty ? nil : self.node("or", tests)
  }

  private static func properties(_ names: [String], _ test: String, _ part: String) -> [String?] {
    let parts = [
      "all": "address", "localpart": "local", "domain": "domain", "user": "user",
      "detail": "detail",
    ]
    switch test {
    case "body": return ["body"]
    case "hasflag": return ["keyword"]
    case "header": return names.map { "header.\($0)" }
    case "envelope": return names.map { "envelope.\($0.lowercased()).\(parts[part] ?? "")" }
    default:
      let fields = ["from", "to", "cc", "bcc", "sender", "reply-to"]
      return names.map { name in
        guard fields.contains(name.lowercased()) else { return nil }
        let field = name.lowercased() == "reply-to" ? "replyTo" : name.lowercased()
        return "\(field).\(parts[part] ?? "")"
      }
    }
  }

  private static func test(_ property: String, _ type: String, _ keys: [String]) -> JSONValue? {
    var (type, keys) = (type, keys)
    if property == "keyword" { keys = keys.map(ScriptText.keyword) }
    if type == "matches", let begins = literals(keys, .begins) {
      (type, keys) = ("begins", begins)
    } else if type == "matches", let ends = literals(keys, .ends) {
      (type, keys) = ("ends", ends)
    }
    return .object([
      .init(name: "property", value: .string(property)), .init(name: "op", value: .string(type)),
      .init(name: "value", value: .array(keys.map { .string($0) })),
    ])
  }

  private enum Side { case begins, ends }

  /// The literal texts of patterns that each are one with a star at one side.
  private static func literals(_ patterns: [String], _ side: Side) -> [String]? {
    let cut = patterns.map { pattern -> String? in
      let rest = side == .begins ? pattern.dropLast() : pattern.dropFirst()
      let star = side == .begins ? pattern.last : pattern.first
      guard star == "*", !rest.isEmpty, !rest.contains(where: { "*?\\".contains($0) }) else {
        return nil
      }
      return String(rest)
    }
    let found = cut.compactMap(\.self)
    return found.count == patterns.count ? found : nil
  }
}
