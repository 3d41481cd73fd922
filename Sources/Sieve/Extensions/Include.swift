import Bytes

/// `include`, `return` and `global` (RFC 6609).
extension ScriptExtension {
  static let include = ScriptExtension("include") { capability in
    capability.commands = [
      CommandDefinition(
        name: "include",
        parameters: [.string],
        tags: [
          TagDefinition("personal", group: "location"), TagDefinition("global", group: "location"),
          TagDefinition("once"), TagDefinition("optional"),
        ]
      ) { arguments, compiler throws(Fault) in try IncludeCommand(arguments, compiler) },
      CommandDefinition(name: "return") { _, _ in Command { _ throws(RunStop) in .return } },
      CommandDefinition(name: "global", parameters: [.strings]) {
        arguments,
        compiler throws(Fault) in
        try compiler.declareGlobals(arguments)
        return Block([])
      },
    ]
    capability.namespaces = [NamespaceDefinition(name: "global") { name, _ in .global(name) }]
  }
}

/// `include` (RFC 6609 §3.2).
///
/// The included script is compiled together with the one that includes it. That it is missing is an
/// error of the run, so that scripts can be stored in any order; that it is wrong, or includes itself, is
/// told at once where its text is at hand.
private final class IncludeCommand: Statement {
  let script: IncludedScript
  /// Nil where it is missing, or where it is already being included.
  let program: Program?
  let isOnce: Bool
  let isOptional: Bool
  let offset: Int

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    offset = arguments.offset
    isOnce = arguments.has("once")
    isOptional = arguments.has("optional")
    let name = try compiler.constant(arguments.positional[0])
    let nameOffset = arguments.positional[0]?.offset ?? offset
    guard Self.isName(name) else {
      throw Fault(at: nameOffset, "\"\(name.text)\" is no name of a script")
    }
    script = IncludedScript(
      name: name.text,
      location: arguments.has("global") ? .global : .personal
    )
    program = try compiler.program(of: script, isOnce: isOnce, at: nameOffset)
  }

  /// Whether a text is a name of a script (RFC 5804 §1.6); a path of files is none.
  private static func isName(_ name: [UInt8]) -> Bool {
    !name.isEmpty && name.count <= 512 && !name.contains(where: { $0.isControl || $0 == 0x2F })
      && name != [0x2E] && name != [0x2E, 0x2E]
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    guard run.included.insert(script).inserted || !isOnce else { return .next }
    guard let program else {
      if isOptional || isOnce { return .next }
      throw RunStop(at: offset, "there is no script \"\(script.name)\" to include")
    }
    let outer = (run.variables, run.matched)
    run.variables = Array(repeating: [], count: program.variableCount)
    run.matched = []
    let flow: Flow
    do throws(RunStop) {
      flow = try program.body.execute(run)
    } catch {
      guard case .failure(let message, let inner) = error else { throw error }
      let place = program.place(of: inner)
      throw RunStop(at: offset, "\(script.name):\(place.line):\(place.column): \(message)")
    }
    (run.variables, run.matched) = outer
    return flow == .return ? .next : flow
  }
}

extension Compiler {
  /// The program of a script to include; nil where it is missing or, with `:once`, runs already.
  fileprivate func program(
    of script: IncludedScript,
    isOnce: Bool,
    at offset: Int
  ) throws(Fault) -> Program? {
    if shared.path.contains(script) {
      guard !isOnce else { return nil }
      throw Fault(at: offset, "the script \"\(script.name)\" includes itself")
    }
    if let known = shared.programs[script] { return known }
    guard includeDepth < limits.nesting else {
      throw Fault(at: offset, "scripts include one another deeper than \(limits.nesting) levels")
    }
    guard let text = shared.source.text(of: script) else { return nil }
    shared.includeCount += 1
    guard shared.includeCount <= limits.includes else {
      throw Fault(at: offset, "more than \(limits.includes) scripts are included")
    }
    shared.path.append(script)
    defer { shared.path.removeLast() }
    do throws(ScriptErrors) {
      let inner = Compiler(shared, name: script.name, includeDepth: includeDepth + 1)
      let program = try inner.compile(text)
      shared.programs[script] = program
      return program
    } catch {
      shared.nested = error.errors
      throw Fault(at: offset, "the included script \"\(script.name)\" is wrong")
    }
  }

  fileprivate func declareGlobals(_ arguments: Arguments) throws(Fault) {
    guard language.names.contains("variables") else {
      throw Fault(at: arguments.offset, "'global' needs: require \"variables\";")
    }
    for literal in try literals(arguments.positional[0]) {
      let name = literal.bytes.lowercased.text
      guard VariableReference.isIdentifier(name) else {
        throw Fault(at: literal.offset, "\"\(name)\" is no name of a variable")
      }
      guard variables[name] == nil else {
        throw Fault(at: literal.offset, "\"\(name)\" was used before it was declared global")
      }
      makeGlobal(name)
    }
  }
}
