/// A tagged argument as a command has it.
struct TagArgument {
  let definition: TagDefinition
  let offset: Int
  /// What stands behind the tag.
  let value: SyntaxNode.Argument?
}

/// The arguments of a command or test, sorted by the definition of what it accepts.
struct Arguments {
  /// The command as it is written.
  let node: SyntaxNode
  /// The positional arguments, of the kinds the definition asks for; nil where the first was left out.
  private(set) var positional: [SyntaxNode.Argument?] = []
  private(set) var tags: [TagArgument] = []

  var offset: Int { node.offset }

  /// Sorts the arguments of `node`; throws where they are not what `parameters` and tags ask for.
  init(
    _ node: SyntaxNode,
    parameters: [Parameter],
    isFirstOptional: Bool = false,
    isLastOptional: Bool = false,
    tags ownTags: [TagDefinition],
    families: Set<TagFamily>,
    _ compiler: Compiler
  ) throws(Fault) {
    self.node = node
    var index = 0
    var given: [SyntaxNode.Argument] = []
    while index < node.arguments.count {
      let argument = node.arguments[index]
      index += 1
      guard case .tag(let name) = argument.value else {
        given.append(argument)
        continue
      }
      guard given.isEmpty else {
        throw Fault(at: argument.offset, "':\(name)' must stand before the other arguments")
      }
      guard
        let definition = ownTags.first(where: { $0.name == name })
          ?? compiler.language.tag(name, in: families)
      else { throw Self.unknown(name, argument.offset, node, families) }
      let hasValue = definition.value != nil && index < node.arguments.count
      try take(definition, at: argument.offset, value: hasValue ? node.arguments[index] : nil)
      if hasValue { index += 1 }
    }
    try place(given, parameters, isFirstOptional, isLastOptional)
  }

  /// Takes a tag and what stands behind it.
  private mutating func take(
    _ definition: TagDefinition,
    at offset: Int,
    value: SyntaxNode.Argument?
  ) throws(Fault) {
    let name = definition.name
    if let other = tags.first(where: { $0.definition.group == definition.group }) {
      throw Fault(
        at: offset,
        other.definition.name == name
          ? "':\(name)' stands twice"
          : "':\(name)' can't stand together with ':\(other.definition.name)'"
      )
    }
    if let kind = definition.value {
      guard value != nil else {
        throw Fault(at: offset, "':\(name)' needs \(kind.description) behind it")
      }
      try kind.check(value, at: offset, "':\(name)'")
    }
    tags.append(TagArgument(definition: definition, offset: offset, value: value))
  }

  private static func unknown(
    _ name: String,
    _ offset: Int,
    _ node: SyntaxNode,
    _ families: Set<TagFamily>
  ) -> Fault {
    guard let owner = Capabilities.owner(ofTag: name, in: families) else {
      return Fault(at: offset, "'\(node.name)' has no argument ':\(name)'")
    }
    return Fault(
      at: offset,
      "':\(name)' needs: require \"\(owner)\";",
      isMissingExtension: true
    )
  }

  private mutating func place(
    _ given: [SyntaxNode.Argument],
    _ parameters: [Parameter],
    _ isFirstOptional: Bool,
    _ isLastOptional: Bool
  ) throws(Fault) {
    let missing = parameters.count - given.count
    guard missing == 0 || (missing == 1 && (isFirstOptional || isLastOptional)) else {
      let most = parameters.count
      let counts = isFirstOptional || isLastOptional ? "\(most - 1) or \(most)" : "\(most)"
      throw Fault(
        at: given.count > most ? given[most].offset : node.offset,
        "'\(node.name)' takes \(counts) positional argument\(most == 1 ? "" : "s"), "
          + "not \(given.count)"
      )
    }
    let skipped = isFirstOptional ? missing : 0
    if skipped == 1 { positional.append(nil) }
    for (index, argument) in given.enumerated() {
      try parameters[index + skipped].check(
        argument,
        at: argument.offset,
        "argument \(index + 1) of '\(node.name)'"
      )
      positional.append(argument)
    }
    if missing == 1, skipped == 0 { positional.append(nil) }
  }

  /// The tag of this name, if it stands.
  func tag(_ name: String) -> TagArgument? { tags.first { $0.definition.name == name } }

  /// Whether the tag of this name stands.
  func has(_ name: String) -> Bool { tag(name) != nil }

  /// The tag of this group, if one stands.
  func tag(inGroup group: String) -> TagArgument? { tags.first { $0.definition.group == group } }
}

extension Parameter {
  var description: String {
    switch self {
    case .number: "a number"
    case .string: "a string"
    case .strings: "a string or a list of strings"
    }
  }

  /// Throws where an argument is not of this kind.
  fileprivate func check(
    _ argument: SyntaxNode.Argument?,
    at offset: Int,
    _ what: String
  ) throws(Fault) {
    switch (self, argument?.value) {
    case (.number, .number), (.strings, .strings), (.string, .strings(_, isList: false)): return
    default: throw Fault(at: argument?.offset ?? offset, "\(what) must be \(description)")
    }
  }
}
