/// A lexical token of a script (RFC 5228 §8.1), and where it begins.
struct Token {
  enum Kind: Equatable {
    /// An identifier in lower case.
    case identifier(String)
    /// A tag in lower case without its colon.
    case tag(String)
    case number(UInt64)
    case string([UInt8])
    case semicolon, comma
    case leftParenthesis, rightParenthesis, leftBracket, rightBracket, leftBrace, rightBrace
    case end
  }

  let kind: Kind
  let offset: Int
}

extension Token.Kind: CustomStringConvertible {
  /// The token as an error names it.
  var description: String {
    switch self {
    case .identifier(let name): "'\(name)'"
    case .tag(let name): "':\(name)'"
    case .number(let number): "the number \(number)"
    case .string: "a string"
    case .semicolon: "';'"
    case .comma: "','"
    case .leftParenthesis: "'('"
    case .rightParenthesis: "')'"
    case .leftBracket: "'['"
    case .rightBracket: "']'"
    case .leftBrace: "'{'"
    case .rightBrace: "'}'"
    case .end: "the end of the script"
    }
  }
}
