/// `:value` and `:count` (RFC 5231).
extension ScriptExtension {
  static let relational = ScriptExtension("relational") { capability in
    capability.matchTypes = [
      MatchTypeDefinition(name: "value", value: .string) {
        tag,
        comparator,
        _,
        compiler throws(Fault) in
        try RelationMatch(tag, comparator, compiler, countsValues: false)
      },
      MatchTypeDefinition(name: "count", value: .string) {
        tag,
        comparator,
        _,
        compiler throws(Fault) in
        try RelationMatch(tag, comparator, compiler, countsValues: true)
      },
    ]
  }
}

/// A relation between a value and a key, or between how many values there are and a key.
private final class RelationMatch: MatchMethod {
  enum Relation: String {
    case gt, ge, lt, le, eq, ne
  }

  let relation: Relation
  let comparator: Comparator
  let countsValues: Bool

  init(
    _ tag: TagArgument,
    _ comparator: Comparator,
    _ compiler: Compiler,
    countsValues: Bool
  ) throws(Fault) {
    let name = try compiler.constant(tag.value).lowercased.text
    guard let relation = Relation(rawValue: name) else {
      throw Fault(
        at: tag.value?.offset ?? tag.offset,
        "\"\(name)\" is no relation; one of gt, ge, lt, le, eq, ne"
      )
    }
    self.relation = relation
    self.comparator = comparator
    self.countsValues = countsValues
  }

  func matches(_ value: Text, _ keys: [Text], _ run: Run) -> Bool {
    keys.contains { key in
      let order = comparator.compare(value, key)
      return switch relation {
      case .gt: order > 0
      case .ge: order >= 0
      case .lt: order < 0
      case .le: order <= 0
      case .eq: order == 0
      case .ne: order != 0
      }
    }
  }
}
