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

    package let value: Value
    let offset: Int
  }

  /// A string of a script and where it begins.
  package struct Literal: Sendable {
    package let bytes: [UInt8]
    let offset: Int
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
  /// The commands of a script as they are written; nil where it is none by its grammar (RFC 5228 §8.2).
  package static func syntax(
    of source: [UInt8],
    limits: SieveLimits = SieveLimits()
  ) -> [SyntaxNode]? {
    do throws(Fault) {
      return try Parser.parse(source, limits: limits)
    } catch {
      return nil
    }
  }
}
