/// Reads the tokens of a script into a tree (RFC 5228 §8.2).
///
///     commands  = *command
///     command   = identifier arguments (";" / block)
///     arguments = *argument [ test / test-list ]
struct Parser {
  private var lexer: Lexer
  private var token: Token
  private let limits: SieveLimits
  private var nodes = 0

  /// The commands of a script.
  static func parse(_ script: [UInt8], limits: SieveLimits) throws(Fault) -> [SyntaxNode] {
    guard script.count <= limits.scriptBytes else {
      throw Fault(at: 0, "the script has more than \(limits.scriptBytes) bytes")
    }
    if let offset = invalidOffset(script) { throw Fault(at: offset, "this is not valid UTF-8") }
    var parser = try Parser(script, limits: limits)
    let commands = try parser.commands(depth: 0)
    guard parser.token.kind == .end else { throw parser.unexpected("a command") }
    return commands
  }

  private init(_ script: [UInt8], limits: SieveLimits) throws(Fault) {
    self.limits = limits
    lexer = Lexer(script)
    token = try lexer.next()
  }

  /// Where ill-formed UTF-8 begins; nil where there is none.
  private static func invalidOffset(_ script: [UInt8]) -> Int? {
    do {
      _ = try UTF8Span(validating: script.span)
      return nil
    } catch {
      return error.byteOffsets.lowerBound
    }
  }

  private func unexpected(_ wanted: String) -> Fault {
    Fault(at: token.offset, "expected \(wanted), found \(token.kind)")
  }

  private mutating func advance() throws(Fault) { token = try lexer.next() }

  private mutating func take(_ kind: Token.Kind, _ wanted: String) throws(Fault) {
    guard token.kind == kind else { throw unexpected(wanted) }
    try advance()
  }

  private mutating func commands(depth: Int) throws(Fault) -> [SyntaxNode] {
    guard depth <= limits.nesting else {
      throw Fault(at: token.offset, "blocks nest deeper than \(limits.nesting) levels")
    }
    var commands: [SyntaxNode] = []
    while case .identifier = token.kind { commands.append(try command(depth: depth)) }
    return commands
  }

  private mutating func command(depth: Int) throws(Fault) -> SyntaxNode {
    var command = try node("a command", depth: 0)
    if token.kind == .leftBrace {
      try advance()
      command.block = try commands(depth: depth + 1)
      try take(.rightBrace, "'}' or a command")
    } else {
      try take(.semicolon, "';'")
    }
    return command
  }

  /// A command without its end, or a test: a name and its arguments.
  private mutating func node(_ wanted: String, depth: Int) throws(Fault) -> SyntaxNode {
    guard case .identifier(let name) = token.kind else { throw unexpected(wanted) }
    guard depth <= limits.nesting else {
      throw Fault(at: token.offset, "tests nest deeper than \(limits.nesting) levels")
    }
    nodes += 1
    guard nodes <= limits.nodes else {
      throw Fault(at: token.offset, "the script has more than \(limits.nodes) commands and tests")
    }
    var node = SyntaxNode(name: name, offset: token.offset)
    try advance()
    while let argument = try argument() { node.arguments.append(argument) }
    if case .identifier = token.kind {
      node.testsForm = .one
      node.tests = [try self.node("a test", depth: depth + 1)]
    } else if token.kind == .leftParenthesis {
      node.testsForm = .list
      node.tests = try testList(depth: depth + 1)
    }
    return node
  }

  private mutating func testList(depth: Int) throws(Fault) -> [SyntaxNode] {
    try advance()
    var tests = [try node("a test", depth: depth)]
    while token.kind == .comma {
      try advance()
      tests.append(try node("a test", depth: depth))
    }
    try take(.rightParenthesis, "',' or ')'")
    return tests
  }

  private mutating func argument() throws(Fault) -> SyntaxNode.Argument? {
    let offset = token.offset
    switch token.kind {
    case .number(let number):
      try advance()
      return SyntaxNode.Argument(value: .number(number), offset: offset)
    case .tag(let name):
      try advance()
      return SyntaxNode.Argument(value: .tag(name), offset: offset)
    case .string(let bytes):
      try advance()
      let literal = SyntaxNode.Literal(bytes: bytes, offset: offset)
      return SyntaxNode.Argument(value: .strings([literal], isList: false), offset: offset)
    case .leftBracket:
      return SyntaxNode.Argument(value: .strings(try stringList(), isList: true), offset: offset)
    default: return nil
    }
  }

  private mutating func stringList() throws(Fault) -> [SyntaxNode.Literal] {
    try advance()
    var strings: [SyntaxNode.Literal] = []
    repeat {
      guard case .string(let bytes) = token.kind else { throw unexpected("a string") }
      strings.append(SyntaxNode.Literal(bytes: bytes, offset: token.offset))
      try advance()
      guard token.kind == .comma else { break }
      try advance()
    } while true
    try take(.rightBracket, "',' or ']'")
    return strings
  }
}
