import Bytes

/// Turns the syntax tree of one script into statements, checking all that can be known before a run.
///
/// Errors are gathered command by command, so that a writer sees them all at once.
final class Compiler {
  /// What the script may use at this place: more with each `require` and each `ihave` that succeeds.
  private(set) var language = Capabilities.coreLanguage
  /// What all scripts of one compilation share.
  let shared: Compilation
  /// How deep this script is included; the script itself is at 0.
  let includeDepth: Int
  /// The name of an included script.
  let name: String?
  private(set) var variables: [String: Int] = [:]
  /// Names that stand for variables shared by all scripts (RFC 6609 §3.4.1).
  private(set) var globals: Set<String> = []
  /// The names of the `foreverypart` loops around, innermost last; nil for one without (RFC 5703 §3).
  var loops: [String?] = []
  private var errors: [Fault] = []

  init(_ shared: Compilation, name: String? = nil, includeDepth: Int = 0) {
    self.shared = shared
    self.name = name
    self.includeDepth = includeDepth
  }

  var limits: SieveLimits { shared.limits }

  /// Compiles a whole script.
  func compile(_ source: [UInt8]) throws(ScriptErrors) -> Program {
    let commands: [SyntaxNode]
    do throws(Fault) {
      commands = try Parser.parse(source, limits: limits)
    } catch {
      throw ScriptErrors([place(error, in: source)])
    }
    let isAllRequired = require(commands)
    let body = isAllRequired ? block(commands, isOutermost: true) : Block([])
    guard errors.isEmpty else {
      throw ScriptErrors(shared.nested + errors.map { place($0, in: source) })
    }
    return Program(body: body, variableCount: variables.count, source: source)
  }

  private func place(_ fault: Fault, in source: [UInt8]) -> ScriptError {
    let (line, column) = SourcePlace.find(fault.offset, in: source.span)
    return ScriptError(script: name, line: line, column: column, message: fault.message)
  }

  func report(_ fault: Fault) {
    if errors.count < limits.errors { errors.append(fault) }
  }

  func enable(_ capability: ScriptExtension) { language.add(capability) }

  // MARK: Commands

  /// Carries out the `require` commands that the script begins with (RFC 5228 §3.2).
  private func require(_ commands: [SyntaxNode]) -> Bool {
    let before = errors.count
    for command in commands {
      guard command.name == "require" else { break }
      do throws(Fault) {
        try require(command)
      } catch {
        report(error)
      }
    }
    return errors.count == before
  }

  private func require(_ command: SyntaxNode) throws(Fault) {
    let arguments = try Arguments(
      command,
      parameters: [.strings],
      tags: [],
      families: [],
      self
    )
    try checkShape(command, tests: .none, hasBlock: false)
    for literal in try literals(arguments.positional[0]) {
      let name = literal.bytes.text
      if let capability = shared.capability(name) {
        enable(capability)
      } else {
        report(Fault(at: literal.offset, "the extension \"\(name)\" is not supported"))
      }
    }
  }

  /// Compiles the commands of a block; what is wrong is reported, not thrown.
  func block(_ commands: [SyntaxNode], isOutermost: Bool = false) -> Block {
    var statements: [(statement: any Statement, place: Int)] = []
    var index = 0
    var isBehindRequires = !isOutermost
    while index < commands.count, errors.count < limits.errors {
      let command = commands[index]
      index += 1
      if command.name == "require" {
        if isBehindRequires {
          report(Fault(at: command.offset, "'require' must stand before all other commands"))
        }
        continue
      }
      isBehindRequires = true
      do throws(Fault) {
        if command.name == "if" {
          statements.append((try conditional(commands, &index), command.offset))
        } else {
          statements.append((try statement(command), command.offset))
        }
      } catch {
        // A command of an extension that is not there may stand behind an `ihave` that says so.
        if error.isMissingExtension, language.names.contains("ihave") {
          let missing = UnavailableCommand(message: error.message, offset: error.offset)
          statements.append((missing, error.offset))
        } else {
          report(error)
        }
      }
    }
    return Block(statements)
  }

  private func statement(_ command: SyntaxNode) throws(Fault) -> any Statement {
    guard let definition = language.commands[command.name] else {
      throw unknown(command)
    }
    let arguments = try Arguments(
      command,
      parameters: definition.parameters,
      isFirstOptional: definition.isFirstOptional,
      isLastOptional: definition.isLastOptional,
      tags: definition.tags,
      families: definition.families,
      self
    )
    try checkShape(command, tests: definition.tests, hasBlock: definition.hasBlock)
    return try definition.compile(arguments, self)
  }

  private func unknown(_ command: SyntaxNode) -> Fault {
    switch command.name {
    case "elsif", "else":
      return Fault(at: command.offset, "'\(command.name)' must follow an 'if' or 'elsif'")
    default: break
    }
    if let owner = Capabilities.owner(ofCommand: command.name) {
      return Fault(
        at: command.offset,
        "'\(command.name)' needs: require \"\(owner)\";",
        isMissingExtension: true
      )
    }
    if language.tests[command.name] != nil {
      return Fault(at: command.offset, "'\(command.name)' is a test, not a command")
    }
    return Fault(
      at: command.offset,
      "unknown command '\(command.name)'",
      isMissingExtension: true
    )
  }

  /// `if`, and the `elsif` and `else` behind it.
  private func conditional(
    _ commands: [SyntaxNode],
    _ index: inout Int
  ) throws(Fault) -> any Statement {
    var branches = [try branch(commands[index - 1])]
    var otherwise: Block?
    while index < commands.count, commands[index].name == "elsif" {
      index += 1
      branches.append(try branch(commands[index - 1]))
    }
    if index < commands.count, commands[index].name == "else" {
      let command = commands[index]
      index += 1
      guard command.arguments.isEmpty, command.testsForm == .none, let body = command.block else {
        throw Fault(at: command.offset, "'else' takes a block and nothing else")
      }
      otherwise = block(body)
    }
    return Conditional(branches, otherwise: otherwise)
  }

  private func branch(_ command: SyntaxNode) throws(Fault) -> Conditional.Branch {
    _ = try Arguments(
      command,
      parameters: [],
      tags: [],
      families: [],
      self
    )
    try checkShape(command, tests: .one, hasBlock: true)
    let condition: any Test
    do throws(Fault) {
      condition = try test(command.tests[0])
    } catch {
      // The block is looked at all the same, to tell what is wrong in it.
      _ = block(command.block ?? [])
      throw error
    }
    return (condition, command.tests[0].offset, block(command.block ?? []))
  }

  private func checkShape(
    _ node: SyntaxNode,
    tests: TestCount,
    hasBlock: Bool
  ) throws(Fault) {
    try checkTests(node, tests)
    if hasBlock, node.block == nil {
      throw Fault(at: node.offset, "'\(node.name)' needs a block in braces")
    }
    if !hasBlock, node.block != nil {
      throw Fault(at: node.offset, "'\(node.name)' has no block")
    }
  }

  private func checkTests(_ node: SyntaxNode, _ tests: TestCount) throws(Fault) {
    switch (tests, node.testsForm) {
    case (.none, .none), (.one, .one), (.many, .list): return
    case (.none, _):
      throw Fault(at: node.tests.first?.offset ?? node.offset, "'\(node.name)' takes no test")
    case (.one, _): throw Fault(at: node.offset, "'\(node.name)' takes exactly one test")
    case (.many, _):
      throw Fault(at: node.offset, "'\(node.name)' takes a list of tests in parentheses")
    }
  }

  // MARK: Tests

  /// Compiles a test.
  func test(_ node: SyntaxNode) throws(Fault) -> any Test {
    do throws(Fault) {
      guard let definition = language.tests[node.name] else { throw unknownTest(node) }
      let arguments = try Arguments(
        node,
        parameters: definition.parameters,
        isFirstOptional: definition.isFirstOptional,
        tags: definition.tags,
        families: definition.families,
        self
      )
      try checkTests(node, definition.tests)
      return try definition.compile(arguments, self)
    } catch {
      guard error.isMissingExtension, language.names.contains("ihave") else { throw error }
      return UnavailableTest(message: error.message, offset: error.offset)
    }
  }

  private func unknownTest(_ node: SyntaxNode) -> Fault {
    if let owner = Capabilities.owner(ofTest: node.name) {
      return Fault(
        at: node.offset,
        "'\(node.name)' needs: require \"\(owner)\";",
        isMissingExtension: true
      )
    }
    if language.commands[node.name] != nil {
      return Fault(at: node.offset, "'\(node.name)' is a command, not a test")
    }
    return Fault(at: node.offset, "unknown test '\(node.name)'", isMissingExtension: true)
  }

  // MARK: Variables

  /// The slot of a variable, made where there is none yet.
  func slot(_ name: String, at offset: Int) throws(Fault) -> Int {
    if let slot = variables[name] { return slot }
    guard variables.count < limits.variables else {
      throw Fault(at: offset, "the script has more than \(limits.variables) variables")
    }
    variables[name] = variables.count
    return variables.count - 1
  }

  /// Lets a name stand for a variable that all scripts share.
  func makeGlobal(_ name: String) { globals.insert(name) }
}

/// A script that was compiled: its commands, and how many variables they need.
final class Program: Sendable {
  let body: Block
  let variableCount: Int
  private let source: [UInt8]

  init(body: Block, variableCount: Int, source: [UInt8]) {
    self.body = body
    self.variableCount = variableCount
    self.source = source
  }

  /// The line and the column of an offset of its source.
  func place(of offset: Int) -> (line: Int, column: Int) {
    let script = source
    return SourcePlace.find(offset, in: script.span)
  }
}
