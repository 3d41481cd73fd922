/// A command or a test as it is written (RFC 5228 §8.2), before anything is known of its meaning.
struct SyntaxNode {
  /// A number, a tag or a list of strings.
  struct Argument {
    enum Value {
      case number(UInt64)
      case tag(String)
      /// A string, or a list of them.
      case strings([Literal], isList: Bool)
    }

    let value: Value
    let offset: Int
  }

  /// A string of a script and where it begins.
  struct Literal {
    let bytes: [UInt8]
    let offset: Int
  }

  /// The tests behind the arguments.
  enum Tests {
    case none
    case one
    case list
  }

  /// The name in lower case.
  let name: String
  let offset: Int
  var arguments: [Argument] = []
  var testsForm = Tests.none
  var tests: [SyntaxNode] = []
  /// The commands in braces; nil where the command ends with a semicolon.
  var block: [SyntaxNode]?
}
