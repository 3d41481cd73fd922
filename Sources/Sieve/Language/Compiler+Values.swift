import Bytes

/// The arguments of commands, as values that the compiler checked.
extension Compiler {
  /// The strings of an argument as they are written.
  func literals(_ argument: SyntaxNode.Argument?) throws(Fault) -> [SyntaxNode.Literal] {
    guard case .strings(let literals, _) = argument?.value else { return [] }
    return literals
  }

  /// The strings of an argument.
  func strings(_ argument: SyntaxNode.Argument?) throws(Fault) -> [StringExpression] {
    var expressions: [StringExpression] = []
    for literal in try literals(argument) { expressions.append(try expression(literal)) }
    return expressions
  }

  /// The string of an argument.
  func string(_ argument: SyntaxNode.Argument?) throws(Fault) -> StringExpression {
    try strings(argument).first ?? .literal(.empty)
  }

  /// The number of an argument.
  func number(_ argument: SyntaxNode.Argument?) -> UInt64 {
    guard case .number(let number) = argument?.value else { return 0 }
    return number
  }

  /// The strings of an argument that must be known before a run (RFC 5229 §3).
  func constants(_ argument: SyntaxNode.Argument?) throws(Fault) -> [[UInt8]] {
    var constants: [[UInt8]] = []
    for literal in try literals(argument) {
      guard let constant = try expression(literal).constant else {
        throw Fault(at: literal.offset, "this string must not contain a variable")
      }
      constants.append(constant)
    }
    return constants
  }

  /// The string of an argument that must be known before a run.
  func constant(_ argument: SyntaxNode.Argument?) throws(Fault) -> [UInt8] {
    try constants(argument).first ?? []
  }

  /// A string with what extensions let stand in it.
  func expression(_ literal: SyntaxNode.Literal) throws(Fault) -> StringExpression {
    var bytes = literal.bytes
    guard bytes.contains(0x24) else { return .literal(Text(bytes)) }
    if language.names.contains("encoded-character") {
      bytes = try EncodedCharacters.decode(bytes, at: literal.offset)
    }
    guard language.names.contains("variables") else { return .literal(Text(bytes)) }
    let pieces = try VariableReferences.pieces(of: bytes, at: literal.offset, self)
    if case .literal(let only)? = pieces.first, pieces.count == 1 { return .literal(Text(only)) }
    return pieces.isEmpty ? .literal(.empty) : .template(pieces)
  }

  /// The names of header fields that an argument gives.
  ///
  /// One that can't be a name is no error (RFC 5228 §2.4.2.2): no field has it.
  func fieldNames(_ argument: SyntaxNode.Argument?) throws(Fault) -> FieldNames {
    var names: [StringExpression] = []
    var slots: [Int] = []
    for literal in try literals(argument) {
      let expression = try expression(literal)
      names.append(expression)
      if let name = expression.constant { slots.append(shared.slot(ofField: name)) }
    }
    return slots.count == names.count ? .slots(slots) : .dynamic(names)
  }

  /// The matcher that the match type, the comparator and the keys of a test make together.
  func matcher(
    _ arguments: Arguments,
    keys: SyntaxNode.Argument?
  ) throws(Fault) -> Matcher {
    let comparator = try self.comparator(arguments)
    let tag =
      arguments.tag(inGroup: TagGroup.matchType)
      ?? TagArgument(definition: TagDefinition("is"), offset: arguments.offset, value: nil)
    guard let definition = language.matchTypes[tag.definition.name] else {
      throw Fault(at: tag.offset, "unknown match type ':\(tag.definition.name)'")
    }
    if definition.needsSubstrings, !comparator.findsSubstrings {
      throw Fault(
        at: tag.offset,
        "':\(definition.name)' can't be used with the comparator \"\(comparator.name)\""
      )
    }
    let keys = Keys(try strings(keys))
    return Matcher(method: try definition.compile(tag, comparator, keys, self), keys: keys)
  }

  /// The comparator that a test names; `i;ascii-casemap` where it names none (RFC 5228 §2.7.3).
  func comparator(_ arguments: Arguments) throws(Fault) -> Comparator {
    guard let tag = arguments.tag("comparator") else { return .asciiCasemap }
    let name = try constant(tag.value).text
    guard let comparator = Comparator(rawValue: name) else {
      throw Fault(at: tag.offset, "unknown comparator \"\(name)\"", isMissingExtension: true)
    }
    let capability = "comparator-\(name)"
    guard comparator.isCore || language.names.contains(capability) else {
      throw Fault(
        at: tag.offset,
        "the comparator \"\(name)\" needs: require \"\(capability)\";",
        isMissingExtension: true
      )
    }
    return comparator
  }

  /// The part of addresses that a test compares; all where it names none.
  func addressPart(_ arguments: Arguments) -> AddressPartDefinition {
    arguments.tag(inGroup: TagGroup.addressPart)
      .flatMap { language.addressParts[$0.definition.name] } ?? .all
  }

  /// What the tags of a command do to its action, in the order they stand.
  func modifiers(_ arguments: Arguments) throws(Fault) -> [ActionModifier] {
    var modifiers: [ActionModifier] = []
    for tag in arguments.tags {
      if let modify = tag.definition.modify { modifiers.append(try modify(tag, self)) }
    }
    return modifiers
  }
}

/// The names of fields that a test looks at.
enum FieldNames: Sendable {
  /// By their places in the list that a compilation keeps.
  case slots([Int])
  /// With variables in them.
  case dynamic([StringExpression])

  /// Whether bytes are a field name (RFC 5322 §2.2).
  static func isValid(_ name: [UInt8]) -> Bool {
    !name.isEmpty && name.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
  }
}
