/// Bytes that are no answer of a POP3 server; the connection cannot be used any more.
package enum POP3SyntaxError: Error, Hashable, Sendable {
  /// The server is no POP3 server; `start` is what it says first.
  case noGreeting(start: String)
  /// A line is neither `+OK` nor `-ERR` where one of them must stand.
  case noStatus(start: String)
  /// The server answers what nobody asked.
  case unasked
  /// There is more of something than `limit` says.
  case tooLong(limit: String)

  /// What was wrong, in words.
  package var reason: String {
    switch self {
    case .noGreeting(let start): "not a POP3 server: it says \"\(start)\""
    case .noStatus(let start): "neither +OK nor -ERR, but \"\(start)\""
    case .unasked: "an answer that nobody asked for"
    case .tooLong(let limit): "more than \(limit)"
    }
  }
}

/// What a caller gave that must not, or cannot, be sent; nothing was sent.
package enum POP3InputError: Error, Hashable, Sendable {
  /// A user name is empty, or holds a control character.
  case username
  /// A password is empty, or holds CR, LF or NUL.
  case password
  /// A language tag is none (RFC 5646).
  case language
  /// The command is longer than servers must take (RFC 2449 §4).
  case tooLong
}
