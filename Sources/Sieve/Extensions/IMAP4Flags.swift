import Bytes

/// `setflag`, `addflag`, `removeflag`, `hasflag` and `:flags` (RFC 5232).
extension ScriptExtension {
  static let imap4Flags = ScriptExtension("imap4flags") { capability in
    capability.commands = [
      command("setflag") { _, new in new },
      command("addflag") { old, new in FlagList.union(old, new) },
      command("removeflag") { old, new in
        let gone = Set(new.map { $0.lowercased() })
        return old.filter { !gone.contains($0.lowercased()) }
      },
    ]
    capability.tests = [
      TestDefinition(
        name: "hasflag",
        parameters: [.strings, .strings],
        isFirstOptional: true,
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in try HasFlagTest(arguments, compiler) }
    ]
    capability.tags = [
      (
        .delivery,
        TagDefinition("flags", .strings) { tag, compiler throws(Fault) in
          let flags = try compiler.strings(tag.value)
          return { options, run throws(RunStop) in options.flags = FlagList.parse(flags, run) }
        }
      )
    ]
  }

  private static func command(
    _ name: String,
    _ combine: @escaping @Sendable ([String], [String]) -> [String]
  ) -> CommandDefinition {
    CommandDefinition(name: name, parameters: [.string, .strings], isFirstOptional: true) {
      arguments,
      compiler throws(Fault) in
      let flags = try compiler.strings(arguments.positional[1])
      let variable = try arguments.positional[0].map { argument throws(Fault) in
        try FlagVariable(argument, compiler)
      }
      return Command { run throws(RunStop) in
        let new = FlagList.parse(flags, run)
        if let variable {
          let old = FlagList.parse([run.value(of: variable.reference).text])
          run.set(variable.reference, to: [UInt8](combine(old, new).joined(separator: " ").utf8))
        } else {
          run.flags = combine(run.flags, new)
        }
        return .next
      }
    }
  }
}

/// A variable that holds flags; the extension `variables` must be there (RFC 5232 §2).
private struct FlagVariable {
  let reference: VariableReference

  init(_ argument: SyntaxNode.Argument, _ compiler: Compiler) throws(Fault) {
    guard compiler.language.names.contains("variables") else {
      throw Fault(at: argument.offset, "a variable of flags needs: require \"variables\";")
    }
    let name = try compiler.constant(argument)
    reference = try VariableReference(name, at: argument.offset, compiler)
  }
}

/// `hasflag` (RFC 5232 §4).
private final class HasFlagTest: Test {
  let variables: [VariableReference]?
  let matcher: Matcher

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    if let argument = arguments.positional[0] {
      guard compiler.language.names.contains("variables") else {
        throw Fault(at: argument.offset, "a variable of flags needs: require \"variables\";")
      }
      var references: [VariableReference] = []
      for name in try compiler.constants(argument) {
        references.append(try VariableReference(name, at: argument.offset, compiler))
      }
      variables = references
    } else {
      variables = nil
    }
    let plain = try compiler.matcher(arguments, keys: arguments.positional[1])
    // A key may hold several flags (RFC 5232 §2); those of `:count` and `:value` are numbers.
    let isNumeric = plain.countsValues || arguments.has("value")
    guard case .fixed(let keys) = plain.keys, !isNumeric else {
      matcher = plain
      return
    }
    let split = keys.flatMap { key in
      let flags = FlagList.words(key.bytes)
      return flags.isEmpty ? [key] : flags.map { Text($0) }
    }
    matcher = try compiler.matcher(arguments, flags: split)
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    var matching = matcher.begin(run)
    let flags =
      variables.map { $0.flatMap { FlagList.parse([run.value(of: $0).text]) } } ?? run.flags
    for flag in flags where try matching.offer(Text(flag)) { return true }
    return try matching.finish()
  }
}

extension Compiler {
  /// A matcher of the arguments' match type for keys that are known.
  fileprivate func matcher(_ arguments: Arguments, flags: [Text]) throws(Fault) -> Matcher {
    let literals = flags.map { SyntaxNode.Literal(bytes: $0.bytes, offset: arguments.offset) }
    return try matcher(
      arguments,
      keys: SyntaxNode.Argument(value: .strings(literals, isList: true), offset: arguments.offset)
    )
  }
}

/// Lists of flags as scripts write them: strings with blanks between flags (RFC 5232 §2).
enum FlagList {
  /// The flags of strings, each once, those that IMAP knows not to be flags left out.
  static func parse(_ strings: [StringExpression], _ run: Run) -> [String] {
    parse(strings.map { $0.bytes(run).text })
  }

  /// The flags of strings.
  static func parse(_ strings: [String]) -> [String] {
    var flags: [String] = []
    var seen: Set<String> = []
    for string in strings {
      for word in words([UInt8](string.utf8)) where isFlag(word) {
        let flag = word.text
        if seen.insert(flag.lowercased()).inserted { flags.append(flag) }
      }
    }
    return flags
  }

  /// The flags of one list and those of another that are not in it.
  static func union(_ one: [String], _ other: [String]) -> [String] {
    var seen = Set(one.map { $0.lowercased() })
    return one + other.filter { seen.insert($0.lowercased()).inserted }
  }

  static func words(_ bytes: [UInt8]) -> [[UInt8]] {
    bytes.split { $0.isSieveBlank }.map { [UInt8]($0) }
  }

  /// Whether a word is a flag that a message can have (RFC 9051 §9 `flag`, `\Recent` not among them).
  private static func isFlag(_ word: [UInt8]) -> Bool {
    let atom = word.first == .backslash ? word[1...] : word[...]
    guard !atom.isEmpty, atom.allSatisfy(isAtom) else { return false }
    guard word.first == .backslash else { return true }
    return systemFlags.contains(word.lowercased.text)
  }

  private static let systemFlags: Set = [
    "\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft",
  ]

  private static func isAtom(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x28, 0x29, 0x7B, 0x25, 0x2A, 0x22, 0x5C, 0x5D: false
    default: byte > 0x20 && byte < 0x7F
    }
  }
}
