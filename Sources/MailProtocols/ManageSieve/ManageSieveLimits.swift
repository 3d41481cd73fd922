/// What a ManageSieve server may make us hold; everything beyond ends the connection.
package struct ManageSieveLimits: Sendable {
  /// Bytes of one line, the literals in it included: a script is one.
  package var lineBytes = 2 << 20
  /// Lines of one answer.
  package var lines = 10_000
  /// Bytes of one answer.
  package var answerBytes = 4 << 20
  /// Bytes of a script that is sent.
  package var scriptBytes = 1 << 20

  /// The defaults that stand at each member.
  package init() {}
}

/// Bytes that are no answer of a ManageSieve server; the connection cannot be used any more.
package enum ManageSieveSyntaxError: Error, Hashable, Sendable {
  /// A line is none of the grammar (RFC 5804 §4); `start` is how it begins.
  case malformed(start: String)
  /// The server answers what nobody asked.
  case unasked
  /// There is more of something than `limit` says.
  case tooLong(limit: String)

  /// What was wrong, in words.
  package var reason: String {
    switch self {
    case .malformed(let start): "not an answer of ManageSieve: \"\(start)\""
    case .unasked: "an answer that nobody asked for"
    case .tooLong(let limit): "more than \(limit)"
    }
  }
}

/// What a caller gave that must not, or cannot, be sent; nothing was sent.
package enum ManageSieveInputError: Error, Hashable, Sendable {
  /// A script's name is empty, too long, or holds a control character (RFC 5804 §1.6).
  case scriptName
  /// A script is longer than is sent.
  case scriptTooLong
}
