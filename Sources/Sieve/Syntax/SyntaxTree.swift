/// A command or a test as it is written (RFC 5228 §8.2), before anything is known of its meaning.
package struct SyntaxNode: Sendable {
  /// A number, a tag or a list of strings.
  package struct Argument: Sendable {
    /// What an argument is.
    package enum Value: Sendable {
      case number(UInt64)
      case tag(String)
      /// A string, or a list of them.
      case strings([Literal], isList: Bool)
    }

    package internal(set) var value: Value
    let offset: Int
  }

  /// A string of a script and where it begins.
  package struct Literal: Sendable {
    package internal(set) var bytes: [UInt8]
    let offset: Int
    /// Whether variables stand in it, so that it is put together only while the script runs (RFC 5229 §3).
    package internal(set) var hasVariables = false

    init(bytes: [UInt8], offset: Int) {
      self.bytes = bytes
      self.offset = offset
    }
  }

  /// The tests behind the arguments.
  package enum Tests: Sendable {
    case none
    case one
    case list
  }

  /// The name in lower case.
  package let name: String
  /// Where it begins in the script, in bytes.
  package let offset: Int
  package internal(set) var arguments: [Argument] = []
  package internal(set) var testsForm = Tests.none
  package internal(set) var tests: [SyntaxNode] = []
  /// The commands in braces; nil where the command ends with a semicolon.
  package internal(set) var block: [SyntaxNode]?
}

extension Script {
  /// The commands of a script; nil where it is none by its grammar (RFC 5228 §8.2).
  ///
  /// Its strings are as the extensions that it requires have them read: characters that are named by number stand in them, and
  /// where variables do, that is told. A piece of a script is read by what the whole requires, which is `required`.
  package static func syntax(
    of source: [UInt8],
    requiring required: Set<String> = [],
    limits: SieveLimits = SieveLimits()
  ) -> [SyntaxNode]? {
    do throws(Fault) {
      let commands = try Parser.parse(source, limits: limits)
      let reading = LiteralReading(required.union(requirements(of: commands)))
      return try commands.map { command throws(Fault) in try reading.read(command) }
    } catch {
      return nil
    }
  }

  /// The extensions that commands require (RFC 5228 §3.2).
  package static func requirements(of commands: [SyntaxNode]) -> Set<String> {
    var names: Set<String> = []
    for command in commands where command.name == "require" {
      for argument in command.arguments {
        guard case .strings(let literals, _) = argument.value else { continue }
        names.formUnion(literals.map { String(decoding: $0.bytes, as: UTF8.self) })
      }
    }
    return names
  }
}

/// Reads strings by the extensions that change what stands in them.
///
/// `ihave` finds neither of the two (RFC 5463 §4), so what is required is all there is.
private struct LiteralReading {
  private let decodesCharacters: Bool
  private let hasVariables: Bool

  init(_ required: Set<String>) {
    decodesCharacters = required.contains("encoded-character")
    hasVariables = required.contains("variables")
  }

  func read(_ node: SyntaxNode) throws(Fault) -> SyntaxNode {
    guard decodesCharacters || hasVariables, node.name != "require" else { return node }
    var node = node
    for index in node.arguments.indices {
      guard case .strings(let literals, let isList) = node.arguments[index].value else { continue }
      let read = try literals.map { literal throws(Fault) in try self.read(literal) }
      node.arguments[index].value = .strings(read, isList: isList)
    }
    node.tests = try node.tests.map { test throws(Fault) in try read(test) }
    node.block = try node.block?.map { command throws(Fault) in try read(command) }
    return node
  }

  private func read(_ literal: SyntaxNode.Literal) throws(Fault) -> SyntaxNode.Literal {
    var literal = literal
    if decodesCharacters {
      literal.bytes = try EncodedCharacters.decode(literal.bytes, at: literal.offset)
    }
    literal.hasVariables = hasVariables && VariableReferences.stand(in: literal.bytes)
    return literal
  }
}
